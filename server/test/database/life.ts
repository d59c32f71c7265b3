import { randomUUID } from 'node:crypto';
import type { Account } from '../../src/ledger/accounts/accounts.ts';
import type { Usage, UsageGroup } from '../../src/ledger/history/usage.ts';
import { CHARGE_KINDS, KINDS, type OperationKind } from '../../src/ledger/operations/kinds.ts';
import type { TestDatabase } from '../postgres.ts';

/** Random operations of every kind, written to the tables directly and not through the ledger. */

export const DAY_MS = 86_400_000;
export const KEYS = [randomUUID(), randomUUID(), null];
export const SCOPES = ['search', 'chat:read', null];
const ROUTES = ['search', 'contents', null];

export interface MadeEntry {
  readonly line: number;
  readonly amount: bigint;
  readonly grant: bigint | null;
  readonly category: 'paid' | 'promotional' | 'overdraft';
  readonly book: 'funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment';
  readonly postedAfter: bigint;
}

export interface MadeOperation {
  readonly number: bigint;
  readonly kind: OperationKind;
  readonly at: number;
  readonly amount: bigint;
  readonly key: string | null;
  readonly scope: string | null;
  /** The gateway's call: the route and the quantities; null: no call made the operation. */
  readonly call: MadeCall | null;
  readonly subject: bigint | null;
  readonly entries: readonly MadeEntry[];
}

export interface MadeCall {
  readonly route: string;
  readonly quantities: Readonly<Record<string, string>>;
}

/** A random number generator (mulberry32), deterministic for each seed. */
export function chanceOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Makes operations 1 … `count` of every kind over some days. Each has the entries of its kind. */
export function liveALife(count: number, start: number, seed: number): MadeOperation[] {
  const chance = chanceOf(seed);
  const operations: MadeOperation[] = [];
  let posted = 0n;
  let at = start;
  const lineOf = (book: MadeEntry['book'], amount: bigint): Omit<MadeEntry, 'line'> => {
    posted += amount;
    const category = (['paid', 'promotional', 'overdraft'] as const)[chance(3)] ?? 'paid';
    return {
      amount,
      grant: category === 'overdraft' ? null : 1n,
      category,
      book,
      postedAfter: posted,
    };
  };
  for (let number = 1n; number <= BigInt(count); number += 1n) {
    // Many operations share an instant.
    at += chance(3) === 0 ? chance(DAY_MS / 100) : 0;
    const subjects = operations.filter(({ kind }) => CHARGE_KINDS.includes(kind)).slice(-20);
    const subject = subjects[chance(Math.max(subjects.length, 1))];
    const [kind, book, sign] = pick(chance, subject !== undefined, number);
    const amount = sign === 0 ? 0n : BigInt(1 + chance(1_000_000_000));
    const halves =
      sign === 0 ? [] : [amount / 2n, amount - amount / 2n].filter((half) => half > 0n);
    const isSpend = CHARGE_KINDS.includes(kind) || kind === 'hold';
    operations.push({
      number,
      kind,
      at,
      amount: kind === 'adjustment' ? amount * BigInt(sign) : amount,
      key: isSpend ? (KEYS[chance(3)] ?? null) : null,
      scope: isSpend ? (SCOPES[chance(3)] ?? null) : null,
      call: isSpend ? callOf(chance) : null,
      subject: subjectOf(kind, subject, number),
      entries: halves.map((half, index) => ({
        line: index + 1,
        ...lineOf(book, half * BigInt(sign)),
      })),
    });
  }
  return operations;
}

function callOf(chance: (below: number) => number): MadeCall | null {
  const route = ROUTES[chance(3)];
  if (!route) return null;
  const quantities = { calls: '1', ...(chance(2) === 0 && { pages: `${chance(30)}.5` }) };
  return { route, quantities };
}

type Choice = readonly [kind: OperationKind, book: MadeEntry['book'], sign: -1 | 0 | 1];

function pick(chance: (below: number) => number, hasCharge: boolean, number: bigint): Choice {
  const choices: Choice[] = [
    ['grant', 'funding', 1],
    ['charge', 'revenue', -1],
    ['hold', 'revenue', 0],
    ['adjustment', 'adjustment', 1],
    ['adjustment', 'adjustment', -1],
  ];
  if (number > 1n) {
    choices.push(
      ['charge', 'revenue', -1],
      ['charge', 'revenue', 0],
      ['capture', 'revenue', -1],
      ['capture', 'revenue', 0],
      ['overage', 'revenue', -1],
      ['grant_start', 'promotion', 1],
      ['grant_extension', 'funding', 0],
      ['grant_void', 'promotion', -1],
      ['grant_end', 'breakage', -1],
      ['hold_void', 'revenue', 0],
      ['hold_expiry', 'revenue', 0],
    );
  }
  if (hasCharge) choices.push(['reversal', 'revenue', 1], ['reversal', 'revenue', 1]);
  return choices[chance(choices.length)] ?? ['grant', 'funding', 1];
}

function subjectOf(
  kind: OperationKind,
  charge: MadeOperation | undefined,
  number: bigint,
): bigint | null {
  if (kind === 'reversal') return charge?.number ?? null;
  return 'subject' in KINDS[kind] ? number - 1n : null;
}

export const inPeriod = (
  { at }: MadeOperation,
  { from, to }: { from: number; to: number },
): boolean => from <= at && at < to;

/** Computes usage from every operation, without rollups. */
export function usageIn(
  life: readonly MadeOperation[],
  period: { from: number; to: number },
  groupBy: readonly UsageGroup[],
): Usage[] {
  const lines = new Map<string, Usage>();
  for (const operation of life) {
    const isReversal = operation.kind === 'reversal';
    const isCharge = CHARGE_KINDS.includes(operation.kind);
    if (!inPeriod(operation, period) || !(isReversal || isCharge)) continue;
    const of = isReversal ? life[Number(operation.subject) - 1] : operation;
    const by = (group: UsageGroup, text: string | null | undefined) =>
      groupBy.includes(group) ? (text ?? '') : '';
    const day = by('day', new Date(operation.at).toISOString().slice(0, 10));
    const [key, scope] = [by('key', of?.key), by('scope', of?.scope)];
    const route = by('route', of?.call?.route);
    const line = `${day}/${key}/${scope}/${route}`;
    const known = lines.get(line);
    const isCounted = isCharge && operation.kind !== 'overage';
    lines.set(line, {
      day,
      key,
      scope,
      route,
      quantities: added(known?.quantities ?? {}, isCounted ? operation.call?.quantities : {}),
      charges: (known?.charges ?? 0n) + (isCharge ? 1n : 0n),
      charged: (known?.charged ?? 0n) + (isCharge ? operation.amount : 0n),
      reversed: (known?.reversed ?? 0n) + (isReversal ? operation.amount : 0n),
    });
  }
  const order = ({ day, key, scope, route }: Usage) => `${day}/${key}/${scope}/${route}`;
  return [...lines.values()].sort((a, b) => (order(a) < order(b) ? 1 : -1));
}

/** Adds quantities. A `number` is exact here: all amounts are whole or halves. */
function added(
  sums: Readonly<Record<string, string>>,
  counted: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const all = { ...sums };
  for (const [quantity, amount] of Object.entries(counted)) {
    all[quantity] = `${Number(all[quantity] ?? '0') + Number(amount)}`;
  }
  return all;
}

/** Writes the operations, and the balance that follows from them. */
export async function write(
  db: Pick<TestDatabase, 'query'>,
  account: Account,
  operations: readonly MadeOperation[],
): Promise<void> {
  const rows = operations.map(({ entries: _, key, at, ...operation }) => ({
    ...operation,
    at: new Date(at).toISOString(),
    api_key_id: key,
    is_repeatable: KINDS[operation.kind].isRepeatable,
  }));
  await db.query(
    `insert into operations (account_id, number, kind, at, amount, available_after, scope, api_key_id,
                             idempotency_digest, fingerprint, subject, expires_at, remaining_after, call)
     select $1, number, kind, at, amount, 0, scope, api_key_id,
            case when is_repeatable then substring(sha256(number::text::bytea) for 16) end,
            case when is_repeatable then substring(sha256(number::text::bytea) for 16) end,
            subject, case when kind = 'hold' then at + interval '1 hour' end,
            case when kind = 'grant_void' then 0 end, call
     from jsonb_to_recordset($2) as o (number bigint, kind operation_kind, at timestamptz,
       amount bigint, scope text, api_key_id uuid, subject bigint, is_repeatable boolean, call json)`,
    [account.id, asJson(rows)],
  );
  const entries = operations.flatMap(({ number, entries: lines }) =>
    lines.map((line) => ({
      ...line,
      number,
      grant_number: line.grant,
      posted_after: line.postedAfter,
    })),
  );
  await db.query(
    `insert into entries (account_id, number, line, amount, grant_number, category, book, posted_after)
     select $1, number, line, amount, grant_number, category, book, posted_after
     from jsonb_to_recordset($2) as e (number bigint, line smallint, amount bigint,
       grant_number bigint, category entry_category, book book, posted_after bigint)`,
    [account.id, asJson(entries)],
  );
  const last = operations.at(-1);
  const posted = entries.at(-1)?.postedAfter ?? 0n;
  await db.query(
    `update balances set last_number = $2, posted = $3, last_at = $4,
            overdraft_used = greatest(0, -$3::bigint) where account_id = $1`,
    [account.id, last?.number, posted, new Date(last?.at ?? 0).toISOString()],
  );
}

function asJson(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? `${item}` : item));
}
