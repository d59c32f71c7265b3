import { describe, expect, test } from 'vitest';
import { DEFAULTS } from '../../src/pricing/book/defaults.ts';
import { bookOf, problemsOf, routeOf, SOUND } from './books.ts';

describe('a price book', () => {
  test('has the defaults that its page states', () => {
    const book = bookOf(SOUND);
    expect(book.topUpUrl).toBeNull();
    expect([...book.upstreams.values()]).toEqual([
      {
        name: 'you',
        baseUrl: 'https://api.example.com',
        secret: null,
        connectTimeoutMs: 5_000,
        answerTimeoutMs: 60_000,
        idleTimeoutMs: 60_000,
        connections: 128,
      },
    ]);
    expect(book.routes).toEqual([
      {
        name: 'search',
        memberNames: { top: new Set(), deep: new Set() },
        methods: ['GET'],
        path: '/v1/search',
        scope: 'search',
        upstream: 'you',
        rateLimit: null,
        largestBodyBytes: 65_536,
        longestMs: 120_000,
        meteringBufferBytes: 1_048_576,
        replayBytes: 262_144,
        concurrency: 64,
        errorEvents: [],
        errorFormat: 'purser',
        addToRequest: null,
        receiptComment: false,
        price: [{ kind: 'call', amount: 500_000n }],
        settlement: DEFAULTS.settlement,
      },
    ]);
  });

  test('has the values that its text states', () => {
    const book = bookOf(`top_up_url: https://example.com/billing?from=402
upstreams:
  you:
    base_url: https://API.example.com:8443/base//
    secret: {header: X-API-Key, env: UPSTREAM_KEY, prefix: "Bearer "}
    connect_timeout_s: 0.5
    answer_timeout_s: 3
    idle_timeout_s: 4
    connections: 7
routes:
  items:
    methods: [POST, DELETE]
    path: /v1/items/:id/*
    scope: items
    upstream: you
    rate_limit: {per_second: 2.5}
    largest_body_bytes: 104857600
    longest_s: 86000
    metering_buffer_bytes: 67108864
    count_event_with: usage
    replay_bytes: 16777216
    concurrency: 10000
    error_event: [error, response.failed]
    error_format: anthropic
    add_to_request: {when: stream, members: {stream_options: {include_usage: true}}}
    receipt_comment: true
    price:
      - {per: pages, cents: "0.1", units: 1000, count: $count(answer), at_most: 20}
      - {per: words, cents: "1", count: $length(request.text), of: request}
      - {by: effort, default: low, cents: {low: "1", "2": "0"}}
      - per: tokens
        cents: {by: model, prices: {small: "1"}, default: "2"}
        count: answer.usage.tokens
        at_most: request.most
        event: message_delta
      - {per: results, cents: "1", count: "1", at_most: 9, each_event: [results, more]}
    settlement: {upstream_4xx: counted, client_left_midway: free}
`);
    expect(book.topUpUrl).toBe('https://example.com/billing?from=402');
    expect(book.upstreams.get('you')).toMatchObject({
      baseUrl: 'https://api.example.com:8443/base',
      secret: { header: 'x-api-key', env: 'UPSTREAM_KEY', prefix: 'Bearer ' },
      connectTimeoutMs: 500,
      answerTimeoutMs: 3_000,
      idleTimeoutMs: 4_000,
      connections: 7,
    });
    expect(book.routes[0]).toMatchObject({
      methods: ['POST', 'DELETE'],
      rateLimit: { perSecond: 2.5, burst: 3 },
      longestMs: 86_000_000,
      replayBytes: 16_777_216,
      concurrency: 10_000,
      errorEvents: ['error', 'response.failed'],
      errorFormat: 'anthropic',
      addToRequest: { when: 'stream', members: { stream_options: { include_usage: true } } },
      receiptComment: true,
      price: [
        {
          quantity: 'pages',
          amount: 100_000n,
          units: 1_000n,
          of: 'answer',
          events: { names: ['usage'], isEach: false },
        },
        { quantity: 'words', amount: 1_000_000n, units: 1n, of: 'request', atMost: null },
        {
          member: 'effort',
          default: 'low',
          amounts: new Map([
            ['low', 1_000_000n],
            ['2', 0n],
          ]),
        },
        {
          quantity: 'tokens',
          amount: {
            member: 'model',
            amounts: new Map([['small', 1_000_000n]]),
            default: 2_000_000n,
          },
          events: { names: ['message_delta'], isEach: false },
        },
        { quantity: 'results', events: { names: ['results', 'more'], isEach: true } },
      ],
      memberNames: {
        top: new Set(['effort', 'model', 'stream_options', 'stream', 'text', 'most']),
        deep: new Set(),
      },
      settlement: { ...DEFAULTS.settlement, upstream_4xx: 'counted', client_left_midway: 'free' },
    });
  });

  test('may repeat a part by an alias', () => {
    const text = `${SOUND}    settlement: &same {upstream_4xx: counted}
  other: {methods: [GET], path: /v1/o, scope: o, upstream: you, price: [], settlement: *same}
`;
    expect(routeOf(text, 'other').settlement.upstream_4xx).toBe('counted');
    const broken = text.replace('counted}', 'counts}');
    expect(problemsOf(broken)).toEqual([
      '11:38 routes.search.settlement.upstream_4xx must be one of free, counted, maximum | did you mean counted?',
      '11:38 routes.other.settlement.upstream_4xx must be one of free, counted, maximum | did you mean counted?',
    ]);
  });
});
