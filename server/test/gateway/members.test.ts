import fc from 'fast-check';
import { expect, test } from 'vitest';
import { membersOf } from '../../src/gateway/request/members.ts';
import { BodyNotJson } from '../../src/gateway/request/request-body.ts';
import { costBefore, RequestNotPriced } from '../../src/pricing/cost.ts';
import { routeOf, textWith } from '../pricing/books.ts';

/** Many kinds of servers parse a priced request alike: each sees the value that was priced. */

const ROUTE = routeOf(
  textWith('      - {by: research_effort, default: lite, cents: {lite: "1", frontier: "100"}}'),
);

/** Enough runs to try each pair of the pieces below. */
const RUNS = 20_000;

/** The value that chose the price; undefined: the request is refused. */
async function priced(search: string): Promise<string | undefined> {
  try {
    const sent = { method: 'GET', search, body: null, contentType: undefined };
    const { counted } = await costBefore(ROUTE, membersOf(ROUTE.memberNames, sent));
    return counted.choices['research_effort'];
  } catch (error) {
    if (error instanceof RequestNotPriced || error instanceof BodyNotJson) return undefined;
    throw error;
  }
}

type Pair = readonly [name: string, value: string];

const pairsOf = (search: string, separators: RegExp): Pair[] =>
  search
    .slice(1)
    .split(separators)
    .map((member) => {
      const [name = '', ...value] = member.split('=');
      return [name, value.join('=')] as const;
    });

const bytes = (text: string) =>
  Buffer.from(
    text
      .replaceAll('+', ' ')
      .replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
const utf8 = (text: string) => bytes(text).toString('utf8');
const latin1 = (text: string) => bytes(text).toString('latin1');
const asp = (text: string) =>
  utf8(
    text.replace(/%u([0-9a-f]{4})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
  );

/** Parses a name as PHP does. A list counts as another value. */
function php([name, value]: Pair): Pair {
  const plain = name.trimStart().split('\0')[0] ?? '';
  const [head = ''] = plain.split('[');
  const underscored = (text: string) => text.replace(/[. [[]/g, '_');
  // An unclosed bracket is part of the name, and no index.
  if (!/\[.*\]/.test(plain)) return [underscored(plain), value];
  return [underscored(head), `list of ${value}`];
}

/** The members that each kind of server finds in a query. */
const SERVERS: Readonly<Record<string, (search: string) => Pair[]>> = {
  php: (search) => pairsOf(search, /&/).map(([name, value]) => php([utf8(name), utf8(value)])),
  servlet: (search) => pairsOf(search, /&/).map(([name, value]) => [latin1(name), latin1(value)]),
  semicolons: (search) => pairsOf(search, /[&;]/).map(([name, value]) => [utf8(name), utf8(value)]),
  asp: (search) =>
    pairsOf(search, /&/).map(([name, value]) => [asp(name).trim().toLowerCase(), asp(value)]),
  folding: (search) =>
    pairsOf(search, /&/).map(([name, value]) => [
      utf8(name).toUpperCase().toLowerCase(),
      utf8(value),
    ]),
};

const piece = fc.constantFrom(
  ...['research_effort', 'research', 'effort', '_', '.', '+', '%20', '%00', '[', ']', '%5B', '%5D'],
  ...[
    'RESEARCH_EFFORT',
    're%C5%BFearch_effort',
    '%u0072esearch_effort',
    '%72esearch_effort',
    '%ff',
  ],
  ...['=', '=frontier', '=lite', '&', ';', '%3B', '%26', 'x', '=1&', '%', '%23'],
);

test('every kind of server reads the query of a priced request alike', async () => {
  const queries = fc.array(piece, { maxLength: 8 }).map((pieces) => `?${pieces.join('')}`);
  let admitted = 0;
  await fc.assert(
    fc.asyncProperty(queries, async (search) => {
      const choice = await priced(search);
      if (choice === undefined) return;
      admitted += 1;
      for (const [server, read] of Object.entries(SERVERS)) {
        const values = read(search)
          .filter(([name]) => name === 'research_effort')
          .map(([, value]) => value);
        const seen = values.length === 0 ? ['lite'] : values;
        expect([server, search, ...new Set(seen)]).toEqual([server, search, choice]);
      }
    }),
    { numRuns: RUNS },
  );
  expect(admitted).toBeGreaterThan(RUNS / 20);
});
