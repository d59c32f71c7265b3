import type { PostgresDatabase } from '../db/connection/postgres.ts';
import { ClockWatch } from './lane/clock.ts';
import { LANE_SETTINGS, Lane, type LaneOptions } from './lane/lane.ts';
import type { LedgerObserver } from './lane/observer.ts';
import type { AccountId } from './operations/ids.ts';
import { type Operation, type Outcome, SWEEPER } from './operations/operations.ts';

/**
 * The only writer of money. An operation is decided and durable when `submit` resolves.
 *
 * A node has one lane. Two batches at once would each be half as large, which costs more than their
 * overlap gains (adr/0001).
 */
export class Ledger {
  /** This node's knowledge of the clocks. */
  readonly clock: ClockWatch;
  readonly #lane: Lane;

  constructor(
    database: PostgresDatabase,
    options: { log: LaneOptions['log']; observer: LedgerObserver },
  ) {
    this.clock = new ClockWatch(options.log);
    this.#lane = new Lane({
      clock: this.clock,
      connect: () => database.pipeline('purser lane', LANE_SETTINGS),
      ...options,
    });
  }

  /**
   * Judges an operation and, if it is accepted, makes it durable. Never rejects: an error is an outcome.
   * `isWanted` is called once before the batch starts. If it returns false, as the caller has left, the
   * operation is dropped and fails as `overloaded`.
   */
  submit(operation: Operation, isWanted: () => boolean): Promise<Outcome> {
    return this.#lane.submit(operation, isWanted);
  }

  /**
   * Books the due events of an account, so that its history shows them. Never rejects; the outcome is
   * `refused` if the account does not exist.
   */
  advance(account: AccountId): Promise<Outcome> {
    const operation = {
      kind: 'advance',
      account,
      accountPublicId: null,
      actor: SWEEPER,
    } as const;
    return this.#lane.submit(operation, () => true);
  }

  /** Refuses new operations, settles the accepted ones, and closes the lane's connection. */
  stop(): Promise<void> {
    return this.#lane.stop();
  }
}
