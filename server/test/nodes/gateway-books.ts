import { inspect } from 'node:util';
import { expect } from 'vitest';
import { digestOf } from '../../src/ledger/operations/digest.ts';
import { accountIdOf, parseOperationId } from '../../src/ledger/operations/ids.ts';
import { parseCents } from '../../src/ledger/operations/money.ts';
import { CHARGES } from '../../src/ledger/operations/sql/kinds.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import type { TestDatabase } from '../postgres.ts';
import { LONG, SECONDS } from './chance.ts';
import type { Attempt, Journal, Wish } from './gateway-client.ts';
import type { Node } from './node.ts';

/**
 * Compares the answers that customers received with their payments.
 *
 * A killed server may lose only the cost of an attempt in progress that was not reported yet. Its hold
 * expires, and the answer was free. A price that was known before the call stays charged, even if
 * the upstream failed at that moment. A cost that was told, in headers or trailers, is never lost.
 */

export interface Circumstances {
  /** The time of each node's kill, on the clock of the attempts. */
  readonly killedAt: ReadonlyMap<Node, number>;
  /** The time of the last kill, on the clock of the ledger. */
  readonly calmSince: Date;
  /** The ids of the upstream's failed answers. */
  readonly failed: ReadonlySet<string>;
}

/** A charge or hold with which a call began, and its outcome. Amounts are microcents. */
interface CallInLedger {
  readonly account_id: string;
  readonly number: string;
  readonly kind: 'charge' | 'hold';
  readonly route: string | null;
  readonly version: string | null;
  readonly at: Date;
  readonly ending: string | null;
  /** The numbers of its charges: the charge itself, or the capture and the overage. */
  readonly charges: readonly string[];
  readonly charged: string;
  /** The part of `charged` that was not reversed. */
  readonly net: string;
}

const CALLS = `
  with paid as (
    select c.account_id, c.number, coalesce(c.subject, c.number) as call, c.amount,
           c.amount - coalesce((select sum(r.amount) from operations r
             where r.account_id = c.account_id and r.subject = c.number and r.kind = 'reversal'), 0)
             as net
    from operations c where c.kind in ${CHARGES})
  select o.account_id, o.number, o.kind::text, o.at,
         o.call ->> 'route' as route, o.call ->> 'version' as version, e.ending,
         array_remove(array_agg(p.number::text), null) as charges,
         coalesce(sum(p.amount), 0)::text as charged, coalesce(sum(p.net), 0)::text as net
  from operations o
  left join call_endings e on e.account_id = o.account_id and e.number = o.number
  left join paid p on p.account_id = o.account_id and p.call = o.number
  where o.kind in ('charge', 'hold')
  group by o.account_id, o.number, e.ending`;

/** An answer waits for the ledger at most this long. Then it goes out and states no cost. */
const LONGEST_SETTLING_MS = 3_000;

/** Endings for which the customer pays nothing. */
const FREE = [
  'upstream_unreachable',
  'upstream_timeout',
  'upstream_4xx',
  'upstream_5xx',
  'upstream_broke_off',
  'upstream_rejected_operator',
  'upstream_error_event',
];
/** Paid endings: those that a customer caused, or after an answer came. */
const PAID = [
  'delivered',
  'client_left_before_answer',
  'client_left_midway',
  'answer_malformed',
  'answer_too_large',
  'above_maximum',
  'time_exceeded',
];

/** Compares everything that was received with the ledger. Every server must have stopped. */
export async function expectReceivedIsPaid(
  db: Pick<TestDatabase, 'database' | 'query'>,
  journal: Journal,
  circumstances: Circumstances,
): Promise<void> {
  expect((await verify(db.database)).problem).toBeNull();
  expect(await db.query('select from holds')).toEqual([]);
  const calls = await db.query<CallInLedger>(CALLS);
  const books = new Books(calls, circumstances);
  expectToldIsTrue(journal, books);
  expectAnswersArePaidOnce(journal, books);
  expectPartsArePaid(journal, books);
  expectErrorsAreFree(journal, books);
  expectNobodyPaysForNothing(journal, calls, books);
  await expectKeysUsedOnce(db, journal, books);
  expectEndings(calls, circumstances.calmSince);
}

class Books {
  readonly circumstances: Circumstances;
  readonly #byNumber = new Map<string, CallInLedger>();

  constructor(calls: readonly CallInLedger[], circumstances: Circumstances) {
    this.circumstances = circumstances;
    for (const call of calls) {
      for (const number of [call.number, ...call.charges]) {
        this.#byNumber.set(`${call.account_id} ${number}`, call);
      }
    }
  }

  /** The call that paid for an attempt, by the charge or hold that the customer was told. */
  of({ told: { charge, hold } }: Attempt): CallInLedger | undefined {
    if (charge !== undefined) return this.#named(parseOperationId('chg', charge));
    return hold === undefined ? undefined : this.#named(parseOperationId('hld', hold));
  }

  /**
   * Whether the upstream failed, a kill may have lost the attempt's payment, or the ledger took so
   * long that the answer states no cost.
   */
  mayBeFree({ node, startedAt, endedAt, told, received }: Attempt): boolean {
    const { killedAt, failed } = this.circumstances;
    const isLost = (killedAt.get(node) ?? 0) > startedAt && told.charged === undefined;
    const isUntold =
      endedAt - startedAt > LONGEST_SETTLING_MS &&
      told.hold === undefined &&
      told.charge === undefined;
    return isLost || isUntold || failed.has(`${received?.id}`);
  }

  /** Fails if there are attempts that broke a promise, and prints each whole, with its call. */
  expectNone(attempts: readonly Attempt[]): void {
    expect(attempts.map((attempt) => printed(this.shown(attempt))).join('\n\n')).toBe('');
  }

  /** An attempt with its call, for the message of a failed test. */
  shown(attempt: Attempt): object {
    const { node, ...others } = attempt;
    const killedAt = this.circumstances.killedAt.get(node);
    return { ...others, killedAt, call: this.of(attempt) };
  }

  #named(id: ReturnType<typeof parseOperationId>): CallInLedger | undefined {
    const call = this.#byNumber.get(`${id?.account} ${id?.number}`);
    expect({ id, isInLedger: call !== undefined }).toMatchObject({ isInLedger: true });
    return call;
  }
}

/** Shortens long bodies for the output. */
const printed = (value: unknown): string => inspect(value, { depth: null, maxStringLength: 400 });

/** Whether a call is paid. Calls of a route without a price always are. */
const isPaid = ({ net, route }: CallInLedger): boolean => net !== '0' || route === 'free';
const hasAnswer = ({ received }: Attempt): boolean => received !== null && received.status < 300;

/** The cost that a customer was told with a whole answer is exactly the amount paid. */
function expectToldIsTrue({ attempts }: Journal, books: Books): void {
  const wrong = attempts.filter((attempt) => {
    const { received, told } = attempt;
    if (!received?.isWhole || received.isReplay || told.charge === undefined) return false;
    return books.of(attempt)?.net !== String(parseCents(told.charged ?? ''));
  });
  books.expectNone(wrong);
}

/** One call pays for each whole answer, however often that is replayed, and for no other. */
function expectAnswersArePaidOnce({ attempts }: Journal, books: Books): void {
  const answersOf = new Map<CallInLedger, Set<string>>();
  const callsOf = new Map<string, Set<CallInLedger>>();
  const unpaid: Attempt[] = [];
  for (const attempt of attempts.filter(hasAnswer)) {
    const { id = '', isWhole = false } = attempt.received ?? {};
    const call = books.of(attempt);
    if (isWhole && !(call && isPaid(call)) && !books.mayBeFree(attempt)) unpaid.push(attempt);
    if (!call) continue;
    answersOf.set(call, (answersOf.get(call) ?? new Set()).add(id));
    callsOf.set(id, (callsOf.get(id) ?? new Set()).add(call));
  }
  books.expectNone(unpaid);
  expect([...answersOf].filter(([, answers]) => answers.size > 1)).toEqual([]);
  expect([...callsOf].filter(([, calls]) => calls.size > 1)).toEqual([]);
  expect(attempts.some(({ received }) => received?.isReplay)).toBe(true);
}

/** A customer who received a part of an answer has paid, unless the upstream failed. */
function expectPartsArePaid({ attempts }: Journal, books: Books): void {
  const unpaid = attempts.filter((attempt) => {
    const { received } = attempt;
    if (!hasAnswer(attempt) || received?.isWhole || received?.body === '') return false;
    const call = books.of(attempt);
    return !(call && isPaid(call)) && !books.mayBeFree(attempt);
  });
  books.expectNone(unpaid);
}

/** An error of the upstream is free, unless a kill kept the server from giving the payment back. */
function expectErrorsAreFree({ attempts }: Journal, books: Books): void {
  const paid = attempts.filter((attempt) => {
    const call = books.of(attempt);
    const isError = (attempt.received?.status ?? 0) >= 400;
    return isError && call && call.net !== '0' && call.ending !== null;
  });
  books.expectNone(paid);
}

/** A customer received the answer of every delivered call, unless that client had disconnected. */
function expectNobodyPaysForNothing(
  { attempts }: Journal,
  calls: readonly CallInLedger[],
  books: Books,
): void {
  const told = new Set(attempts.map((attempt) => books.of(attempt)));
  const name = (account: string, route: unknown) => `${account} ${route}`;
  const left = new Map<string, number>();
  for (const { wish, received } of attempts) {
    if (received !== null) continue;
    const route = /^\/v1\/(\w+)/.exec(wish.path)?.[1];
    const of = name(accountIdOf(wish.payer.account), route);
    left.set(of, (left.get(of) ?? 0) + 1);
  }
  for (const call of calls) {
    if (call.ending !== 'delivered' || told.has(call)) continue;
    const of = name(call.account_id, call.route);
    left.set(of, (left.get(of) ?? 0) - 1);
  }
  expect([...left].filter(([, count]) => count < 0)).toEqual([]);
}

/** Each idempotency key has one paid call and one answer, which is kept. */
async function expectKeysUsedOnce(
  db: Pick<TestDatabase, 'query'>,
  { attempts }: Journal,
  books: Books,
): Promise<void> {
  const rows = await db.query<KeyRow>(
    `select account_id, idempotency_digest::text as digest, is_used, charge, body
     from idempotent_calls`,
  );
  const kept = new Map(rows.map((row) => [`${row.account_id} ${row.digest}`, row]));
  const byWish = new Map<Wish, Attempt[]>();
  for (const attempt of attempts) {
    if (attempt.wish.idempotencyKey === undefined) continue;
    byWish.set(attempt.wish, [...(byWish.get(attempt.wish) ?? []), attempt]);
  }
  const wrong: unknown[] = [];
  for (const [wish, ofKey] of byWish) {
    const row = kept.get(nameOf(wish));
    kept.delete(nameOf(wish));
    const whole = ofKey.filter((a) => hasAnswer(a) && a.received?.isWhole && !books.mayBeFree(a));
    const answers = new Set(whole.map(({ received }) => received?.body));
    const paid = new Set(ofKey.map((a) => books.of(a)).filter((call) => call && call.net !== '0'));
    const isKept = !row?.body || [...answers].every((answer) => answer === row.body?.toString());
    const isCharged = [...paid].every((call) => call?.charges.includes(`${row?.charge}`));
    const isEnded = row?.is_used !== false;
    if (answers.size > 1 || paid.size > 1 || !isKept || !isCharged || !isEnded) {
      wrong.push({ wish, row, attempts: ofKey.map((attempt) => books.shown(attempt)) });
    }
  }
  expect(wrong.map(printed).join('\n\n')).toBe('');
  expect([...kept]).toEqual([]);
}

interface KeyRow {
  readonly account_id: string;
  readonly digest: string;
  readonly is_used: boolean;
  readonly charge: string | null;
  readonly body: Buffer | null;
}

function nameOf({ payer, idempotencyKey }: Wish): string {
  return `${accountIdOf(payer.account)} ${digestOf(`customer\0${idempotencyKey}`)}`;
}

/** Every call has a route and a price version, and the cost of its ending. */
function expectEndings(calls: readonly CallInLedger[], calmSince: Date): void {
  const strange = calls.filter(({ route, version }) => route === null || version !== '1');
  expect(strange).toEqual([]);
  const endless = calls.filter(({ ending, at }) => ending === null && at >= calmSince);
  expect(endless).toEqual([]);
  const notGivenBack = calls.filter(({ ending, net }) => FREE.includes(`${ending}`) && net !== '0');
  expect(notGivenBack).toEqual([]);
  // A call is free if it was stopped before it was sent, or before any of its answer was forwarded.
  const mayBeFree = ['client_left_before_answer', 'time_exceeded'];
  const notTaken = calls.filter(
    ({ ending, net, charged }) =>
      PAID.includes(`${ending}`) && net !== charged && !mayBeFree.includes(`${ending}`),
  );
  expect(notTaken).toEqual([]);
  // A killed server wrote no ending: its call is paid whole, or given back whole.
  const inPart = calls.filter(
    ({ ending, kind, net, charged }) =>
      ending === null && kind === 'charge' && net !== charged && net !== '0',
  );
  expect(inPart).toEqual([]);
  const uncounted = ['answer_malformed', 'answer_too_large', 'above_maximum', 'client_left_midway'];
  const unpaid = calls.filter((call) => uncounted.includes(`${call.ending}`) && !isPaid(call));
  expect(unpaid).toEqual([]);
  if (SECONDS < LONG) return;
  const endings = new Set(calls.map(({ ending }) => ending));
  // Even a long run may have no call that takes too long.
  const expected = [...FREE, ...PAID].filter((ending) => ending !== 'time_exceeded');
  for (const ending of expected) expect(endings).toContain(ending);
}
