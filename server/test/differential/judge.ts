import { isDeepStrictEqual } from 'node:util';
import { accountIdOf, operationId } from '../../src/ledger/operations/ids.ts';
import type { Account, Operation, Told, UsedKey } from './book.ts';
import type { Call, Leaving } from './calls.ts';
import type { Sight } from './client.ts';
import { type Outcome, probed, type Seen } from './model.ts';
import type { Performance } from './perform.ts';
import { inCents } from './routes.ts';
import { ANSWER_HEADER } from './upstream.ts';
import { digestOfKey, type Evidence, type SeenKey } from './witness.ts';

/** Compares everything observed of a call with the outcomes that the model allows. */

/** A call, and everything that was observed of it. */
export interface Case {
  readonly call: Call;
  /** The account's public id. */
  readonly accountId: string;
  readonly before: Account;
  readonly performance: Performance;
  readonly evidence: Evidence;
}

/** The differences from one outcome; empty: this is the outcome that happened. */
export function differencesFrom(outcome: Outcome, seen: Case): readonly string[] {
  const difference = new Differences();
  compareBooks(outcome, seen, difference);
  compareKeys(outcome, seen, difference);
  const { client, probe, visit } = seen.performance;
  compareSight(outcome.seen, client, seen, difference);
  if (probe && seen.call.probe) compareSight(probed(seen.call.probe).seen, probe, seen, difference);
  const isRaced = RACED.includes(seen.call.leaves);
  const most = outcome.isForwarded ? 1 : 0;
  const isAsked = isRaced ? visit.times <= most : visit.times === most;
  if (!isAsked) difference.note('requests to the upstream', most, visit.times);
  return difference.found;
}

/** A client that disconnects then may be gone before the upstream has noticed the request. */
const RACED: readonly Leaving[] = ['before its body', 'in its body', 'at once'];

/** The account after an outcome. */
export function accountAfter({ call, before, evidence }: Case, outcome: Outcome): Account {
  const { key } = call.request;
  const keys = new Map(before.keys);
  if (key !== null && outcome.key) keys.set(key, outcome.key);
  const lastNumber = before.lastNumber + outcome.operations.length;
  return { ...before, posted: evidence.posted, lastNumber, keys };
}

class Differences {
  readonly found: string[] = [];

  /** Notes a difference if there is one. */
  note(name: string, expected: unknown, actual: unknown): void {
    if (isDeepStrictEqual(expected, actual)) return;
    this.found.push(`${name}: expected ${shown(expected)}, got ${shown(actual)}`);
  }
}

export function shown(value: unknown): string {
  const text = JSON.stringify(value, (_, part) => {
    if (typeof part === 'bigint') return inCents(part);
    if (part instanceof Map) return Object.fromEntries(part);
    return typeof part === 'string' && part.length > 300 ? `${part.slice(0, 300)}…` : part;
  });
  return text ?? 'nothing';
}

/** The change of the posted balance by an operation. */
function effectOf({ kind, amount }: Operation): bigint {
  if (kind === 'reversal') return amount;
  return kind === 'charge' || kind === 'capture' || kind === 'overage' ? -amount : 0n;
}

function compareBooks(
  { operations, ending, status }: Outcome,
  seen: Case,
  difference: Differences,
) {
  const { before, evidence, call } = seen;
  const first = evidence.operations[0];
  difference.note('held', 0n, evidence.held);
  const posted = operations.reduce((sum, operation) => sum + effectOf(operation), before.posted);
  difference.note('posted', posted, evidence.posted);
  const numbered = operations.map((operation, index) => ({
    number: before.lastNumber + 1 + index,
    kind: operation.kind,
    amount: operation.amount,
    entries: effectOf(operation),
    subject: operation.subject,
    quantities: operation.quantities,
    route: operation.quantities === null ? null : call.request.route.name,
    isLate: call.isLate && operation.kind === 'charge',
  }));
  const written = evidence.operations.map(({ call: text, ending: _, status: __, ...others }) => ({
    ...others,
    quantities: text?.quantities ?? null,
    route: text?.route ?? null,
    isLate: text?.late ?? false,
  }));
  difference.note('operations', numbered, written);
  difference.note('ending', ending, first?.ending ?? null);
  if (status !== 'either') difference.note('status of the call', status, first?.status ?? null);
  const late = evidence.operations.find(({ call: text }) => text?.late);
  if (late) difference.note('ending of the late charge', ending, late.ending);
}

/** Every used key has its row, and no other key has one. */
function compareKeys(outcome: Outcome, seen: Case, difference: Differences) {
  const { before, call, evidence } = seen;
  const keys = new Map<string, UsedKey>(before.keys);
  const { key } = call.request;
  if (key !== null && outcome.key) keys.set(key, outcome.key);
  const expected = [...keys].map(([name, used]) => [digestOfKey(name), rowOf(used)]);
  const actual = [...evidence.keys].map(([digest, row]) => [digest, shownRow(row)]);
  difference.note(
    'rows of idempotency keys',
    Object.fromEntries(expected),
    Object.fromEntries(actual),
  );
}

function rowOf({ charge, answer }: UsedKey): object {
  const { status = null, id = null, body = null } = answer ?? {};
  return { isUsed: true, charge, status, id, body, isKeptForADay: true };
}

function shownRow({ isUsed, charge, status, headers, body, isKeptForADay }: SeenKey): object {
  return { isUsed, charge, status, id: headers?.[ANSWER_HEADER] ?? null, body, isKeptForADay };
}

function compareSight(expected: Seen, client: Sight, seen: Case, difference: Differences): void {
  const { status, headers, body, isWhole, hasLeft } = client;
  // A client that disconnected may have got nothing, or only the beginning.
  if (hasLeft && status === 0) return;
  difference.note('status', expected.status, status);
  if (status !== expected.status) return;
  const { call } = seen;
  const isHead = call.request.method === 'HEAD';
  difference.note(
    'replayed',
    expected.isReplay ? 'true' : undefined,
    headers['idempotency-replayed'],
  );
  compareTold('head', expected.head, headers, seen, difference);
  if (expected.error) {
    if (!isHead && isWhole)
      difference.note('error', expected.error, errorIn(body, expected.error, seen));
    return;
  }
  const { id, body: text } = expected.answer ?? { id: '', body: '' };
  difference.note('id of the answer', id, headers[ANSWER_HEADER]);
  difference.note('cookies of the answer', ['a=1', 'b=2'], headers['set-cookie']);
  const told = expected.hasComment ? commentsOf(expected, seen) : [''];
  const wholes = isHead ? [''] : told.map((comment) => text + comment);
  if (!isWhole) {
    const isPart = wholes.some((whole) => whole.startsWith(body));
    if (!isPart || !(hasLeft || !expected.isWhole))
      difference.note('part of the body', wholes, body);
    return;
  }
  difference.note('whether it came whole', expected.isWhole, isWhole);
  if (!wholes.includes(body)) difference.note('body', wholes, body);
  if (expected.end) compareTold('end', expected.end, client.trailers, seen, difference);
}

/** The expected members of the gateway's own error, with their actual values. */
function errorIn(body: string, expected: Readonly<Record<string, string>>, seen: Case): object {
  const error = JSON.parse(body) as Readonly<Record<string, string>>;
  const names = Object.keys(expected).filter((name) => name !== 'charge');
  const { charge } = expected;
  const isNamed = error['charge_id'] === (charge && idOf('chg', seen, Number(charge)));
  return {
    ...Object.fromEntries(names.map((name) => [name, error[name]])),
    ...(charge !== undefined && { charge: isNamed ? charge : error['charge_id'] }),
  };
}

function idOf(prefix: 'chg' | 'hld', { accountId }: Case, number: number): string {
  return operationId(prefix, accountIdOf(accountId), BigInt(number));
}

function creditsOf(told: Told | 'held' | null, seen: Case) {
  if (told === null) return NOT_TOLD;
  if (told === 'held') {
    return { ...NOT_TOLD, 'x-hold-id': idOf('hld', seen, seen.before.lastNumber + 1) };
  }
  const { charged, remaining, charge } = told;
  return {
    ...NOT_TOLD,
    'x-credits-charged': inCents(charged),
    'x-credits-remaining': inCents(remaining),
    'x-charge-id': charge === null ? undefined : idOf('chg', seen, charge),
  };
}

const NOT_TOLD = {
  'x-credits-charged': undefined,
  'x-credits-remaining': undefined,
  'x-charge-id': undefined,
  'x-hold-id': undefined,
};

/**
 * The credits may be missing: if PostgreSQL does not answer for three seconds, no cost is known.
 */
function compareTold(
  where: string,
  told: Told | 'held' | null,
  headers: Sight['headers'] | Sight['trailers'],
  seen: Case,
  difference: Differences,
): void {
  const actual = Object.fromEntries(Object.keys(NOT_TOLD).map((name) => [name, headers[name]]));
  const isLeftOut = mayBeLeftOut(seen) && isDeepStrictEqual(actual, NOT_TOLD);
  if (isLeftOut && told !== 'held') return;
  difference.note(`credits in the ${where}`, creditsOf(told, seen), actual);
}

/** The possible comments at the end of a stream. None is possible if no cost was known in time. */
function commentsOf({ end, head }: Seen, seen: Case): readonly string[] {
  const told = end ?? head;
  if (told === null || told === 'held') return [''];
  const { charged, remaining, charge } = told;
  const facts = [
    `credits-charged=${inCents(charged)}`,
    `credits-remaining=${inCents(remaining)}`,
    ...(charge === null ? [] : [`charge=${idOf('chg', seen, charge)}`]),
  ];
  const comment = `: ${facts.join(' ')}\n\n`;
  return mayBeLeftOut(seen) ? [comment, ''] : [comment];
}

function mayBeLeftOut({ call, performance }: Case): boolean {
  return call.isAway || performance.client.tookMs > NOT_KNOWN_AFTER_MS;
}
const NOT_KNOWN_AFTER_MS = 2_900;
