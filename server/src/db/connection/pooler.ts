import pg from 'pg';
import { OperatorError } from '../../operator-error.ts';
import { SESSION_POOLING } from './session.ts';
import * as sql from './sql.ts';

/**
 * Purser needs sessions of its own: their settings, prepared statements and the migrations' advisory
 * lock outlive a transaction. A pooler in transaction or statement mode shares sessions among clients.
 */

/** The timeout for the answers of the second session. */
const ANSWER_TIMEOUT_MS = 2_000;
/** Rounds of reads: other clients of the pooler can make a single round look good. */
const ROUNDS = 8;

/**
 * Checks that no pooler shares the session of `client`; `config` is the client's configuration. Two
 * connections set marks in their sessions: a mark is lost if they share one. Throws OperatorError.
 */
export async function expectOwnSession(
  client: pg.ClientBase,
  config: pg.ClientConfig,
): Promise<void> {
  const other = new pg.Client(config);
  other.on('error', () => {});
  try {
    await other.connect();
    const both = [client, other] as const;
    for (const [index, one] of both.entries()) await ask(one, sql.markSession.text, [`${index}`]);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [index, one] of both.entries()) {
        // Two reads each: a pooler that rotates its sessions must not get back in step.
        for (const _ of both) {
          if ((await ask(one, sql.readMark.text)) !== `${index}`) throw sharesSessions();
        }
      }
    }
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError(
      'The connection pool in front of PostgreSQL gave no second session.',
      (error as Error).message,
      'Give it room: a server takes up to 11 sessions at once (PgBouncer: default_pool_size, with pool_mode = session).',
      { cause: error },
    );
  } finally {
    await other.end().catch(() => {});
  }
}

function sharesSessions(): OperatorError {
  return new OperatorError(
    'The connection pool in front of PostgreSQL hands sessions around.',
    'It pools transactions or statements; Purser needs sessions with settings and prepared statements of their own.',
    SESSION_POOLING,
  );
}

async function ask(
  client: pg.ClientBase,
  text: string,
  values: string[] = [],
): Promise<string | null> {
  const query = { text, values, query_timeout: ANSWER_TIMEOUT_MS };
  const { rows } = await client.query<{ mark: string | null }>(query);
  return rows[0]?.mark ?? null;
}
