import type { Database, Sql } from '../../db/connection/database.ts';
import { believedInstantOf } from '../lane/clock.ts';
import type { AccountId } from '../operations/ids.ts';
import { LARGEST_AMOUNT } from '../operations/money.ts';
import type { SpendPeriod } from '../operations/operations.ts';
import { periodEnd, periodStart } from '../rules/limits.ts';
import { lockBalance } from './accounts.ts';
import * as sql from './sql/spend-limits.ts';

/**
 * Sets, reads and clears spend limits (README §6). `decide` enforces them and keeps their counters.
 *
 * A limit that is set in the middle of a period must count the spending since its start. To keep the lock
 * short, all but the last operations are counted before it.
 */

/** The most operations that one statement counts: short snapshots let hot rows be pruned. */
const COUNTED_AT_ONCE = 100_000n;
/** The most operations to count under the lock. Counting is much faster than an account can grow. */
const LEFT_FOR_THE_LOCK = 1_000n;

/** Names a limit of an account, or of one of its keys. */
export interface LimitKey {
  readonly account: AccountId;
  /** Null: the account's own. */
  readonly apiKeyId: string | null;
  readonly period: SpendPeriod;
}

/** A spend limit now. */
export interface SpendLimitRead {
  readonly amount: bigint;
  /** The amount spent and held since the start of the period. */
  readonly used: bigint;
  /** The end of the period; null: never. */
  readonly resetAt: number | null;
}

/**
 * Sets a limit under its account's lock: once it has resolved, no operation decided without the limit can
 * commit. An existing limit gets the new amount and keeps its counter. `uncountable`: no limit is set, as
 * the amount spent in its period exceeds int64. Throws ClockUnreliable, as the period is unknown then.
 */
export async function setSpendLimit(
  database: Database,
  key: LimitKey,
  amount: bigint,
): Promise<SpendLimitRead | 'uncountable'> {
  let counted: Counted | undefined;
  for (;;) {
    const known = counted;
    const limit = await database.transaction((tx) => setIn(tx, key, amount, known));
    if (limit) return limit;
    counted = await countAhead(database, key);
  }
}

/** A limit now; undefined: none is set. Throws ClockUnreliable. */
export async function readSpendLimit(on: Sql, key: LimitKey): Promise<SpendLimitRead | undefined> {
  const [row] = await on.rows<sql.LimitRow>(sql.findLimit, nameOf(key));
  if (!row) return undefined;
  const { period } = key;
  const now = believedInstantOf({ clock: row.clock, lastAt: row.last_at });
  const isCurrent = row.period_start >= periodStart(period, now);
  return {
    amount: row.amount,
    used: isCurrent ? row.used : 0n,
    resetAt: periodEnd(period, now),
  };
}

/** Removes a limit under its account's lock. False: none was set. */
export async function clearSpendLimit(database: Database, key: LimitKey): Promise<boolean> {
  return database.transaction(async (tx) => {
    await lockBalance(tx, key.account);
    return (await tx.rows(sql.deleteLimit, nameOf(key))).length > 0;
  });
}

/** The sum of the charges less the reversals of a period, up to an operation. */
interface Counted {
  readonly periodStart: number;
  /** The period's first operation; if it has none yet, the number of the next operation. */
  readonly first: bigint;
  readonly upTo: bigint;
  readonly spent: bigint;
}

/** Undefined: nothing was written, as the spending of this period must be counted first. */
async function setIn(
  tx: Sql,
  key: LimitKey,
  amount: bigint,
  counted: Counted | undefined,
): Promise<SpendLimitRead | 'uncountable' | undefined> {
  await lockBalance(tx, key.account);
  const changed = await tx.rows(sql.changeLimit, [...nameOf(key), amount]);
  if (changed.length === 0) {
    const { last, now } = await clockOf(tx, key.account);
    // The period may have ended since it was counted.
    if (counted?.periodStart !== periodStart(key.period, now)) return undefined;
    // If nothing was counted, the period's first operation may have come since.
    const known = counted.upTo < counted.first ? await startOf(tx, key, now, last) : counted;
    const { spent, first } = await countOn(tx, key, known, last);
    const [open] = await tx.rows<{ held: bigint }>(sql.sumHeld, [...holderOf(key), first]);
    const used = spent + (open?.held ?? 0n);
    if (used > LARGEST_AMOUNT) return 'uncountable';
    const start = new Date(counted.periodStart).toISOString();
    await tx.rows(sql.insertLimit, [...nameOf(key), amount, used, start]);
  }
  return readSpendLimit(tx, key);
}

/** Counts the current period up to its last operations. It needs no lock, as operations never change. */
async function countAhead(on: Sql, key: LimitKey): Promise<Counted> {
  let { last, now } = await clockOf(on, key.account);
  let counted = await startOf(on, key, now, last);
  while (last - counted.upTo > LEFT_FOR_THE_LOCK) {
    const next = counted.upTo + COUNTED_AT_ONCE;
    counted = await countOn(on, key, counted, next < last ? next : last);
    ({ last } = await clockOf(on, key.account));
  }
  return counted;
}

/** The current period with nothing counted. */
async function startOf(on: Sql, key: LimitKey, now: number, last: bigint): Promise<Counted> {
  const start = periodStart(key.period, now);
  const since = [key.account, last, new Date(start).toISOString()];
  const [found] = await on.rows<{ number: bigint }>(sql.firstSince, since);
  if (!found) throw new Error('bug: the search for the start of a period did not end');
  return { periodStart: start, first: found.number, upTo: found.number - 1n, spent: 0n };
}

/** Continues a count up to and with an operation. */
async function countOn(on: Sql, key: LimitKey, counted: Counted, upTo: bigint): Promise<Counted> {
  const range = [...holderOf(key), counted.first, counted.upTo, upTo];
  const [sum] = await on.rows<{ spent: string }>(sql.sumSpent, range);
  return { ...counted, upTo, spent: counted.spent + BigInt(sum?.spent ?? 0) };
}

/** The last operation of an account, and the instant at which it is judged. */
async function clockOf(on: Sql, account: AccountId): Promise<{ last: bigint; now: number }> {
  const [row] = await on.rows<sql.ClockRow>(sql.readClock, [account]);
  if (!row) throw new Error('bug: an account has no balance row');
  const now = believedInstantOf({ clock: row.clock, lastAt: row.last_at });
  return { last: row.last_number, now };
}

function holderOf({ account, apiKeyId }: LimitKey): unknown[] {
  return [account, apiKeyId ?? account];
}

function nameOf(key: LimitKey): unknown[] {
  return [...holderOf(key), key.period];
}
