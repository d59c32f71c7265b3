import { expect, test } from 'vitest';
import { verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import { CASES } from './endings.ts';
import { type Delivered, useGateway } from './rig.ts';

/** The settlement of each ending of a call, by default and with a route's own settlement. */

const db = useDatabase();
const gateway = useGateway(
  db,
  (upstream) => `
upstreams:
  up:
    base_url: ${upstream}
    secret: {header: authorization, env: TEST_UPSTREAM_KEY, prefix: "Bearer "}
    answer_timeout_s: 1
    idle_timeout_s: 1
  closed: {base_url: "http://127.0.0.1:9"}
  patient: {base_url: ${upstream}, answer_timeout_s: 30, idle_timeout_s: 30}
routes:
  fixed: &fixed
    methods: [GET, POST]
    path: /fixed
    scope: search
    upstream: up
    longest_s: 3
    price: &price
      - per_call: "0.5"
  fixed_closed: {<<: *fixed, path: /fixed-closed, upstream: closed}
  fixed_other: 
    <<: *fixed
    path: /fixed-other
    settlement: &other
      upstream_unreachable: counted
      upstream_timeout: counted
      upstream_4xx: counted
      upstream_5xx: counted
      upstream_broke_off: counted
      client_left_before_answer: free
      client_left_midway: free
  counted: &counted
    methods: [GET, POST]
    path: /counted
    scope: search
    upstream: up
    longest_s: 3
    metering_buffer_bytes: 100000
    price: &items
      - per_call: "0.5"
      - {per: items, cents: "0.1", count: $count(answer.items), at_most: 20}
  counted_closed: {<<: *counted, path: /counted-closed, upstream: closed}
  counted_other:
    <<: *counted
    path: /counted-other
    settlement:
      upstream_unreachable: counted
      upstream_timeout: counted
      upstream_4xx: counted
      upstream_5xx: maximum
      upstream_broke_off: counted
      answer_malformed: free
      answer_too_large: free
      above_maximum: maximum
      client_left_before_answer: free
      client_left_midway: free
  events: &events
    methods: [GET]
    path: /events
    scope: search
    upstream: up
    longest_s: 3
    count_event_with: usage
    price:
      - {per: output, cents: "0.1", count: answer.usage.output, at_most: 20}
  fixed_open: {<<: *fixed, path: /fixed-open, upstream: patient}
  fixed_short: {<<: *fixed, path: /fixed-short, upstream: patient, longest_s: 1}
  fixed_short_other:
    <<: *fixed
    path: /fixed-short-other
    upstream: patient
    longest_s: 1
    settlement: {time_exceeded: free}
  counted_short: {<<: *counted, path: /counted-short, upstream: patient, longest_s: 1}
  events_short: {<<: *events, path: /events-short, upstream: patient, longest_s: 1}
  events_error: {<<: *events, path: /events-error, error_event: error}
  fixed_events: {<<: *fixed, path: /fixed-events, error_event: error}
  events_other:
    <<: *events
    path: /events-other
    settlement: {client_left_midway: counted, upstream_broke_off: maximum, answer_malformed: free}
`,
);

/** The ending of an account's only call, once it has ended. */
async function endingOf(account: string): Promise<{ ending: string; number: bigint }> {
  for (;;) {
    const [row] = await db.query<{ ending: string; number: bigint }>(
      'select ending, number from call_endings where account_id = $1',
      [`${account.slice(0, 32)}`],
    );
    if (row) return row;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The gateway's error codes by status, for calls without an answer of the upstream. */
const CODES: Readonly<Record<number, string>> = { 502: 'upstream_failed', 504: 'upstream_timeout' };

/** The cost that an answer states in its trailers or, if it has none, in its headers. */
function saidCost({ headers, trailers }: Delivered): unknown {
  return trailers['x-credits-charged'] ?? headers['x-credits-charged'];
}

test.concurrent.each(Object.entries(CASES))('%s', async (_, { path, leaveAfter, ...expected }) => {
  const customer = await gateway.customer('10');
  const answer = await customer.get(path, leaveAfter === undefined ? {} : { leaveAfter });
  expect(answer.status).toBe(expected.status);
  const code = CODES[expected.status];
  if (code) expect(JSON.parse(answer.body).code).toBe(code);
  expect((await endingOf(customer.account)).ending).toBe(expected.ending);
  expect(await customer.balance()).toBe(String((100 - Number(expected.cost) * 10) / 10));
  const holds = await db.query('select from holds where account_id = $1', [
    customer.account.slice(0, 32),
  ]);
  expect(holds).toEqual([]);
  if (answer.isWhole) expect(saidCost(answer)).toBe(expected.cost);
});

test('more than the maximum costs the maximum if the account has no more', async () => {
  const customer = await gateway.customer('2.6');
  const answer = await customer.get('/counted?items=30');
  expect([answer.status, saidCost(answer)]).toEqual([200, '2.5']);
  expect((await endingOf(customer.account)).ending).toBe('above_maximum');
  expect(await customer.balance()).toBe('0.1');
});

test('ten calls whose clients leave at once are paid, since the upstream has them', async () => {
  const customer = await gateway.customer('100');
  await Promise.all(
    Array.from({ length: 10 }, () => customer.get('/counted?do=silence', { leaveAfter: 0 })),
  );
  await expect.poll(() => customer.balance(), { timeout: 5_000 }).toBe('75');
});

test('after all of it the books add up', async () => {
  expect((await verify(db.database)).problem).toBeNull();
});
