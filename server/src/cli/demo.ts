import { allOf, call, type Injectable, pageOf, type Resource, resourceOf } from './command/api.ts';
import type { Terminal } from './command/terminal.ts';

/**
 * The demo data of an empty embedded database. An organization has exactly 718924.5 cents in a
 * promotional and a paid grant. Then there are an individual, a key for each, and an operator key. Each
 * step is idempotent and the operator key comes last, so the next start completes one that was killed.
 */

const ORGANIZATION = {
  kind: 'organization',
  name: 'Demo Organization',
  externalId: 'demo-organization',
  grants: [
    // Small and with an expiry, so that a first charge burns both grants in order.
    { amount: '100', category: 'promotional', expires_at: endOfNextYear() },
    { amount: '718824.5', category: 'paid' },
  ],
} as const;

const INDIVIDUAL = {
  kind: 'individual',
  name: 'Demo Individual',
  externalId: 'demo-individual',
  grants: [{ amount: '10000', category: 'promotional' }],
} as const;

type DemoAccount = typeof ORGANIZATION | typeof INDIVIDUAL;

export interface DemoKeys {
  readonly organization: Resource;
  readonly organizationKey: string;
  readonly individualKey: string;
  readonly operatorKey: string;
}

/** Makes or completes the demo; undefined: the database contains other data. */
export async function makeDemo(api: Injectable): Promise<DemoKeys | undefined> {
  const accounts = pageOf(await call(api, { method: 'GET', path: '/v1/accounts' })).resources;
  const operatorKeys = pageOf(await call(api, { method: 'GET', path: '/v1/operator_keys' }));
  const ours: readonly unknown[] = [ORGANIZATION.externalId, INDIVIDUAL.externalId];
  const isOurs = accounts.every(({ attributes }) => ours.includes(attributes['external_id']));
  if (!isOurs || operatorKeys.resources.length > 0) return undefined;

  const organization = await makeAccount(api, ORGANIZATION, accounts);
  const individual = await makeAccount(api, INDIVIDUAL, accounts);
  const organizationKey = await makeKey(api, organization);
  const individualKey = await makeKey(api, individual);
  const operatorKey = await call(api, {
    method: 'POST',
    path: '/v1/operator_keys',
    body: { name: 'demo' },
  });
  return {
    organization,
    organizationKey,
    individualKey,
    operatorKey: secretOf(resourceOf(operatorKey)),
  };
}

/** Whether any operator key is valid. */
export async function hasOperatorKey(api: Injectable): Promise<boolean> {
  for await (const { attributes } of allOf(api, '/v1/operator_keys')) {
    const { revoked_at: revokedAt, expires_at: expiresAt } = attributes;
    const hasExpired = typeof expiresAt === 'string' && Date.parse(expiresAt) <= Date.now();
    if (revokedAt === null && !hasExpired) return true;
  }
  return false;
}

/** Shows the keys, once, with commands to try. */
export function showDemo({ line, colors }: Terminal, keys: DemoKeys, url: string): void {
  line('This is a new database, so here is something to try. These keys are shown this once:');
  line();
  line(`  organization key  ${colors.bold(keys.organizationKey)}`);
  line(`  individual key    ${colors.bold(keys.individualKey)}`);
  line(`  operator key      ${colors.bold(keys.operatorKey)}`);
  line();
  line('Read the balance of the organization:');
  line();
  line(`  curl ${url}/v1/billing/account_balance -H 'X-API-Key: ${keys.organizationKey}'`);
  line();
  line('Charge it 120.5 cents: its promotional grant pays first, its paid one the rest:');
  line();
  line(`  curl ${url}/v1/charges -H 'X-API-Key: ${keys.operatorKey}' \\`);
  line(`    -H "Idempotency-Key: $(date +%s%N)" -H 'Content-Type: application/json' \\`);
  line(`    -d '{"account":"${keys.organization.id}","amount":"120.5"}'`);
  line();
}

/** Constant for a year, so that an interrupted demo can be completed with the same requests. */
function endOfNextYear(): string {
  return `${new Date().getUTCFullYear() + 2}-01-01T00:00:00Z`;
}

async function makeAccount(
  api: Injectable,
  demo: DemoAccount,
  existing: readonly Resource[],
): Promise<Resource> {
  const { kind, name, externalId, grants } = demo;
  const account =
    existing.find(({ attributes }) => attributes['external_id'] === externalId) ??
    resourceOf(
      await call(api, {
        method: 'POST',
        path: '/v1/accounts',
        body: { kind, name, external_id: externalId },
      }),
    );
  for (const grant of grants) {
    await call(api, {
      method: 'POST',
      path: `/v1/accounts/${account.id}/grants`,
      body: { ...grant, description: 'Demo credit' },
      idempotencyKey: `demo-${grant.category}`,
    });
  }
  return account;
}

async function makeKey(api: Injectable, account: Resource): Promise<string> {
  const answer = await call(api, {
    method: 'POST',
    path: `/v1/accounts/${account.id}/api_keys`,
    body: { name: 'demo', scopes: ['balance:read', 'billing:read'] },
  });
  return secretOf(resourceOf(answer));
}

function secretOf({ attributes }: Resource): string {
  const { key } = attributes;
  if (typeof key !== 'string') throw new Error('a new key came without its secret');
  return key;
}
