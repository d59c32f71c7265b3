import { describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { TEXT } from './model-formats.ts';
import { caught, less, useModels } from './model-rig.ts';
import { CHAT_SDK, MESSAGES_SDK, watched, whole } from './model-sdks.ts';
import { newKey } from './rig.ts';

/**
 * The official SDKs in their default configuration, above the gateway's limits: they wait and
 * succeed.
 */

const db = useDatabase();
const rig = useModels(db, (prices) =>
  prices
    .replaceAll(/^( +)answer_timeout_s:.*/gm, '$&\n$1connections: 2')
    .replaceAll(/^( +)scope: chat/gm, '$&\n$1rate_limit: { per_second: 0.5, burst: 4 }'),
);
const { newCustomer, placeOf, askedWith } = rig;

describe.each([CHAT_SDK, MESSAGES_SDK])('the SDK for $name', (sdk) => {
  const [[, cost = ''] = []] = Object.entries(sdk.costs);

  test('waits as long as a rate limit says: 429', async () => {
    const customer = await newCustomer();
    const { fetch, statuses } = watched();
    const place = { ...placeOf(customer), fetch };
    for (let n = 0; n < 5; n += 1) expect((await sdk.ask(place, 'Hello')).text).toBe(TEXT);
    // With a pause of its own choice, both retries of the SDK would have come too early.
    expect(statuses).toEqual([200, 200, 200, 200, 429, 200]);
    expect(await customer.balance()).toBe(less('100', ...Array(5).fill(cost)));
  });

  test('waits until a call of its account has ended: 429', async () => {
    const customer = await newCustomer();
    const prompt = `wait ${newKey()}`;
    const stream = await sdk.stream(placeOf(customer), prompt);
    const error = await caught(sdk.ask(placeOf(customer), 'Hello', { maxRetries: 0 }));
    expect(error).toMatchObject({ constructor: sdk.errors[429] });
    expect(sdk.messageOf(error)).toMatch(/^Too many calls/);
    const { fetch, statuses, seen } = watched();
    seen.onStatus = (status) => status === 429 && rig.providers.goOn();
    const [{ text }, streamed] = await Promise.all([
      sdk.ask({ ...placeOf(customer), fetch }, 'Hello'),
      whole(stream),
    ]);
    expect([text, streamed, statuses]).toEqual([TEXT, TEXT, [429, 200]]);
    expect(await customer.balance()).toBe(less('100', cost, cost));
  });

  test('waits until there is a connection to the provider: 503', async () => {
    const others = [await newCustomer(), await newCustomer()];
    const prompt = `wait ${newKey()}`;
    const streams = others.map((other) => sdk.stream(placeOf(other), prompt).then(whole));
    await expect.poll(() => askedWith(prompt).length).toBe(2);
    const customer = await newCustomer();
    const { fetch, statuses, seen } = watched();
    seen.onStatus = (status) => status === 503 && rig.providers.goOn();
    const { text } = await sdk.ask({ ...placeOf(customer), fetch }, 'Hello');
    expect([text, ...(await Promise.all(streams))]).toEqual([TEXT, TEXT, TEXT]);
    expect(statuses).toEqual([503, 200]);
    expect(await customer.balance()).toBe(less('100', cost));
  });
});
