/** A failure of the local stack whose message tells a person what to do. Shown without a stack trace. */
export class StackFailure extends Error {
  override readonly name = "StackFailure";
}
