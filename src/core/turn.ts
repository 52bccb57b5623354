/** A turn of the event loop: what came in meanwhile, and what is to leave, goes first. */
export function nextTurn(): Promise<void> {
  return new Promise((resume) => setTimeout(resume, 0));
}
