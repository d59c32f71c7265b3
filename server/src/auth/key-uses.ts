import type { Database, Statement } from '../db/connection/database.ts';
import { WriteBehind } from '../db/write-behind.ts';
import type { OnKeyUsed } from './authentication.ts';
import * as sql from './sql/key-uses.ts';

const FLUSH_EVERY_MS = 5_000;

interface KeyUse {
  readonly id: string;
  /** The newest use, in milliseconds since 1970. */
  readonly at: number;
}

/** Records when each key was last used. Only `last_used_at` depends on it. */
export class KeyUses {
  readonly #uses: Readonly<Record<Parameters<OnKeyUsed>[0], WriteBehind<KeyUse>>>;

  constructor(database: Database, log: { warn(details: object, message: string): void }) {
    const writer = (statement: Statement, subject: string) =>
      new WriteBehind<KeyUse>({
        write: (uses) =>
          database.rows(statement, [
            uses.map(({ id }) => id),
            uses.map(({ at }) => new Date(at).toISOString()),
          ]),
        flushEveryMs: FLUSH_EVERY_MS,
        subject,
        log,
      });
    this.#uses = {
      customer: writer(sql.recordApiKeyUses, 'the last uses of API keys'),
      operator: writer(sql.recordOperatorKeyUses, 'the last uses of operator keys'),
    };
  }

  /** Records a use at this moment. Never fails. */
  readonly used: OnKeyUsed = (kind, id) => {
    this.#uses[kind].add(id, { id, at: Date.now() });
  };

  /** Writes a last time. Call it after the last request, before the database closes. */
  async close(): Promise<void> {
    await Promise.all(Object.values(this.#uses).map((uses) => uses.close()));
  }
}
