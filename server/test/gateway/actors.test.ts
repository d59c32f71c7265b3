import { expect, test } from 'vitest';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { useGateway } from './rig.ts';

const db = useDatabase();
const rig = useGateway(db, (upstream) => PRICES(upstream));

/** The kinds and actors of an account's operations except grants, oldest first. */
const actorsOf = (account: string) =>
  db.query<{ kind: string; actor: string; actor_id: string | null }>(
    `select o.kind, o.actor, o.actor_id from operations o join accounts a on a.id = o.account_id
     where a.public_id = $1 and o.kind <> 'grant' order by o.number`,
    [account],
  );

test('a call is charged by the customer’s key, and given back by the gateway', async () => {
  const customer = await rig.customer('10');
  const { headers } = await customer.get('/v1/fixed');
  const receipt = await customer.receipt(String(headers['x-charge-id']));
  expect(receipt['actor']).toEqual({ type: 'api_key', id: customer.apiKeyId });
  await customer.get('/v1/fixed?status=500');
  await expect.poll(() => customer.balance()).toBe('9.5');
  expect(await actorsOf(customer.account)).toEqual([
    { kind: 'charge', actor: 'api_key', actor_id: null },
    { kind: 'charge', actor: 'api_key', actor_id: null },
    { kind: 'reversal', actor: 'gateway', actor_id: null },
  ]);
});

test('a call is held by the customer’s key, and captured or voided by the gateway', async () => {
  const customer = await rig.customer('10');
  const { headers } = await customer.get('/v1/counted');
  const receipt = await customer.receipt(String(headers['x-charge-id']));
  const hold = await call('GET', `${rig.url}/v1/holds/${receipt['hold']}`, {
    key: rig.operatorKey,
  });
  const system = { type: 'system', id: 'gateway' };
  expect(attributesOf(hold, 200)).toMatchObject({
    actor: { type: 'api_key', id: customer.apiKeyId },
    ended_by_actor: system,
  });
  expect(receipt['actor']).toEqual(system);
  await customer.get('/v1/counted?status=500');
  await expect.poll(() => actorsOf(customer.account)).toHaveLength(4);
  expect((await actorsOf(customer.account)).map(({ kind, actor }) => [kind, actor])).toEqual([
    ['hold', 'api_key'],
    ['capture', 'gateway'],
    ['hold', 'api_key'],
    ['hold_void', 'gateway'],
  ]);
});
