import { expect } from 'vitest';
import { digestOf } from '../../src/ledger/digest.ts';
import { accountIdOf, parseOperationId } from '../../src/ledger/ids.ts';
import { parseCents } from '../../src/ledger/money.ts';
import { verify } from '../../src/ledger/verify.ts';
import type { TestDatabase } from '../postgres.ts';
import type { Journal, Wish } from './gateway-client.ts';

/** What the ledger says of the gateway's calls, against what the customers were told. */

/** A charge or hold that a call began with, and what came of it. Amounts are microcents. */
interface CallInLedger {
  readonly account_id: string;
  readonly number: string;
  readonly kind: 'charge' | 'hold';
  readonly digest: string;
  readonly route: string | null;
  readonly version: string | null;
  readonly at: Date;
  readonly is_open: boolean;
  readonly ending: string | null;
  /** The numbers of its charges: its own, or those of its capture and overage. */
  readonly charges: readonly string[];
  readonly charged: string;
  /** Of them, what was not reversed. */
  readonly net: string;
}

const CALLS = `
  with paid as (
    select c.account_id, c.number, coalesce(c.subject, c.number) as call, c.amount,
           c.amount - coalesce((select sum(r.amount) from operations r
             where r.account_id = c.account_id and r.subject = c.number and r.kind = 'reversal'), 0)
             as net
    from operations c where c.kind in ('charge', 'capture', 'overage'))
  select o.account_id, o.number, o.kind::text, o.idempotency_digest::text as digest, o.at,
         o.call ->> 'route' as route, o.call ->> 'version' as version, e.ending,
         exists (select from holds h
                 where h.account_id = o.account_id and h.number = o.number) as is_open,
         array_remove(array_agg(p.number::text), null) as charges,
         coalesce(sum(p.amount), 0)::text as charged, coalesce(sum(p.net), 0)::text as net
  from operations o
  left join call_endings e on e.account_id = o.account_id and e.number = o.number
  left join paid p on p.account_id = o.account_id and p.call = o.number
  where o.kind in ('charge', 'hold')
  group by o.account_id, o.number, e.ending`;

/** Endings after which the soak's price book takes nothing. */
const FREE = [
  'upstream_unreachable',
  'upstream_timeout',
  'upstream_4xx',
  'upstream_5xx',
  'upstream_broke_off',
];
/** Those after which a price that was known before the call stays charged. */
const PAID = ['delivered', 'client_left_before_answer', 'client_left_midway'];

/** Those that cost the maximum, or what was counted above it. */
const UNCOUNTED = ['answer_malformed', 'answer_too_large', 'above_maximum'];

/** Counts the ledger against the journal. Every server must have stopped. */
export async function expectCallsInLedger(
  db: Pick<TestDatabase, 'database' | 'query'>,
  { wishes }: Journal,
  /** No server was killed since. */
  calmSince: Date,
): Promise<void> {
  expect((await verify(db.database)).problem).toBeNull();
  const overdue = await db.query(
    `select number from holds where expires_at + interval '5 s' < clock_timestamp()`,
  );
  expect(overdue).toEqual([]);
  const calls = await db.query<CallInLedger>(CALLS);
  expectBought(wishes, calls);
  await expectOncePaid(db, wishes, calls);
  expectEndings(calls, calmSince);
}

/** Who was told what a whole answer cost has paid that, and no more or less. */
function expectBought(wishes: readonly Wish[], calls: readonly CallInLedger[]): void {
  const byCharge = new Map(
    calls.flatMap((call) => call.charges.map((number) => [`${call.account_id} ${number}`, call])),
  );
  let told = 0n;
  let inLedger = 0n;
  const wrong: unknown[] = [];
  for (const { bought, path } of wishes) {
    if (!bought) continue;
    const charge = parseOperationId('chg', bought.chargeId);
    const call = byCharge.get(`${charge?.account} ${charge?.number}`);
    const charged = parseCents(bought.charged);
    told += charged ?? 0n;
    inLedger += BigInt(call?.net ?? 0);
    if (call?.net !== call?.charged || call?.net !== `${charged}`)
      wrong.push({ bought, path, call });
  }
  expect(wrong).toEqual([]);
  expect(inLedger).toBe(told);
}

/** Under one idempotency key one call is paid, or held by a server that was killed. */
async function expectOncePaid(
  db: Pick<TestDatabase, 'query'>,
  wishes: readonly Wish[],
  calls: readonly CallInLedger[],
): Promise<void> {
  const byDigest = new Map(calls.map((call) => [`${call.account_id} ${call.digest}`, call]));
  const claims = await db.query<{ account_id: string; digest: string; payment: number }>(
    'select account_id, idempotency_digest::text as digest, payment from call_claims',
  );
  const payments = new Map(claims.map((claim) => [`${claim.account_id} ${claim.digest}`, claim]));
  const paidMore: unknown[] = [];
  const unasked = new Set(payments.keys());
  for (const { idempotencyKey, payer, bought, path } of wishes) {
    if (idempotencyKey === undefined) continue;
    const account = accountIdOf(payer.account);
    const digest = digestOf(`customer\0${idempotencyKey}`);
    unasked.delete(`${account} ${digest}`);
    const count = payments.get(`${account} ${digest}`)?.payment ?? 0;
    const paid = Array.from({ length: count }, (_, index) =>
      byDigest.get(`${account} ${digestOf(`call\0${digest}\0${index + 1}`)}`),
    ).filter((call) => call && (call.is_open || call.net !== '0'));
    if (paid.length > 1) paidMore.push({ idempotencyKey, path, bought, paid });
  }
  expect(paidMore).toEqual([]);
  expect([...unasked]).toEqual([]);
}

/** Every call has its route and price version, and costs what its ending costs. */
function expectEndings(calls: readonly CallInLedger[], calmSince: Date): void {
  const strange = calls.filter(({ route, version }) => route === null || version !== '1');
  expect(strange).toEqual([]);
  const endless = calls.filter(({ ending, at }) => ending === null && at >= calmSince);
  expect(endless).toEqual([]);
  const stillHeld = calls.filter(({ ending, is_open }) => ending !== null && is_open);
  expect(stillHeld).toEqual([]);
  const notGivenBack = calls.filter(({ ending, net }) => FREE.includes(`${ending}`) && net !== '0');
  expect(notGivenBack).toEqual([]);
  const notTaken = calls.filter(
    ({ ending, kind, charged, net }) =>
      kind === 'charge' && ending === 'delivered' && net !== charged,
  );
  expect(notTaken).toEqual([]);
  const malformed = calls.filter(({ ending }) => ending === 'answer_malformed');
  expect(malformed.filter(({ charged, net }) => net === '0' || net !== charged)).toEqual([]);
  const endings = new Set(calls.map(({ ending }) => ending));
  for (const ending of [...FREE, ...PAID, ...UNCOUNTED]) {
    expect(endings).toContain(ending);
  }
}
