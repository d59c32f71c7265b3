import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { EventMeter } from '../../src/gateway/upstream/answers.ts';
import { formatCents } from '../../src/ledger/operations/money.ts';
import { costAfter, costBefore } from '../../src/pricing/cost.ts';
import { answer, bookOf, exampleText, routeOf } from './books.ts';

/** The example of language models: a call costs the same with a plain answer and with a stream. */

const LLM = exampleText('llm-prices.yaml');

/** The cost of a plain answer in cents, its quantities and its choices. */
async function ofAnswer(name: string, request: object, said: unknown) {
  const route = routeOf(LLM, name);
  const before = await costBefore(route, request);
  const { cost } = await costAfter(route, answer(said), before);
  return [formatCents(cost.amount), cost.quantities, cost.choices];
}

/** The cost of a stream of events in cents, its quantities and its choices. */
async function ofStream(name: string, request: object, events: readonly unknown[]) {
  const route = routeOf(LLM, name);
  const before = await costBefore(route, { ...request, stream: true });
  const meter = new EventMeter(route, before);
  for (const event of events) {
    const { type } = event as { type?: string };
    const field = type === undefined ? '' : `event: ${type}\n`;
    meter.feed(Buffer.from(`${field}data: ${JSON.stringify(event)}\n\n`));
  }
  const counted = meter.end();
  if (counted.kind !== 'countable') return counted.kind;
  const { cost } = await costAfter(route, counted.answer, before);
  return [formatCents(cost.amount), cost.quantities, cost.choices];
}

async function mostOf(name: string, request: object) {
  const { maximum } = await costBefore(routeOf(LLM, name), request);
  return maximum.quantities;
}

async function refusalOf(name: string, request: object): Promise<string> {
  const refusal = await costBefore(routeOf(LLM, name), request).catch((error) => error.message);
  return typeof refusal === 'string' ? refusal : 'not refused';
}

/** Parameters of a customer's tool, with names that the prices look up in answers. */
const NAMES = Object.fromEntries(
  ['Type', 'Output', 'Search', 'Function'].map((name) => [name, { type: 'string' }]),
);

const messages = [{ role: 'user', content: 'x'.repeat(60) }];

describe('a chat in the format of OpenAI', () => {
  const request = { model: 'gpt-5', messages, max_completion_tokens: 1_000 };
  const usage = {
    prompt_tokens: 1_000,
    completion_tokens: 500,
    total_tokens: 1_500,
    prompt_tokens_details: { cached_tokens: 600, audio_tokens: 0 },
  };
  // 400 × 125, 600 × 12.5 and 500 × 1000 cents, each for a million.
  const charged = [
    '0.5575',
    {
      calls: '1',
      input_tokens: '400',
      cached_input_tokens: '600',
      output_tokens: '500',
    },
    { model: 'gpt-5', service_tier: 'auto' },
  ];

  test('costs the upstream’s own count, in an answer and in the last event', async () => {
    const said = { choices: [{ message: { content: 'x' } }], usage };
    expect(await ofAnswer('chat', request, said)).toEqual(charged);
    const events = [
      { choices: [{ delta: { content: '"usage"' } }], usage: null },
      { choices: [{ delta: {} }], usage: null },
      { choices: [], usage },
    ];
    expect(await ofStream('chat', request, events)).toEqual(charged);
  });

  test('costs the price of its model', async () => {
    const plain = { usage: { prompt_tokens: 1_000, completion_tokens: 500 } };
    const costs = ['gpt-5', 'gpt-5-mini', 'gpt-4.1'].map(async (model) => {
      const [cents] = await ofAnswer('chat', { ...request, model }, plain);
      return cents;
    });
    expect(await Promise.all(costs)).toEqual(['0.625', '0.125', '0.6']);
  });

  test('of another model or tier is refused, with a list of those that exist', async () => {
    expect(await refusalOf('chat', { ...request, model: 'gpt-5-pro' })).toBe(
      'model must be one of gpt-5, gpt-5-mini, gpt-4.1',
    );
    expect(await refusalOf('chat', { messages })).toBe(
      'model is required: it must be one of gpt-5, gpt-5-mini, gpt-4.1',
    );
    expect(await refusalOf('chat', { ...request, service_tier: 'priority' })).toBe(
      'service_tier must be one of auto, default',
    );
  });

  test.each([
    [{}, 16_384],
    [{ max_tokens: 100 }, 100],
    [{ max_completion_tokens: 50, max_tokens: 100 }, 50],
    [{ max_tokens: null, n: 3 }, 3 * 16_384],
    [{ max_tokens: 100, n: null }, 100],
  ])('holds for %j the longest output', async (more, output) => {
    const { output_tokens } = await mostOf('chat', { model: 'gpt-5', messages, ...more });
    expect(output_tokens).toBe(String(output));
  });

  test('holds as much input as its texts have characters', async () => {
    const tools = [{ type: 'function', function: { name: 'a', parameters: { Model: {}, N: 1 } } }];
    const { input_tokens } = await mostOf('chat', { model: 'gpt-5', messages, tools });
    const length = JSON.stringify([messages, tools]).length;
    expect(Math.abs(Number(input_tokens) - length)).toBeLessThan(5);
  });

  test('without usage is not taken for free', async () => {
    for (const said of [{ choices: [] }, { choices: [], usage: null }, { usage: {} }, null]) {
      await expect(ofAnswer('chat', request, said)).rejects.toThrow('no usage');
    }
    expect(await ofStream('chat', request, [{ choices: [], usage: null }])).toBe(
      'answer_malformed',
    );
  });

  test('that fails in the middle is noticed', async () => {
    const failed = { error: { message: 'The server had an error', type: 'server_error' } };
    expect(await ofStream('chat', request, [{ choices: [] }, failed])).toBe('upstream_error_event');
  });

  test('is asked for its usage only if it is a stream', () => {
    expect(routeOf(LLM, 'chat').addToRequest).toEqual({
      when: 'stream',
      members: { stream_options: { include_usage: true } },
    });
  });
});

describe('a response in the format of OpenAI', () => {
  const request = { model: 'gpt-4.1', input: 'Hello', max_output_tokens: 800 };
  const response = {
    object: 'response',
    status: 'completed',
    output: [
      { type: 'web_search_call', id: 'ws_1', action: { type: 'search' } },
      { type: 'web_search_call', id: 'ws_2', action: { type: 'open_page' } },
      { type: 'message', content: [{ type: 'output_text', text: 'x' }] },
    ],
    usage: {
      input_tokens: 1_000,
      input_tokens_details: { cached_tokens: 200 },
      output_tokens: 500,
      output_tokens_details: { reasoning_tokens: 100 },
    },
  };
  // 800 × 200, 200 × 50 and 500 × 800 cents, each for a million, and one search. A page is free.
  const charged = [
    '1.57',
    {
      calls: '1',
      input_tokens: '800',
      cached_input_tokens: '200',
      output_tokens: '500',
      web_searches: '1',
      unsold_tools: '0',
    },
    { model: 'gpt-4.1', service_tier: 'auto', background: 'false' },
  ];

  test('costs the upstream’s own count, in an answer and in its last event', async () => {
    expect(await ofAnswer('responses', request, { ...response, error: null })).toEqual(charged);
    const events = [
      { type: 'response.created', response: { status: 'in_progress', usage: null, output: [] } },
      { type: 'response.output_text.delta', delta: 'x' },
      { type: 'response.completed', response: { ...response, error: null } },
    ];
    expect(await ofStream('responses', request, events)).toEqual(charged);
  });

  test.each([
    [{ type: 'response.failed', response: { status: 'failed', error: {}, usage: null } }],
    [{ type: 'error', code: 'server_error', message: 'Sorry' }],
  ])('that fails in the middle is noticed: %j', async (failed) => {
    const created = { type: 'response.created', response: { usage: null } };
    expect(await ofStream('responses', request, [created, failed])).toBe('upstream_error_event');
  });

  test('with a tool of OpenAI that has no price is refused, and with any other is not', async () => {
    const own = [
      { type: 'function', name: 'a', parameters: { properties: NAMES } },
      { type: 'custom', name: 'b' },
      { type: 'web_search' },
    ];
    expect(await refusalOf('responses', { ...request, tools: own })).toBe('not refused');
    for (const type of [
      'code_interpreter',
      'file_search',
      'image_generation',
      'web_search_preview',
    ]) {
      const tools = [...own, { type }];
      expect(await refusalOf('responses', { ...request, tools })).toBe(
        'the unsold_tools of this request cannot be counted',
      );
    }
  });

  test('in the background is refused', async () => {
    expect(await refusalOf('responses', { ...request, background: true })).toBe(
      'background must be one of false',
    );
  });
});

describe('a message in the format of Anthropic', () => {
  const request = { model: 'claude-sonnet-4-6', messages, max_tokens: 1_000 };
  const read = {
    input_tokens: 1_000,
    cache_read_input_tokens: 2_000,
    cache_creation_input_tokens: 400,
    cache_creation: { ephemeral_5m_input_tokens: 300, ephemeral_1h_input_tokens: 100 },
  };
  const quantities = {
    calls: '1',
    input_tokens: '1000',
    cache_read_tokens: '2000',
    cache_write_tokens: '400',
    cache_hour_tokens: '100',
    output_tokens: '500',
    web_searches: '0',
    unsold_tools: '0',
  };
  // 1000 × 300, 2000 × 30, 400 × 375, 100 × 225 and 500 × 1500 cents, each for a million.
  const charged = [
    '1.2825',
    quantities,
    {
      model: 'claude-sonnet-4-6',
      service_tier: 'auto',
      speed: 'standard',
      inference_geo: 'global',
      fallbacks: 'none',
    },
  ];
  const stream = (usage: object) => [
    { type: 'message_start', message: { type: 'message', usage: { ...read, output_tokens: 1 } } },
    { type: 'content_block_delta', delta: { type: 'text_delta', text: '{"usage": 1}' } },
    { type: 'message_delta', delta: { stop_reason: null }, usage: { output_tokens: 20 } },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage },
    { type: 'message_stop' },
  ];

  test('costs the upstream’s own count, in an answer and in two events', async () => {
    const said = { type: 'message', content: [], usage: { ...read, output_tokens: 500 } };
    expect(await ofAnswer('messages', request, said)).toEqual(charged);
    expect(await ofStream('messages', request, stream({ output_tokens: 500 }))).toEqual(charged);
    const nulls = { output_tokens: 500, input_tokens: null, server_tool_use: null };
    expect(await ofStream('messages', request, stream(nulls))).toEqual(charged);
  });

  test('includes the cost of everything that its tools made it read and search', async () => {
    const usage = {
      input_tokens: 9_000,
      output_tokens: 500,
      server_tool_use: { web_search_requests: 2 },
    };
    const more = { ...quantities, input_tokens: '9000', web_searches: '2' };
    const [cents, counted] = await ofStream('messages', request, stream(usage));
    expect(counted).toEqual(more);
    // 8000 × 300 cents for a million, and two searches.
    expect(cents).toBe('5.6825');
  });

  test('includes the cost of the tokens that the API used to compact its context', async () => {
    const iterations = [
      {
        type: 'compaction',
        input_tokens: 100_000,
        output_tokens: 2_000,
        cache_read_input_tokens: 0,
      },
      { type: 'message', input_tokens: 1_000, output_tokens: 500 },
    ];
    const said = {
      type: 'message',
      content: [],
      usage: { ...read, output_tokens: 500, iterations },
    };
    const counted = { ...quantities, input_tokens: '101000', output_tokens: '2500' };
    // In addition 100000 × 300 and 2000 × 1500 cents, each for a million.
    const costs = ['34.2825', counted];
    expect((await ofAnswer('messages', request, said)).slice(0, 2)).toEqual(costs);
    const events = stream({ output_tokens: 500, iterations });
    expect((await ofStream('messages', request, events)).slice(0, 2)).toEqual(costs);
  });

  test('that another model or place may answer at another price is refused', async () => {
    const fallbacks = [{ model: 'claude-opus-4-8' }];
    expect(await refusalOf('messages', { ...request, fallbacks })).toContain('fallbacks must be');
    expect(await refusalOf('messages', { ...request, inference_geo: 'us' })).toBe(
      'inference_geo must be one of global',
    );
  });

  test('with a tool of Anthropic that has no price is refused, and with any other is not', async () => {
    const own = [
      { name: 'a', input_schema: { properties: NAMES } },
      { type: 'custom', name: 'b', input_schema: {} },
      { type: 'bash_20250124', name: 'bash' },
      { type: 'web_search_20260318', name: 'web_search' },
    ];
    expect(await refusalOf('messages', { ...request, tools: own })).toBe('not refused');
    for (const type of ['code_execution_20260521', 'advisor_20260301']) {
      const tools = [...own, { type, model: 'claude-opus-4-8' }];
      expect(await refusalOf('messages', { ...request, tools })).toBe(
        'the unsold_tools of this request cannot be counted',
      );
    }
  });

  test('of another model, tier or speed is refused, and one without its required limit', async () => {
    expect(await refusalOf('messages', { ...request, model: 'claude-opus-3' })).toContain(
      'model must be one of claude-opus-4-8, claude-sonnet-4-6, claude-haiku-4-5',
    );
    expect(await refusalOf('messages', { ...request, speed: 'fast' })).toContain('speed must be');
    expect(await refusalOf('messages', { model: 'claude-sonnet-4-6', messages })).toBe(
      'the output_tokens of this request cannot be counted',
    );
  });

  test('without usage is not taken for free', async () => {
    await expect(ofAnswer('messages', request, { content: [] })).rejects.toThrow('no usage');
    const [start, ...rest] = stream({ output_tokens: 500 });
    expect(await ofStream('messages', request, rest)).toBe('answer_malformed');
    expect(await ofStream('messages', request, [start])).toBe('answer_malformed');
  });

  test('that fails in the middle is noticed', async () => {
    const failed = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    const events = [...stream({ output_tokens: 500 }).slice(0, 2), failed];
    expect(await ofStream('messages', request, events)).toBe('upstream_error_event');
  });
});

test('each format has its own errors, and a receipt in its stream', () => {
  const facts = bookOf(LLM).routes.map(({ name, errorFormat, receiptComment }) => [
    name,
    errorFormat,
    receiptComment,
  ]);
  expect(facts).toEqual([
    ['chat', 'openai', true],
    ['responses', 'openai', true],
    ['messages', 'anthropic', true],
  ]);
});

test('the gateway times out before the SDKs, whose customers would pay for a disconnect', () => {
  const { routes, upstreams } = bookOf(LLM);
  for (const { answerTimeoutMs, idleTimeoutMs } of upstreams.values()) {
    for (const { DEFAULT_TIMEOUT } of [OpenAI, Anthropic]) {
      expect(answerTimeoutMs).toBeLessThan(DEFAULT_TIMEOUT);
    }
    // Models can think for minutes and send nothing.
    expect(idleTimeoutMs).toBeGreaterThanOrEqual(300_000);
  }
  // Anthropic's SDK expects 128,000 tokens an hour.
  for (const { longestMs } of routes) expect(longestMs).toBeGreaterThanOrEqual(3_600_000);
});
