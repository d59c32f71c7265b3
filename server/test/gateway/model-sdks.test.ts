import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { TEXT } from './model-formats.ts';
import { caught, less, useModels } from './model-rig.ts';
import { SDKS, watched, whole } from './model-sdks.ts';
import { newKey } from './rig.ts';

/**
 * The official SDKs of OpenAI and Anthropic in their default configuration, through the gateway with the
 * example price book.
 */

const db = useDatabase();
const rig = useModels(db);
const { newCustomer, placeOf, askedWith, receiptOf, chargesOf, mostOf } = rig;

describe.each(SDKS)('the SDK for $name', (sdk) => {
  const models = Object.entries(sdk.costs);
  const [[, cost] = ['', '']] = models;
  const paid = (model: string) => ({
    amount: sdk.costs[model],
    call: {
      route: sdk.route,
      price_version: 1,
      quantities: { calls: '1', ...sdk.quantities },
      choices: { model, ...sdk.choices },
      ending: 'delivered',
      status: 200,
      late: false,
    },
  });

  test.each(models)(
    'gets the answer of %s whole, for the cost of its tokens',
    async (model, cents) => {
      const customer = await newCustomer();
      const { text, response } = await sdk.ask(placeOf(customer), 'Hello', { model });
      expect(text).toBe(TEXT);
      expect(response.headers.get('x-credits-charged')).toBe(cents);
      expect(await receiptOf(customer, response)).toEqual(paid(model));
      expect(await customer.balance()).toBe(less('100', cents));
    },
  );

  test.each(models)('gets the stream of %s whole, for the same', async (model, cents) => {
    const customer = await newCustomer();
    const stream = await sdk.stream(placeOf(customer), 'Hello', { model });
    expect(await whole(stream)).toBe(TEXT);
    expect(await receiptOf(customer, stream.response)).toEqual(paid(model));
    expect(await customer.balance()).toBe(less('100', cents));
  });

  test('gathers a stream into one answer', async () => {
    const customer = await newCustomer();
    expect(await sdk.gather(placeOf(customer), 'Hello')).toBe(TEXT);
    expect(await customer.balance()).toBe(less('100', cost));
  });

  test('sends its key as a Bearer token, which never reaches the provider', async () => {
    const customer = await newCustomer();
    const { fetch, sent } = watched();
    const prompt = `Hello ${newKey()}`;
    await sdk.ask({ ...placeOf(customer), fetch }, prompt);
    await whole(await sdk.stream({ ...placeOf(customer), fetch }, prompt));
    const keys = sent.map((headers) => [headers.get('authorization'), headers.get('x-api-key')]);
    expect(keys).toEqual(Array(2).fill([`Bearer ${customer.key}`, null]));
    // The provider refuses a request without the operator's secret, or with another one beside it.
    expect(askedWith(prompt)).toHaveLength(2);
    expect(JSON.stringify(askedWith(prompt))).not.toContain(customer.key);
  });

  describe('throws its own error and does not try again for', () => {
    test.each([
      [401, 'a wrong key', 'Invalid or expired API key', { key: 'prsr_wrong' }],
      [403, 'a key without the scope', 'Missing required scopes', { scopes: ['billing:read'] }],
      [402, 'want of credit', /^Insufficient credits\. This needs [\d.]+ cents/, { cents: '0.01' }],
      [
        422,
        'a model without a price',
        `model must be one of ${Object.keys(sdk.costs).join(', ')}`,
        { model: 'another' },
      ],
    ] as const)('%d, %s', async (status, _, message, who: Who) => {
      const { key, cents = '100', scopes = ['chat'], model } = who;
      const customer = await rig.gateway.customer(cents, scopes);
      const prompt = `Hello ${newKey()}`;
      for (const way of [sdk.ask, sdk.stream]) {
        const { fetch, statuses } = watched();
        const place = { ...placeOf({ key: key ?? customer.key }), fetch };
        const error = await caught(way(place, prompt, { ...(model && { model }) }));
        expect(error).toMatchObject({ constructor: sdk.errors[status], status });
        expect(sdk.messageOf(error)).toMatch(message);
        expect(statuses).toEqual([status]);
      }
      expect(askedWith(prompt)).toEqual([]);
    });
  });

  test('shows the missing credit and where to get more: 402', async () => {
    const customer = await newCustomer('0.01');
    const required = await mostOf(customer, sdk, 'Hello');
    const shortfall = less(required, '0.01');
    const error = await caught(sdk.ask(placeOf(customer), 'Hello'));
    expect(sdk.messageOf(error)).toBe(
      `Insufficient credits. This needs ${required} cents and 0.01 are available: ${shortfall} more are needed. Get more credit at https://example.com/billing`,
    );
    expect((error as { error: object }).error).toMatchObject({
      available: '0.01',
      required,
      shortfall,
      upgrade_url: 'https://example.com/billing',
    });
  });

  test.each(['ask', 'stream'] as const)(
    'tries again if the provider fails, and pays for the answer alone: %s',
    async (way) => {
      const customer = await newCustomer();
      const prompt = `fail 2 ${newKey()}`;
      const { fetch, statuses, sent } = watched();
      const place = { ...placeOf(customer), fetch };
      const text = await (way === 'ask'
        ? sdk.ask(place, prompt).then((said) => said.text)
        : sdk.stream(place, prompt).then(whole));
      expect([text, statuses]).toEqual([TEXT, [500, 500, 200]]);
      // The SDK itself sends no idempotency key, so each attempt is a separate call.
      expect(sent.map((headers) => headers.get('idempotency-key'))).toEqual([null, null, null]);
      const counts = askedWith(prompt).map(({ headers }) => headers['x-stainless-retry-count']);
      expect(counts).toEqual(['0', '1', '2']);
      expect(await chargesOf(customer)).toEqual([cost]);
      expect(await customer.balance()).toBe(less('100', cost));
    },
  );

  test("throws the provider's error if the provider goes on failing, for nothing", async () => {
    const customer = await newCustomer();
    const { fetch, statuses } = watched();
    const error = await caught(sdk.ask({ ...placeOf(customer), fetch }, 'overloaded'));
    expect(error).toMatchObject({ constructor: sdk.errors[529], status: 529 });
    expect(sdk.messageOf(error)).toBe('Overloaded');
    expect(statuses).toEqual([529, 529, 529]);
    expect([await customer.balance(), await chargesOf(customer)]).toEqual(['100', []]);
  });

  test('throws at an error event in the middle of a stream, for nothing', async () => {
    const customer = await newCustomer();
    const stream = await sdk.stream(placeOf(customer), `error ${newKey()}`);
    expect(await caught(whole(stream))).toMatchObject(sdk.streamError);
    await expect.poll(() => customer.balance()).toBe('100');
    expect(await chargesOf(customer)).toEqual([]);
  });
});

interface Who {
  readonly key?: string;
  readonly cents?: string;
  readonly scopes?: readonly string[];
  readonly model?: string;
}

describe("OpenAI's SDK", () => {
  const sdkOf = ({ key }: { key: string }) =>
    new OpenAI({ baseURL: `${rig.gateway.url}/v1`, apiKey: key });
  const messages = [{ role: 'user' as const, content: 'Hello' }];

  test('gets the usage of a stream that did not ask for it, in a last chunk without choices', async () => {
    const customer = await newCustomer();
    const stream = await sdkOf(customer).chat.completions.create({
      model: 'gpt-5',
      messages,
      stream: true,
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 500 } });
    expect(chunks.filter(({ usage }) => usage)).toHaveLength(1);
  });

  test('is not disturbed by the receipt at the end of a stream, which is there', async () => {
    const { key } = await newCustomer();
    const answer = await fetch(`${rig.gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-5', messages, stream: true }),
    });
    expect(await answer.text()).toMatch(
      /data: \[DONE\]\n\n: credits-charged=0\.5575 credits-remaining=99\.4425 charge=chg_\w+\n\n$/,
    );
  });

  test('keeps its own stream options beside those of the operator', async () => {
    const customer = await newCustomer();
    const content = `Hello ${newKey()}`;
    const stream = await sdkOf(customer).chat.completions.create({
      model: 'gpt-5',
      messages: [{ role: 'user', content }],
      stream: true,
      stream_options: { include_usage: false, include_obfuscation: false },
    });
    for await (const _ of stream);
    const [{ body } = { body: '' }] = askedWith(content);
    expect(JSON.parse(body).stream_options).toEqual({
      include_usage: true,
      include_obfuscation: false,
    });
    expect(await customer.balance()).toBe(less('100', '0.5575'));
  });

  test('throws for an unsold path or method: 404 and 405', async () => {
    const customer = await newCustomer();
    const unknown = sdkOf(customer).embeddings.create({ model: 'x', input: 'Hello' });
    expect(await caught(unknown)).toMatchObject({ constructor: OpenAI.NotFoundError });
    const wrong = await caught(sdkOf(customer).chat.completions.list());
    expect(wrong).toMatchObject({ constructor: OpenAI.APIError, status: 405 });
    expect((wrong as { headers: Headers }).headers.get('allow')).toBe('POST');
  });
});

describe("Anthropic's SDK", () => {
  const request = {
    model: 'claude-haiku-4-5',
    max_tokens: 1_000,
    messages: [{ role: 'user' as const, content: 'Hello' }],
  };

  test('takes the key as a token too', async () => {
    const { key: authToken, balance } = await newCustomer();
    const anthropic = new Anthropic({ baseURL: rig.gateway.url, authToken });
    const { content } = await anthropic.messages.create(request);
    expect(content).toMatchObject([{ text: TEXT }]);
    expect(await balance()).toBe(less('100', '0.4275'));
  });

  test('throws for an unsold path or method: 404 and 405', async () => {
    const { key: apiKey } = await newCustomer();
    const anthropic = new Anthropic({ baseURL: rig.gateway.url, apiKey });
    const unknown = await caught(anthropic.models.list());
    expect(unknown).toMatchObject({ constructor: Anthropic.NotFoundError });
    expect((unknown as Error).message).toContain('There is nothing at this path');
    const wrong = await caught(anthropic.get('/v1/messages'));
    expect(wrong).toMatchObject({ constructor: Anthropic.APIError, status: 405 });
  });
});
