import { beforeAll, describe, expect, test } from 'vitest';
import type { Account } from '../../src/ledger/accounts/accounts.ts';
import {
  type EntryPosition,
  findCharge,
  listCharges,
  listEntries,
  listGrants,
} from '../../src/ledger/history/lists.ts';
import { balanceAt, rangeOf } from '../../src/ledger/history/past.ts';
import { readStatement, statementEntries } from '../../src/ledger/history/statement.ts';
import {
  ROLL_UP_BOUNDS,
  type RollUp,
  readUsage,
  rollUp,
  USAGE_GROUPS,
  type Usage,
  type UsageGroup,
  type UsagePosition,
} from '../../src/ledger/history/usage.ts';
import { CHARGE_KINDS } from '../../src/ledger/operations/kinds.ts';
import { useDatabase } from '../postgres.ts';
import { chanceOf, DAY_MS, inPeriod, KEYS, liveALife, SCOPES, usageIn, write } from './life.ts';
import { chargeOf, grantOf, newAccount, useLedger, wanted } from './rig.ts';

const db = useDatabase();
const rig = useLedger(db.database);

const OPERATIONS = 3_000;
const START = Date.parse('2026-03-01T21:00:00Z');
const life = liveALife(OPERATIONS, START, 7);
const END = life.at(-1)?.at ?? START;
const entries = life.flatMap((operation) =>
  operation.entries.map((entry) => ({ ...entry, operation })),
);
const small = { ...ROLL_UP_BOUNDS, shortestTail: 1n, chunk: 250n };
let account: Account;

beforeAll(async () => {
  account = await newAccount(db.database);
  await write(db, account, life);
});

/**
 * Random periods, whose ends are at operations, between them, at midnights and outside the history.
 */
function periods(count: number, seed: number): { from: number; to: number }[] {
  const chance = chanceOf(seed);
  const instant = () => {
    const at = life[chance(life.length)]?.at ?? START;
    switch (chance(4)) {
      case 0:
        return at;
      case 1:
        return at + 1;
      case 2:
        return Math.floor(at / DAY_MS) * DAY_MS;
      default:
        return START - 1_000 + chance(END - START + 2_000);
    }
  };
  return Array.from({ length: count }, () => {
    const [a, b] = [instant(), instant()];
    return { from: Math.min(a, b), to: Math.max(a, b) };
  });
}

const sumOf = (amounts: readonly bigint[]) => amounts.reduce((sum, amount) => sum + amount, 0n);

function postedBefore(instant: number) {
  const before = entries.filter(({ operation }) => operation.at < instant);
  const of = (category: string) =>
    sumOf(before.filter((entry) => entry.category === category).map(({ amount }) => amount));
  const byCategory = {
    paid: of('paid'),
    promotional: of('promotional'),
    overdraft: of('overdraft'),
  };
  return { posted: sumOf(before.map(({ amount }) => amount)), byCategory };
}

function sumsIn(period: { from: number; to: number }) {
  const sums = new Map<string, { amount: bigint; entries: bigint }>();
  for (const { operation, book, category, amount } of entries) {
    if (!inPeriod(operation, period)) continue;
    const group = `${operation.kind} ${book} ${category}`;
    const known = sums.get(group) ?? { amount: 0n, entries: 0n };
    sums.set(group, { amount: known.amount + amount, entries: known.entries + 1n });
  }
  return sums;
}

async function allUsage(
  of: Account,
  asked: { from?: number; to?: number; groupBy: readonly UsageGroup[] },
): Promise<Usage[]> {
  const lines: Usage[] = [];
  for (let before: UsagePosition | undefined; ; before = lines.at(-1)) {
    const page = await readUsage(db.database, of.id, {
      ...asked,
      limit: 7,
      ...(before && { before }),
    });
    lines.push(...page.items);
    if (!page.more) return lines;
  }
}

async function expectTruth(seed: number): Promise<void> {
  for (const period of periods(40, seed)) {
    const statement = await readStatement(db.database, account.id, period);
    expect(statement.opening).toEqual(postedBefore(period.from));
    expect(statement.closing).toEqual(postedBefore(period.to));
    const sums = statement.sums.map(({ kind, book, category, amount, entries: count }) => [
      `${kind} ${book} ${category}`,
      { amount, entries: count },
    ]);
    expect(new Map(sums as [string, { amount: bigint; entries: bigint }][])).toEqual(
      sumsIn(period),
    );
    expect(statement.opening.posted + sumOf(statement.sums.map(({ amount }) => amount))).toBe(
      statement.closing.posted,
    );
    expect(await balanceAt(db.database, account.id, period.to - 1)).toEqual(statement.closing);
    const groupBy = USAGE_GROUPS.filter((_, index) => (seed + period.from + index) % 3 !== 0);
    expect(await allUsage(account, { ...period, groupBy })).toEqual(usageIn(life, period, groupBy));
  }
}

const always = { from: -Infinity, to: Infinity };

describe('the past', () => {
  test('agrees with the operations: statements, balances and usage of any period', async () => {
    await expectTruth(1);
  });

  test('has the right operations before and after each instant', async () => {
    for (const { from, to } of periods(40, 2)) {
      const range = await rangeOf(db.database, account.id, { from, to });
      expect(range.first).toBe(BigInt(life.filter(({ at }) => at < from).length + 1));
      expect(range.before).toBe(BigInt(life.filter(({ at }) => at < to).length + 1));
    }
    const whole = await rangeOf(db.database, account.id, {});
    expect(whole).toEqual({ first: 1n, before: BigInt(OPERATIONS + 1) });
    const empty = await newAccount(db.database);
    expect(await rangeOf(db.database, empty.id, {})).toEqual({ first: 1n, before: 1n });
    expect((await balanceAt(db.database, empty.id, END)).posted).toBe(0n);
  });

  test('is stated entry by entry, from the opening to the closing balance', async () => {
    for (const period of periods(5, 3)) {
      const statement = await readStatement(db.database, account.id, period);
      const told: unknown[] = [];
      for await (const chunk of statementEntries(db.database, account.id, statement)) {
        told.push(...chunk.map(({ number, line, amount }) => ({ number, line, amount })));
      }
      expect(told).toEqual(
        entries
          .filter(({ operation }) => inPeriod(operation, period))
          .map(({ operation: { number }, line, amount }) => ({ number, line, amount })),
      );
    }
  });

  test('shows entries that cancel each other', async () => {
    const other = await newAccount(db.database);
    const common = {
      kind: 'adjustment',
      at: START,
      key: null,
      scope: null,
      subject: null,
      call: null,
    } as const;
    const line = { line: 1, grant: 1n, category: 'paid', book: 'adjustment' } as const;
    await write(db, other, [
      { ...common, number: 1n, amount: 5n, entries: [{ ...line, amount: 5n, postedAfter: 5n }] },
      { ...common, number: 2n, amount: -5n, entries: [{ ...line, amount: -5n, postedAfter: 0n }] },
    ]);
    const period = { from: START, to: START + 1 };
    const { sums } = await readStatement(db.database, other.id, period);
    expect(sums).toEqual([
      { kind: 'adjustment', book: 'adjustment', category: 'paid', amount: 0n, entries: 2n },
    ]);
  });

  test('is not shown if it does not add up', async () => {
    const other = await newAccount(db.database);
    await rig.ledger.submit(grantOf(other, 10n), wanted);
    await rig.ledger.submit(chargeOf(other, { amount: 3n }), wanted);
    const now = Date.now() + DAY_MS;
    const sound = await readStatement(db.database, other.id, { from: 0, to: now });
    await db.query('update entries set amount = -4 where account_id = $1 and number = 2', [
      other.id,
    ]);
    const tellAll = async () => {
      for await (const _ of statementEntries(db.database, other.id, sound));
    };
    await expect(tellAll()).rejects.toThrow(/does not add up/);
    await expect(readStatement(db.database, other.id, { from: 0, to: now })).rejects.toThrow(
      /does not add up/,
    );
    await expect(balanceAt(db.database, other.id, now)).rejects.toThrow(/does not add up/);
  });
});

describe('lists', () => {
  test('filter entries by period, kinds and key, page by page', async () => {
    for (const [index, period] of periods(12, 4).entries()) {
      const kinds = [undefined, ['reversal', 'capture'], ['grant']][index % 3];
      const apiKeyId = index % 2 === 0 ? (KEYS[0] ?? undefined) : undefined;
      const listed: { number: bigint; line: number }[] = [];
      for (let before: EntryPosition | undefined; ; before = listed.at(-1)) {
        const page = await listEntries(db.database, account.id, {
          ...period,
          kinds,
          apiKeyId,
          limit: 7,
          ...(before && { before }),
        });
        listed.push(...page.items.map(({ number, line }) => ({ number, line })));
        if (!page.more) break;
      }
      const expected = entries
        .filter(({ operation }) => inPeriod(operation, period))
        .filter(({ operation: { kind } }) => !kinds || kinds.includes(kind))
        .filter(({ operation: { key } }) => apiKeyId === undefined || key === apiKeyId)
        .map(({ operation: { number }, line }) => ({ number, line }))
        .reverse();
      expect(listed).toEqual(expected);
    }
  });

  test('filter charges by period, key and scope; each shows its hold and its reversed amount', async () => {
    for (const [index, period] of periods(12, 5).entries()) {
      const scope = SCOPES[index % 3] ?? undefined;
      const apiKeyId = KEYS[index % 2] ?? undefined;
      const listed: object[] = [];
      for (let before: bigint | undefined; ; ) {
        const asked = { ...period, scope, apiKeyId, limit: 5, ...(before && { before }) };
        const page = await listCharges(db.database, account.id, asked);
        listed.push(
          ...page.items.map(({ receipt, reversed }) => ({
            number: receipt.number,
            reversed,
            hold: receipt.subject,
          })),
        );
        if (!page.more) break;
        before = page.items.at(-1)?.receipt.number;
      }
      const expected = life
        .filter(({ kind }) => CHARGE_KINDS.includes(kind))
        .filter((operation) => inPeriod(operation, period))
        .filter((operation) => scope === undefined || operation.scope === scope)
        .filter((operation) => apiKeyId === undefined || operation.key === apiKeyId)
        .map(({ number, subject: hold }) => ({ number, reversed: reversedOf(number), hold }))
        .reverse();
      expect(listed).toEqual(expected);
    }
    const capture = life.find(({ kind }) => kind === 'capture')?.number ?? 0n;
    const found = await findCharge(db.database, { account: account.id, number: capture });
    expect([found?.receipt.subject, found?.reversed]).toEqual([capture - 1n, reversedOf(capture)]);
    const hold = life.find(({ kind }) => kind === 'hold')?.number ?? 0n;
    expect(await findCharge(db.database, { account: account.id, number: hold })).toBeUndefined();
  });

  const reversedOf = (charge: bigint) =>
    sumOf(
      life
        .filter(({ kind, subject }) => kind === 'reversal' && subject === charge)
        .map(({ amount }) => amount),
    );

  test('show the remainder and the ending of each grant, and filter by its status', async () => {
    const own = await newAccount(db.database);
    for (let number = 1; number <= 7; number += 1) {
      await rig.ledger.submit(grantOf(own, 10n), wanted);
    }
    const set = (number: number, change: string) =>
      db.query(`update grants set ${change} where account_id = $1 and number = $2`, [
        own.id,
        number,
      ]);
    const ended = `ended_at = now(), ended_by`;
    await set(1, `remaining = 0, live = false, ${ended} = 'expiry'`);
    await set(2, `remaining = 0, live = false, ${ended} = 'void'`);
    await set(3, `remaining = 4, reserved = 4, ${ended} = 'expiry'`);
    await set(4, 'remaining = 0, live = false');
    await set(5, 'started = false');
    await set(6, `started = false, remaining = 0, live = false, ${ended} = 'void'`);
    const list = async (status?: 'pending' | 'active' | 'ended') => {
      const { items } = await listGrants(db.database, own.id, { limit: 10, status });
      return items.map((grant) => [Number(grant.number), grant.status, grant.endedBy]);
    };
    expect(await list()).toEqual([
      [7, 'active', null],
      [6, 'ended', 'void'],
      [5, 'pending', null],
      [4, 'ended', null],
      [3, 'ended', 'expiry'],
      [2, 'ended', 'void'],
      [1, 'ended', 'expiry'],
    ]);
    for (const status of ['pending', 'active', 'ended'] as const) {
      expect(await list(status)).toEqual((await list()).filter(([, word]) => word === status));
    }
  });
});

describe('the rollup', () => {
  test('changes no answer, however far it has come', async () => {
    for (let turn = 0; turn < 4; turn += 1) {
      await rollUp(db.database, null, { ...small, mostOperations: 750n });
      await expectTruth(10 + turn);
    }
    const [row] = await db.query<{ number: string }>(
      'select number from rollups where account_id = $1',
      [account.id],
    );
    expect(row?.number).toBe(String(OPERATIONS));
    const revenue = entries.filter(({ book }) => book === 'revenue').map(({ amount }) => amount);
    const [all] = await allUsage(account, { ...always, groupBy: [] });
    expect((all?.charged ?? 0n) - (all?.reversed ?? 0n)).toBe(-sumOf(revenue));
  });

  test('counts each operation once, however many nodes count while others append', async () => {
    const own = await newAccount(db.database);
    await rig.ledger.submit(grantOf(own, 1_000_000n), wanted);
    let isOver = false;
    const nodes = Array.from({ length: 4 }, async () => {
      while (!isOver) await rollUp(db.database, null, { ...small, chunk: 37n });
    });
    const reader = (async () => {
      while (!isOver) {
        const [line] = await allUsage(own, { groupBy: [] });
        expect(line?.charged ?? 0n).toBe(line?.charges ?? 0n);
      }
    })();
    for (let round = 0; round < 40; round += 1) {
      const charges = Array.from({ length: 50 }, () => rig.ledger.submit(chargeOf(own), wanted));
      await Promise.all(charges);
      const [line] = await allUsage(own, { groupBy: [] });
      expect(line).toMatchObject({ charges: BigInt(50 * (round + 1)) });
    }
    isOver = true;
    await Promise.all([...nodes, reader]);
    await rollUp(db.database, null, small);
    const counted = await db.query(
      `select sum(charges)::int as charges, sum(charged)::int as charged,
              (select number::int from rollups where account_id = $1) as number
       from usage_days where account_id = $1`,
      [own.id],
    );
    expect(counted).toEqual([{ charges: 2_000, charged: 2_000, number: 2_001 }]);
    const sums = await db.query(
      'select sum(amount)::int as posted from entry_sums where account_id = $1',
      [own.id],
    );
    expect(sums).toEqual([{ posted: 998_000 }]);
  });

  test('goes through all accounts in bounded turns, and leaves short tails alone', async () => {
    const turns: RollUp[] = [];
    for (let after: RollUp['after'] = null; ; ) {
      const turn: RollUp = await rollUp(db.database, after, { ...ROLL_UP_BOUNDS, mostAccounts: 2 });
      turns.push(turn);
      after = turn.after;
      if (after === null) break;
    }
    expect(turns.length).toBeGreaterThan(1);
    expect(sumOf(turns.map(({ operations }) => operations))).toBe(0n);
  });
});
