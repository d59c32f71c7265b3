import type { Database } from '../../db/connection/database.ts';
import { type Page, pageOf } from '../../db/page.ts';
import type { AccountId } from '../operations/ids.ts';
import { firstNumbers, inSnapshot, type NumberRange, type Period } from './past.ts';
import * as sql from './sql/usage.ts';

/**
 * Usage: what was charged and given back, by day, key, scope and the gateway's route, and what was
 * counted of the calls. Whole days come from a rollup that
 * follows the ledger behind; parts of days, and the operations that the rollup does not count yet, are
 * read as they are, in the same snapshot. So usage says what the ledger says: over all time, charged
 * minus reversed is minus the entries of the book `revenue`.
 */

const DAY_MS = 86_400_000;

/** How much `rollUp` does. */
export const ROLL_UP_BOUNDS = {
  /** A shorter tail is not worth a turn: a question reads as much in a millisecond or two. */
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

/** One line: what was used on a day, by a key, for a scope, of a route. Amounts are microcents. */
export interface Usage {
  /** `2026-11-23`, in UTC; empty where it is not grouped by. */
  readonly day: string;
  /** The key's UUID; empty for charges without a key, or where it is not grouped by. */
  readonly key: string;
  /** As `key`. */
  readonly scope: string;
  /** The route of the price book; as `key`. */
  readonly route: string;
  readonly charges: bigint;
  readonly charged: bigint;
  readonly reversed: bigint;
  /** What was counted of the calls, by the quantity's name: decimal numbers. */
  readonly quantities: Readonly<Record<string, string>>;
}

/** The place of a line in the list. */
export type UsagePosition = Pick<Usage, UsageGroup>;

/**
 * An account's usage over a period, newest day first. A charge counts on its own day, a reversal on the
 * day that it was made, for the key, scope and route of its charge.
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

/** The whole days (UTC) of a period; from and to are one instant where there is none. */
function wholeDays({ from = -Infinity, to = Infinity }: Period): { from: number; to: number } {
  const first = Math.ceil(from / DAY_MS) * DAY_MS;
  const end = Math.floor(to / DAY_MS) * DAY_MS;
  return first < end ? { from: first, to: end } : { from: to, to };
}

/** The operations of the period that the rollup's days do not tell. */
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

/** How far a call of `rollUp` came. */
export interface RollUp {
  /** Where the next call goes on; null: it has looked at every account, begin again. */
  readonly after: AccountId | null;
  /** How many operations were counted. */
  readonly operations: bigint;
}

/**
 * Counts operations that nobody has counted yet, of the accounts after `after` that have many. Any
 * number of nodes may call it at once, while the lanes append: an operation is counted once. A call is
 * bounded, and each transaction of it is short. Throws DatabaseUnavailable; then call it again.
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
    // What is left of this account waits for the next round, so that it holds up no other.
    if (operations >= mostOperations) return { after: account, operations };
  }
  const last = tails.at(-1);
  const isEnd = !last || tails.length < mostAccounts;
  return { after: isEnd ? null : (last.account_id as AccountId), operations };
}

/** Answers 0 where there is nothing to count, or another counts this account. */
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
