import { DurableObject } from "cloudflare:workers";

export class WorkspaceIndex extends DurableObject<Env> {}
