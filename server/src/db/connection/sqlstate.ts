/**
 * SQLSTATE by what is to be done about it, in one place for the pool, the lane and the batched reads.
 * Classes: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

/**
 * - `statement`: its own fault, so it fails again wherever it runs. Bad data (21, 22, 23), a limit of
 *   PostgreSQL that its data hit (54), or a defect of ours (42).
 * - `conflict`: another transaction was in the way (40). Run the transaction again.
 * - `wait`: it waited too long for a lock or its end (55P03, 57014). The connection is sound.
 * - `connection`: everything else, unknown classes too. The state of the connection or of PostgreSQL is
 *   not fit at this moment: read-only (25006), a stale plan (0A000), a lost statement (26000), rights
 *   that are being set (42501), a full disk, a shutdown. Drop the connection and run again on a new one.
 */
export type Fault = 'statement' | 'conflict' | 'wait' | 'connection';

/** What to do about an error of the driver; one without SQLSTATE is a connection that was lost. */
export function faultOf(error: unknown): Fault {
  const code = sqlStateOf(error);
  if (code === undefined || code === '42501') return 'connection';
  if (code === '55P03' || code === '57014') return 'wait';
  if (code.startsWith('40')) return 'conflict';
  return /^(21|22|23|42|54)/.test(code) ? 'statement' : 'connection';
}

/**
 * Whether the error says for certain that its statement, and the transaction around it, did nothing.
 * An error that ends the session, or none at all from PostgreSQL, may have come after a commit.
 */
export function isRolledBack(error: unknown): boolean {
  const code = sqlStateOf(error);
  return code !== undefined && !/^(08|57P|25P0[34]|XX)/.test(code);
}

/** The error's SQLSTATE; undefined if it does not come from PostgreSQL. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  // The system's own codes have five letters at times: EPIPE.
  return typeof code === 'string' && /^[0-9FHPX][0-9A-Z]{4}$/.test(code) ? code : undefined;
}
