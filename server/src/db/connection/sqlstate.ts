/**
 * The reaction to each SQLSTATE, in one place for the pool, the lane and the batched reads.
 * Classes: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

/**
 * - `statement`: the statement's own fault, so it would fail again. Bad data (21, 22, 23), a limit of
 *   PostgreSQL (54), or a defect of ours (42).
 * - `conflict`: another transaction was in the way (40). Run the transaction again.
 * - `wait`: a lock or statement timeout (55P03, 57014). The connection is sound.
 * - `connection`: every other class, unknown ones too. The connection or PostgreSQL is unfit at this
 *   moment. Examples are read-only (25006), a stale plan (0A000), a lost statement (26000), rights that
 *   are being set (42501), a full disk and a shutdown. Drop the connection and retry on a new one.
 */
export type Fault = 'statement' | 'conflict' | 'wait' | 'connection';

/** Classifies an error of the driver. One without SQLSTATE means a lost connection. */
export function faultOf(error: unknown): Fault {
  const code = sqlStateOf(error);
  if (code === undefined || code === '42501') return 'connection';
  if (code === '55P03' || code === '57014') return 'wait';
  if (code.startsWith('40')) return 'conflict';
  return /^(21|22|23|42|54)/.test(code) ? 'statement' : 'connection';
}

/**
 * Whether the error proves that its transaction did nothing. An error that ends the session, or that
 * does not come from PostgreSQL, may follow a commit.
 */
export function isRolledBack(error: unknown): boolean {
  const code = sqlStateOf(error);
  return code !== undefined && !/^(08|57P|25P0[34]|XX)/.test(code);
}

/** The error's SQLSTATE; undefined: it does not come from PostgreSQL. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  // Some codes of the operating system have five letters too: EPIPE.
  return typeof code === 'string' && /^[0-9FHPX][0-9A-Z]{4}$/.test(code) ? code : undefined;
}
