import { expect } from 'vitest';
import { attributesOf, call } from '../nodes/client.ts';
import type { TestDatabase } from '../postgres.ts';
import { exampleText } from '../pricing/books.ts';
import { type ModelProviders, startModelProviders } from './model-providers.ts';
import type { ModelSdk, Place } from './model-sdks.ts';
import { type Customer, type GatewayRig, useGateway } from './rig.ts';
import type { SeenRequest } from './upstream.ts';

/** A gateway with the example price book of language models, in front of their providers. */
export interface ModelRig {
  readonly gateway: GatewayRig;
  readonly providers: ModelProviders;
  newCustomer(cents?: string): Promise<Customer>;
  placeOf(customer: Pick<Customer, 'key'>): Place;
  /** The requests with this prompt that the providers got. */
  askedWith(prompt: string): SeenRequest[];
  /** The amount and the call in an answer's receipt, once the call has ended. */
  receiptOf(customer: Customer, response: Response): Promise<object>;
  /** The charges of a customer, in cents, newest first. */
  chargesOf(customer: Customer): Promise<unknown[]>;
  /** The maximum cost of a call, in cents, which is held for it. */
  mostOf(customer: Customer, sdk: ModelSdk, prompt: string): Promise<string>;
}

/**
 * Starts the rig. `changed` may change the text of the price book. Call it once, at the top level.
 */
export function useModels(
  db: TestDatabase,
  changed: (prices: string) => string = (prices) => prices,
): ModelRig {
  let providers: ModelProviders;
  const prices = (upstream: string) =>
    changed(
      exampleText('llm-prices.yaml')
        .replaceAll(/base_url: \S+/g, `base_url: ${upstream}`)
        .replaceAll(/env: \w+_KEY/g, 'env: TEST_UPSTREAM_KEY'),
    );
  const gateway = useGateway(db, prices, async () => {
    providers = await startModelProviders();
    return providers;
  });
  return {
    gateway,
    get providers() {
      return providers;
    },
    newCustomer: (cents = '100') => gateway.customer(cents, ['billing:read', 'chat']),
    placeOf: ({ key }) => ({ url: gateway.url, key }),
    askedWith: (prompt) => providers.requests.filter(({ body }) => body.includes(prompt)),
    receiptOf: async (customer, { headers }) => {
      const id = headers.get('x-charge-id') ?? headers.get('x-hold-id') ?? undefined;
      const { amount, call: paid } = await customer.receipt(id);
      return { amount, call: paid };
    },
    chargesOf: async ({ key }) => {
      const answer = await call('GET', `${gateway.url}/v1/billing/charges`, { key });
      const { data } = JSON.parse(answer.body) as { data: { attributes: { amount: string } }[] };
      return data.map(({ attributes }) => attributes.amount);
    },
    mostOf: async ({ key }, sdk, prompt) => {
      const body = { route: sdk.route, request: sdk.bodyOf(prompt) };
      const quote = await call('POST', `${gateway.url}/v1/quotes`, { key, body });
      return String(attributesOf(quote, 200)['amount']);
    },
  };
}

/** Subtracts costs from an amount, in cents. */
export function less(cents: string, ...costs: readonly string[]): string {
  const microcents = (text: string) => Math.round(Number(text) * 1e6);
  return String(costs.reduce((left, cost) => left - microcents(cost), microcents(cents)) / 1e6);
}

/** The reason with which a promise rejects. */
export async function caught(promise: Promise<unknown>): Promise<unknown> {
  const [result] = await Promise.allSettled([promise]);
  expect(result.status).toBe('rejected');
  return (result as PromiseRejectedResult).reason;
}
