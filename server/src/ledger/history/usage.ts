import type { Database } from '../../db/connection/database.ts';
import { type Page, pageOf } from '../../db/page.ts';
import type { AccountId } from '../operations/ids.ts';
import { firstNumbers, inSnapshot, type NumberRange, type Period } from './past.ts';
import * as sql from './sql/usage.ts';

/**
 * Usage: the amounts charged and reversed, by day, key, scope and the gateway's route, and the quantities
 * of the calls.
 *
 * Whole days come from a rollup, which lags behind the ledger. Parts of days, and operations that the
 * rollup does not count yet, are read from the ledger in the same snapshot. So usage is exact: over all
 * time, charged minus reversed is minus the sum of the entries of the book `revenue`.
 */

const DAY_MS = 86_400_000;

/** The bounds of one call of `rollUp`. */
export const ROLL_UP_BOUNDS = {
  /** A shorter tail stays uncounted: a read of usage counts it in a millisecond or two. */
  shortestTail: 1_000n,
  /** Operations in one transaction: some 100 ms. */
  chunk: 10_000n,
  /** Operations in one call. */
  mostOperations: 100_000n,
  /** Accounts that one call looks at. */
  mostAccounts: 10_000,
};

export const USAGE_GROUPS = ['day', 'key', 'scope', 'route'] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/** The usage of one day, key, scope and route. Amounts are microcents. */
export interface Usage {
  /** Such as `2026-11-23`, in UTC; empty: not grouped by day. */
  readonly day: string;
  /** The key's UUID; empty: charges without a key, or not grouped by key. */
  readonly key: string;
  /** As `key`. */
  readonly scope: string;
  /** The route of the price book; as `key`. */
  readonly route: string;
  readonly charges: bigint;
  readonly charged: bigint;
  readonly reversed: bigint;
  /** The quantities of the calls, by name: decimal numbers. */
  readonly quantities: Readonly<Record<string, string>>;
}

/** The place of a line in the list. */
export type UsagePosition = Pick<Usage, UsageGroup>;

/**
 * An account's usage over a period, newest day first. A charge counts on its own day. A reversal counts on
 * its own day too, but for the key, scope and route of its charge.
 */
export async function readUsage(
  database: Database,
  account: AccountId,
  asked: Period & {
    readonly groupBy: readonly UsageGroup[];
    readonly limit: number;
    readonly before?: UsagePosition;
  },
): Promise<Page<Usage>> {
  const { groupBy, limit, before } = asked;
  return inSnapshot(database, async (tx) => {
    const days = wholeDays(asked);
    const { from = -Infinity, to = Infinity } = asked;
    const instants = [from, days.from, days.to, to];
    const numbers = await firstNumbers(tx, account, instants);
    const [done] = await tx.rows<{ number: bigint }>(sql.readRolledUp, [account]);
    const ranges = rangesBesides(numbers, done?.number ?? 0n);
    const used = [
      account,
      dayText(days.from),
      dayText(days.to),
      ranges.map(({ first }) => first),
      ranges.map(({ before: end }) => end),
      ...USAGE_GROUPS.map((group) => groupBy.includes(group)),
    ];
    const position = (usage?: UsagePosition) => USAGE_GROUPS.map((group) => usage?.[group] ?? null);
    const rows = await tx.rows<sql.UsageRow>(sql.readUsage, [
      ...used,
      ...position(before),
      limit + 1,
    ]);
    const lines = pageOf(rows, limit);
    const [newest] = lines.items;
    const quantities = newest
      ? await tx.rows<sql.QuantityRow>(sql.readQuantities, [
          ...used,
          ...position(newest),
          ...position(lines.items.at(-1)),
        ])
      : [];
    return { ...lines, items: lines.items.map((row) => usageOf(row, quantities)) };
  });
}

function usageOf(row: sql.UsageRow, quantities: readonly sql.QuantityRow[]): Usage {
  const own = quantities.filter((other) =>
    USAGE_GROUPS.every((group) => other[group] === row[group]),
  );
  return {
    ...row,
    charged: BigInt(row.charged),
    reversed: BigInt(row.reversed),
    quantities: Object.fromEntries(own.map(({ quantity, amount }) => [quantity, amount])),
  };
}

/** The whole days (UTC) of a period; `from` equals `to` if it has none. */
function wholeDays({ from = -Infinity, to = Infinity }: Period): { from: number; to: number } {
  const first = Math.ceil(from / DAY_MS) * DAY_MS;
  const end = Math.floor(to / DAY_MS) * DAY_MS;
  return first < end ? { from: first, to: end } : { from: to, to };
}

/** The operations of the period that are not in the rollup's whole days. */
function rangesBesides(
  [first = 1n, dayFirst = 1n, dayEnd = 1n, end = 1n]: readonly bigint[],
  rolledUp: bigint,
): NumberRange[] {
  const uncounted = rolledUp + 1n > dayFirst ? rolledUp + 1n : dayFirst;
  const ranges = [
    { first, before: dayFirst },
    { first: uncounted, before: dayEnd },
    { first: dayEnd, before: end },
  ];
  return ranges.filter((range) => range.first < range.before);
}

function dayText(instant: number): string {
  if (Number.isFinite(instant)) return new Date(instant).toISOString().slice(0, 10);
  return instant > 0 ? 'infinity' : '-infinity';
}

/** The result of a call of `rollUp`. */
export interface RollUp {
  /** The account after which the next call continues; null: it begins again at the first. */
  readonly after: AccountId | null;
  /** The number of operations that it counted. */
  readonly operations: bigint;
}

/**
 * Adds uncounted operations to the rollup, for accounts after `after` that have many of them. Any number
 * of nodes may call it while lanes append: each operation is counted once. A call is bounded, and its
 * transactions are short. Throws DatabaseUnavailable; call it again then.
 */
export async function rollUp(
  database: Database,
  after: AccountId | null,
  bounds: typeof ROLL_UP_BOUNDS = ROLL_UP_BOUNDS,
): Promise<RollUp> {
  const { shortestTail, chunk, mostOperations, mostAccounts } = bounds;
  const tails = await database.rows<sql.TailRow>(sql.readTails, [after, mostAccounts]);
  let operations = 0n;
  for (const { account_id: id, tail } of tails) {
    if (tail < shortestTail) continue;
    const account = id as AccountId;
    for (let counted = chunk; counted === chunk && operations < mostOperations; ) {
      counted = await countChunk(database, account, chunk);
      operations += counted;
    }
    // The rest of this account waits for the next round, so that it delays no other account.
    if (operations >= mostOperations) return { after: account, operations };
  }
  const last = tails.at(-1);
  const isEnd = !last || tails.length < mostAccounts;
  return { after: isEnd ? null : (last.account_id as AccountId), operations };
}

/** The number of counted operations; 0: none is left, or another node counts this account. */
async function countChunk(database: Database, account: AccountId, most: bigint): Promise<bigint> {
  return database.transaction(async (tx) => {
    await tx.rows(sql.beginRollup, [account]);
    const [locked] = await tx.rows<{ number: bigint }>(sql.lockRollup, [account]);
    if (!locked) return 0n;
    const values = [account, locked.number, most];
    const [counted] = await tx.rows<{ operations: bigint }>(sql.countOn, values);
    return counted?.operations ?? 0n;
  });
}
