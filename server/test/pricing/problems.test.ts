import { describe, expect, test } from 'vitest';
import { formatProblems, parsePriceBook } from '../../src/pricing/parse.ts';
import { OWN_PATHS } from '../../src/pricing/rules.ts';
import { problemsOf, SOUND, textWith } from './books.ts';

/** The valid text with one line replaced. */
const withLine = (line: string, other: string) => SOUND.replace(line, other);

describe('a problem', () => {
  test.each([
    ['path: /v1/search', 'path: v1/search', '6:11 routes.search.path must be a path', 'The path'],
    ['path: /v1/search', 'paht: /v1/search', '6:5 routes.search.paht is not', 'did you mean path?'],
    ['    path: /v1/search\n', '', '4:3 routes.search.path is missing', 'add it: The path'],
    ['scope: search', 'scope: balance:read', '7:12 routes.search.scope must be', 'without a colon'],
    ['upstream: you', 'upstream: yuo', '8:15 routes.search.upstream is yuo', 'did you mean you?'],
    ['methods: [GET]', 'methods: [GET, PSOT]', '5:20 routes.search.methods[1]', 'mean POST?'],
    ['methods: [GET]', 'methods: GET', '5:14 routes.search.methods must be a list', '[GET, POST]'],
    ['methods: [GET]', 'methods: []', '5:14 routes.search.methods must have 1 to 5', 'such as'],
    ['methods: [GET]', 'methods: [GET, GET]', '5:20 routes.search.methods has GET twice', 'leave'],
    ['"0.5"', '0.5', '10:19 routes.search.price[0].per_call is a number', 'in quotes: "0.5"'],
    ['"0.5"', '"0.1234567"', '10:19 routes.search.price[0].per_call must be cents', 'decimals'],
    ['"0.5"', '"9999999999999"', '10:19 routes.search.price[0].per_call is more', 'at most 92'],
    ['per_call: "0.5"', 'percall: "1"', '10:9 routes.search.price[0] must be', 'mean per_call?'],
    ['per_call: "0.5"', 'free', '10:9 routes.search.price[0] must be an object', 'one of them'],
    ['    path:', '    rate_limit:\n    path:', '6:5 routes.search.rate_limit is empty', 'object'],
    [
      '    path:',
      '    longest_s: 86400\n    path:',
      '6:16 routes.search.longest_s must be a number from 1 to 86000',
      'last byte',
    ],
    [
      '    path:',
      '    largest_body_bytes: 1e9\n    path:',
      '6:25 routes.search.largest_body_bytes must',
      '1 to 104857600 bytes',
    ],
    [
      '    path:',
      '    rate_limit: {per_second: 0}\n    path:',
      '6:30 routes.search.rate_limit.per_second',
      '0.01',
    ],
    [
      '    path:',
      '    count_event_with: usage\n    path:',
      '6:23 routes.search.count_event_with has no use',
      'of: answer',
    ],
    [
      '    path:',
      '    replay_bytes: 16777217\n    path:',
      '6:19 routes.search.replay_bytes must be a whole number from 0 to 16777216',
      '0 keeps none',
    ],
    [
      '    path:',
      '    error_event: []\n    path:',
      '6:18 routes.search.error_event must have 1 to 8 items',
      'names of events',
    ],
    [
      '    path:',
      '    error_format: opnai\n    path:',
      '6:19 routes.search.error_format must be one of purser, openai, anthropic',
      'mean openai?',
    ],
    [
      '    path:',
      '    receipt_comment: "yes"\n    path:',
      '6:22 routes.search.receipt_comment must be true or false',
      'comment',
    ],
    [
      '    path:',
      '    add_to_request: {members: {a: 1}}\n    path:',
      '6:21 routes.search.add_to_request has no use: a GET has no body',
      'POST',
    ],
    [
      'methods: [GET]',
      'methods: [POST]\n    add_to_request: {members: {a: [.inf]}}',
      '6:31 routes.search.add_to_request.members has a value that JSON cannot hold',
      'texts',
    ],
    [
      'methods: [GET]',
      'methods: [POST]\n    add_to_request: {members: &self {a: *self}}',
      '6:37 routes.search.add_to_request.members has a value that JSON cannot hold',
      'texts',
    ],
    [
      '    path:',
      '    settlement: {upstream_4xx: fre}\n    path:',
      '6:32 routes.search.settlement.upstream_4xx',
      'mean free?',
    ],
    ['  search:', '  Search It:', '4:3 routes.Search It is not a good name', 'lower-case'],
    [
      'upstreams:',
      'top_up_url: ftp://x\nupstreams:',
      '1:13 top_up_url must be an http',
      'buy credit',
    ],
    [
      'upstreams:',
      'top_up_url: "http://:"\nupstreams:',
      '1:13 top_up_url is not an address',
      'such as',
    ],
    [
      'https://api.example.com',
      'https://me:pw@x.com/?a#b',
      '2:19 upstreams.you.base_url must not have credentials and a query and a fragment',
      'write scheme',
    ],
    [
      'https://api.example.com',
      'ftp://x.com',
      '2:19 upstreams.you.base_url must be an http',
      'http or',
    ],
    [
      'https://api.example.com',
      '"https://["',
      '2:19 upstreams.you.base_url is not an address',
      'write',
    ],
    [
      '.com}',
      '.com, secret: {header: Host, env: KEY}}',
      '2:61 upstreams.you.secret.header: Host cannot',
      'X-API-Key',
    ],
    [
      '.com}',
      '.com, secret: {header: A B, env: KEY}}',
      '2:61 upstreams.you.secret.header must be',
      'carries',
    ],
    [
      '.com}',
      '.com, secret: {header: X-Key, env: DATABASE_URL}}',
      '2:73 upstreams.you.secret.env: DATABASE_URL belongs',
      'its own',
    ],
  ])('of %j as %j has its line and its cure', (line, other, problem, cure) => {
    const found = problemsOf(withLine(line, other));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(problem);
    expect(found[0]?.split(' | ')[1]).toContain(cure);
  });

  const counting = '{per: pages, cents: "1", count: $count(answer), at_most: 5}';
  test.each([
    [counting.replace('pages', 'calls'), '10:15 routes.search.price[0].per: calls are', 'per_call'],
    [
      counting.replace('pages', 'Pages'),
      '10:15 routes.search.price[0].per must be a name',
      'pages',
    ],
    [
      counting.replace(', at_most: 5', ''),
      '10:9 routes.search.price[0].at_most is missing',
      'held',
    ],
    [
      counting.replace('at_most: 5', 'at_most: -1'),
      '10:66 routes.search.price[0].at_most must be a whole number',
      'The most items',
    ],
    [
      counting.replace('at_most: 5', 'at_most: answer.x'),
      '10:66 routes.search.price[0].at_most: there is no answer',
      'request',
    ],
    [
      counting.replace('(answer)', '(items)'),
      '10:48 routes.search.price[0].count: there is no items here',
      'answer.items',
    ],
    [
      counting.replace('$count(answer)', '"$count(items)"'),
      '10:49 routes.search.price[0].count: there is no',
      'items',
    ],
    [counting.replace('(answer)', '(answer'), '10:', 'see'],
    [
      counting.replace('}', ', event: a, each_event: b}'),
      'routes.search.price[0] has both event and each_event',
      'to count all of them',
    ],
    [
      '{per: words, cents: "1", count: request.n, of: request, event: a}',
      '10:72 routes.search.price[0].event has no use if the request is counted',
      'leave it out',
    ],
    [
      counting.replace('"1"', '0.1'),
      'routes.search.price[0].cents is a number, and cents are never numbers',
      'put it in quotes: "0.1"',
    ],
    [
      counting.replace('"1"', '{by: model, prices: {a: 1}}'),
      'routes.search.price[0].cents.prices.a is a number',
      'put it in quotes: "1"',
    ],
    [
      counting.replace('"1"', '{by: model, prices: {a: "1"}, default: a}'),
      'routes.search.price[0].cents.default must be cents in quotes',
      'for any other value',
    ],
    [
      counting.replace('"1"', '{by: model, price: {a: "1"}}'),
      'routes.search.price[0].cents.price is not a known member',
      'did you mean prices?',
    ],
    [
      counting.replace('"1"', '{by: model, prices: {a: "9999999999999"}}'),
      'routes.search.price[0].cents.prices.a is more than an account can have',
      'at most',
    ],
    [
      counting.replace('5', '5, of: request').replace('answer', 'request'),
      'routes.search.price[0].at_most has no use',
      'leave it out',
    ],
    [
      counting.replace('5', '5, units: 0'),
      '10:76 routes.search.price[0].units must be a whole',
      'price of this',
    ],
    [
      `${counting}\n      - ${counting}`,
      '11:15 routes.search.price[1]: there are two prices per pages',
      'name',
    ],
    [
      '{by: effort, default: low, cents: {high: "1"}}',
      '10:31 routes.search.price[0].default is low',
      'one of high',
    ],
    ['{by: effort, cents: {}}', '10:29 routes.search.price[0].cents is empty', 'at least one'],
    [
      '{by: effort, cents: {low: 1.20}}',
      '10:35 routes.search.price[0].cents.low is a number',
      '"1.2"',
    ],
  ])('of the price %s has its line and its cure', (price, problem, cure) => {
    const found = problemsOf(textWith(`      - ${price}`));
    expect(found[0]).toContain(problem);
    expect(found[0]?.split(' | ')[1]).toContain(cure);
  });

  const route = (name: string, path: string, methods = '[GET, POST]') =>
    `  ${name}: {methods: ${methods}, path: "${path}", scope: x, upstream: you, price: []}\n`;
  test.each([
    [route('again', '/v1/search'), 'GET /v1/search is the route search already'],
    [
      route('one', '/v1/a/:id') + route('two', '/v1/a/:name', '[POST]'),
      'POST /v1/a/:name is the route one already',
    ],
    [route('one', '/v1/a/*') + route('two', '/v1/a/*'), 'is the route one already'],
    [route('one', '/v1/*/a'), 'has a * elsewhere'],
    [route('one', '/v1/a*'), 'has a * elsewhere'],
    [route('one', '/v1/:id(a+)'), 'has a character'],
    [route('one', '/v1/:id?'), 'must be a path'],
    [route('one', '/v1/../billing'), 'an empty segment, . or ..'],
    [route('one', '/v1//billing'), 'an empty segment, . or ..'],
    ...OWN_PATHS.flatMap((own) => [
      [route('one', own), `is under ${own}`],
      [route('one', `${own}/:id`), `is under ${own}`],
    ]),
  ])('of the routes %s is %s', (routes, message) => {
    const found = problemsOf(SOUND + routes);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  test('is not reported if paths only look alike', () => {
    const alike = ['/v1/accounts_of', '/v1/billings/:id', '/v1/search/', '/v1/search/:id', '/v2/*'];
    const routes = alike.map((path, index) => route(`r${index}`, path)).join('');
    expect(problemsOf(SOUND + routes)).toEqual([]);
  });

  test('stands beside all the others, in the order of their lines', () => {
    const text = withLine('scope: search', 'scope: Search')
      .replace('"0.5"', '0.5')
      .replace('.com}', '.com?x}');
    const found = problemsOf(`${text}  other: {methods: [GET]}\n  other: 5\nmore: 1\n`);
    expect(found.map((problem) => problem.split(' ')[0])).toEqual([
      ...['2:19', '7:12', '10:19', '12:3', '12:10', '13:1'],
    ]);
  });

  test.each([
    ['a: [1\nb: 2', '2:1 not YAML: Flow sequence'],
    ['a: 1\n\tb: 2', '2:1 not YAML: Tabs'],
    ['a: "1', 'not YAML: Missing closing'],
    ['a: !!js/function x', '1:4 not YAML: Unresolved tag'],
    ['a: 1\n---\nb: 2', '2:1 not YAML: Source contains multiple documents'],
    ['a: *b', 'an alias cannot be followed'],
    ['', '1:1 the price book is empty | it must be an object'],
    ['- 1', '1:1 the price book must be an object'],
  ])('of the text %j is told', (text, message) => {
    expect(problemsOf(text).join('\n')).toContain(message);
  });

  test('of a text that is no YAML stands alone', () => {
    expect(problemsOf(`${SOUND}zz: [1\n`)).toHaveLength(1);
  });

  test('is printed with its file, and its cure below', () => {
    const parsed = parsePriceBook(withLine('"0.5"', '0.5'));
    const problems = 'problems' in parsed ? parsed.problems : [];
    expect(formatProblems('prices.yaml', problems)).toBe(
      'prices.yaml:10:19  routes.search.price[0].per_call is a number, and cents are never numbers\n    put it in quotes: "0.5"\n',
    );
  });
});

test('a member that is added to requests must not be one that the price reads', () => {
  const more = '    add_to_request: {members: {n: 1, stream: true}}\n';
  for (const [count, found] of [
    ['request.n', 1],
    ['request.**.n', 1],
    ['request.other', 0],
  ] as const) {
    const price = `      - {per: n, cents: "1", of: request, count: ${count}}`;
    const text = textWith(price, more).replace('[GET]', '[POST]');
    const problems = problemsOf(text);
    expect(problems).toHaveLength(found);
    if (found) expect(problems[0]).toContain('add_to_request.members.n: the price looks for n');
  }
  const byMember = textWith('      - {by: stream, cents: {"true": "1"}}', more);
  expect(problemsOf(byMember.replace('[GET]', '[POST]'))[0]).toContain('looks for stream');
});

describe('a warning', () => {
  const warningsOf = (...paths: string[]) => {
    const routes = paths.map(
      (path, index) =>
        `  r${index}: {methods: [GET], path: "${path}", scope: a, upstream: you, price: []}`,
    );
    const text = `upstreams: {you: {base_url: https://a.example}}\nroutes:\n${routes.join('\n')}\n`;
    const parsed = parsePriceBook(text);
    if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
    return parsed.warnings.map(({ line, message }) => `${line} ${message}`);
  };

  test.each([
    [['/v1/search', '/v1/Search'], '4 routes.r1.path: many upstreams take GET /v1/Search'],
    [['/v1/search', '/v1/search/'], '4 routes.r1.path: many upstreams take GET /v1/search/'],
    [['/v1/:id/a', '/V1/:name/a/'], '4 routes.r1.path: many upstreams take GET /V1/:name/a/'],
    [['/*', '/v1/search'], '3 routes.r0.path: many upstreams take GET /v1/search/ for'],
  ])('of %j names the route that is too near', (paths, message) => {
    expect(warningsOf(...paths)[0]).toContain(message);
  });

  test.each([
    [['/v1/search', '/v1/contents']],
    [['/v1/search', '/v1/search/more']],
    [['/v1/:id', '/v2/:id']],
    // A parameter is never empty, so these two do not collide.
    [['/v1/items', '/v1/items/:id']],
    [['/v1/search/*']],
    [['/']],
  ])('is not given of %j', (paths) => {
    expect(warningsOf(...paths)).toEqual([]);
  });

  test('is not given of other methods', () => {
    const text = `${SOUND}  other:
    {methods: [POST], path: /v1/Search, scope: other, upstream: you, price: []}
`;
    expect(parsePriceBook(text)).toMatchObject({ warnings: [] });
  });

  test('is given once for each spelling, of many routes at once too', () => {
    const paths = Array.from({ length: 300 }, (_, index) => `/v1/route${index}`);
    expect(warningsOf('/*', ...paths)).toHaveLength(200);
  });
});
