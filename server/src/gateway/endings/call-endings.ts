import type { Database } from '../../db/connection/database.ts';
import { WriteBehind } from '../../db/write-behind.ts';
import type { AccountId } from '../../ledger/operations/ids.ts';
import * as sql from './sql.ts';

const FLUSH_EVERY_MS = 200;

interface EndedCall {
  readonly account: AccountId;
  /** The number of the charge or hold that began the call's payment. */
  readonly number: bigint;
  /** When the call ended, in milliseconds since 1970. */
  readonly at: number;
  readonly ending: string;
  readonly status: number | null;
}

/**
 * Records how calls ended. If the last attempt at a call repeats an earlier one's payment, the last
 * ending counts. A receipt says that an ending is unknown if it was lost; no amount depends on it.
 */
export class CallEndings {
  readonly #ended: WriteBehind<EndedCall>;

  constructor(database: Database, log: { warn(details: object, message: string): void }) {
    this.#ended = new WriteBehind({
      write: (calls) =>
        database.rows(sql.writeEndings, [
          calls.map(({ account }) => account),
          calls.map(({ number }) => number),
          calls.map(({ at }) => new Date(at).toISOString()),
          calls.map(({ ending }) => ending),
          calls.map(({ status }) => status),
        ]),
      flushEveryMs: FLUSH_EVERY_MS,
      subject: 'the endings of calls',
      log,
    });
  }

  /** Records an ending. Never fails. */
  add(call: EndedCall): void {
    this.#ended.add(`${call.account} ${call.number}`, call);
  }

  /** Writes a last time. Call it after the last call has ended, before the database closes. */
  close(): Promise<void> {
    return this.#ended.close();
  }
}
