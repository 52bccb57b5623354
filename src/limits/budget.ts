import { DurableObject } from "cloudflare:workers";
import type { BudgetState, Budget as Port, Reservation } from "../core/budget.ts";
import { newId } from "../core/ids.ts";
import { current, EMPTY_LEDGER, type Ledger, reserve, settle, stateOf } from "./budget-ledger.ts";

/**
 * The tokens of one workspace, by whose id the object is named. It alone decides, and each change is on disk
 * before the answer leaves (the output gate): neither a race nor a crash can overspend.
 * Stored: `ledger`.
 */
export class Budget extends DurableObject<Env> implements Port {
  #ledger: Ledger;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#ledger = state.storage.kv.get<Ledger>("ledger") ?? EMPTY_LEDGER;
  }

  async reserve(tokens: number, monthlyTokens: number): Promise<Reservation> {
    const nowMs = Date.now();
    const ask = { id: newId("req"), tokens, monthlyTokens, nowMs };
    const [ledger, reservation] = reserve(current(this.#ledger, nowMs), ask);
    this.#store(ledger);
    return reservation;
  }

  async settle(reservationId: string, tokens: number): Promise<void> {
    this.#store(settle(current(this.#ledger, Date.now()), reservationId, tokens));
  }

  async state(): Promise<BudgetState> {
    const nowMs = Date.now();
    return stateOf(current(this.#ledger, nowMs), nowMs);
  }

  /** Forgets everything: a step of deleting a workspace. */
  async clear(): Promise<void> {
    this.#ledger = EMPTY_LEDGER;
    await this.ctx.storage.deleteAll();
  }

  #store(ledger: Ledger): void {
    if (ledger === this.#ledger) return;
    this.#ledger = ledger;
    this.ctx.storage.kv.put("ledger", ledger);
  }
}
