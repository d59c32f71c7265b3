import { describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { TEXT } from './model-formats.ts';
import { caught, less, useModels } from './model-rig.ts';
import { type ModelSdk, type Place, SDKS, type Streamed, watched, whole } from './model-sdks.ts';
import { newKey } from './rig.ts';

/** The cost for clients with the official SDKs that abort or lose their answers. */

const db = useDatabase();
const rig = useModels(db);
const { newCustomer, placeOf, askedWith, receiptOf, chargesOf, mostOf } = rig;

/** Reads a stream until some of the text has come, and aborts it. */
async function readSome(stream: Streamed): Promise<string> {
  let text = '';
  for await (const piece of stream.texts) {
    text += piece;
    if (text !== '') stream.abort();
  }
  return text;
}

/** A `fetch` that loses its connection as soon as the provider has the first request. */
function losing(prompt: string): typeof fetch {
  let isFirst = true;
  return async (input, init) => {
    if (!isFirst) return fetch(input, init);
    isFirst = false;
    const lost = new AbortController();
    const answered = fetch(input, { ...init, signal: lost.signal });
    await expect.poll(() => askedWith(prompt).length).toBe(1);
    lost.abort();
    await answered.catch(() => {});
    throw new TypeError('fetch failed');
  };
}

describe.each(SDKS)('the SDK for $name', (sdk: ModelSdk) => {
  const [[, cost = ''] = []] = Object.entries(sdk.costs);

  test('pays the maximum for a stream that it aborts', async () => {
    const customer = await newCustomer();
    const prompt = `wait ${newKey()}`;
    const most = await mostOf(customer, sdk, prompt);
    const stream = await sdk.stream(placeOf(customer), prompt);
    expect(TEXT.startsWith(await readSome(stream))).toBe(true);
    await expect
      .poll(() => receiptOf(customer, stream.response), { timeout: 5_000 })
      .toMatchObject({ amount: most, call: { ending: 'client_left_midway' } });
    expect(await customer.balance()).toBe(less('100', most));
  });

  test('finds an aborted stream again, under the same idempotency key, and pays once', async () => {
    const customer = await newCustomer();
    const prompt = `wait ${newKey()}`;
    const headers = { 'Idempotency-Key': newKey() };
    const first = await sdk.stream(placeOf(customer), prompt, { headers });
    await readSome(first);
    const { fetch, statuses, seen } = watched();
    // While the first attempt is under way, the gateway answers 409, and the SDK waits.
    seen.onStatus = (status) => status === 409 && rig.providers.goOn();
    const again = await sdk.stream({ ...placeOf(customer), fetch }, prompt, { headers });
    expect([await whole(again), statuses]).toEqual([TEXT, [409, 200]]);
    expect(again.response.headers.get('idempotency-replayed')).toBe('true');
    expect(await receiptOf(customer, first.response)).toMatchObject({
      amount: cost,
      call: { ending: 'delivered' },
    });
    expect([await chargesOf(customer), askedWith(prompt).length]).toEqual([[cost], 1]);
  });

  test('pays the maximum for an answer that it does not wait for', async () => {
    const customer = await newCustomer();
    const prompt = `wait ${newKey()}`;
    const most = await mostOf(customer, sdk, prompt);
    const leaving = new AbortController();
    const asked = caught(sdk.ask(placeOf(customer), prompt, { signal: leaving.signal }));
    await expect.poll(() => askedWith(prompt).length).toBe(1);
    leaving.abort();
    expect(await asked).toMatchObject({ constructor: sdk.abortError });
    await expect.poll(() => chargesOf(customer)).toEqual([most]);
  });

  describe('that loses a connection tries again by itself, and', () => {
    const retry = async (place: Place, prompt: string, headers = {}) => {
      const { text } = await sdk.ask({ ...place, fetch: losing(prompt) }, prompt, { headers });
      expect(text).toBe(TEXT);
    };

    test('pays for both attempts without an idempotency key', async () => {
      const customer = await newCustomer();
      const prompt = `late ${newKey()}`;
      const most = await mostOf(customer, sdk, prompt);
      await retry(placeOf(customer), prompt);
      await expect.poll(() => chargesOf(customer)).toHaveLength(2);
      expect((await chargesOf(customer)).toSorted()).toEqual([cost, most].toSorted());
    });

    test('pays once with one, for the answer that it gets', async () => {
      const customer = await newCustomer();
      const prompt = `late ${newKey()}`;
      await retry(placeOf(customer), prompt, { 'Idempotency-Key': newKey() });
      expect([await chargesOf(customer), askedWith(prompt).length]).toEqual([[cost], 1]);
    });
  });
});
