import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCents, LARGEST_AMOUNT } from '../../src/ledger/operations/money.ts';
import { CountingFailed } from '../../src/pricing/book/price-book.ts';
import {
  costAfter,
  costBefore,
  hasRequestPart,
  isKnownBefore,
  RequestNotPriced,
} from '../../src/pricing/cost.ts';
import { answer, routeOf, textWith } from './books.ts';

const CALL = '      - per_call: "0.5"';
const PAGES = '      - {per: pages, cents: "0.1", count: answer.pages, at_most: request.most}';
const WORDS =
  '      - {per: words, cents: "15", units: 1000000, count: request.words, of: request}';
const DEEP = WORDS.replace('request.words', 'request.**.words');
const EFFORT =
  '      - {by: effort, default: standard, cents: {lite: "1.2", standard: "5", "2": "7"}}';
const ALL = routeOf(textWith([CALL, PAGES, WORDS, EFFORT].join('\n')));

/** The refusal of a request: its message, and the path of the guilty member. */
async function refusalOf(price: string, request: unknown) {
  const error = await costBefore(routeOf(textWith(price)), request).catch((thrown) => thrown);
  if (!(error instanceof RequestNotPriced)) throw new Error('not refused', { cause: error });
  return [error.message, ...error.loc];
}

describe('the cost before a call', () => {
  test('is the known part, and at most that with the stated maximum', async () => {
    const request = { most: 20, words: 2_000, effort: 'lite' };
    expect(await costBefore(ALL, request)).toEqual({
      counted: {
        amount: 1_730_000n,
        quantities: { calls: '1', pages: '0', words: '2000' },
        choices: { effort: 'lite' },
      },
      maximum: {
        amount: 3_730_000n,
        quantities: { calls: '1', pages: '20', words: '2000' },
        choices: { effort: 'lite' },
      },
      request,
    });
  });

  test('of a free route is nothing', async () => {
    const free = routeOf(textWith('').replace(/price:\n/, 'price: []\n'));
    const nothing = { amount: 0n, quantities: { calls: '1' }, choices: {} };
    const before = await costBefore(free, null);
    expect(before).toEqual({ counted: nothing, maximum: nothing, request: undefined });
  });

  test.each([
    [{ effort: 'standard' }, 5_000_000n, 'standard'],
    [{}, 5_000_000n, 'standard'],
    [{ effort: null }, 5_000_000n, 'standard'],
    [null, 5_000_000n, 'standard'],
    [['lite'], 5_000_000n, 'standard'],
    [{ effort: 2 }, 7_000_000n, '2'],
    [{ effort: '2' }, 7_000_000n, '2'],
  ])('of %j by a member is %s', async (request, amount, effort) => {
    const { counted, maximum } = await costBefore(routeOf(textWith(EFFORT)), request);
    expect(counted).toEqual({ amount, quantities: { calls: '1' }, choices: { effort } });
    expect(maximum).toEqual(counted);
  });

  test.each([
    [{ effort: 'deep' }],
    [{ effort: 'toString' }],
    [{ effort: '' }],
    [{ effort: 'Lite' }],
    [{ effort: ['lite'] }],
    [{ effort: { lite: 1 } }],
  ])('is refused for %j, which has no price', async (request) => {
    expect(await refusalOf(EFFORT, request)).toEqual([
      'effort must be one of 2, lite, standard',
      'effort',
    ]);
  });

  test.each([
    [EFFORT, { Effort: 'lite' }, 'Effort', 'effort'],
    [EFFORT, { 'effort[]': 'lite' }, 'effort[]', 'effort'],
    [EFFORT, { effort: 'lite', EFFORT: 'standard' }, 'EFFORT', 'effort'],
    [DEEP, { words: 1, more: [{ Words: 2 }] }, 'Words', 'words'],
    [WORDS, { words: 1, Words: 2 }, 'Words', 'words'],
    [PAGES, { MOST: 20, most: 1 }, 'MOST', 'most'],
    [WORDS.replace('request.words', `'$lookup(request, "n")'`), { n: 1, N: 2 }, 'N', 'n'],
  ])('is refused where %s could be read otherwise in %j', async (price, request, name, meant) => {
    expect(await refusalOf(price, request)).toEqual([`${name} must be written ${meant}`, name]);
  });

  test('accepts any spelling of names that the price does not look for', async () => {
    const deeper = { Effort: 1, tools: [{ Most: {}, Words: {}, effort: 1 }] };
    const request = {
      most: 1,
      words: 1,
      Request: 1,
      Answer: 2,
      Pages: 3,
      Other: [{ other: 1 }, null, deeper],
    };
    await expect(costBefore(ALL, request)).resolves.toBeDefined();
  });

  test('is refused if a member that chooses the price is missing', async () => {
    expect(await refusalOf(EFFORT.replace('default: standard, ', ''), {})).toEqual([
      'effort is required: it must be one of 2, lite, standard',
      'effort',
    ]);
    // Properties that every object inherits are no members of the request.
    const price = '      - {by: constructor, cents: {a: "1"}}';
    expect(await refusalOf(price, {})).toEqual([
      'constructor is required: it must be one of a',
      'constructor',
    ]);
  });

  test.each([
    [PAGES, {}, 'pages'],
    [PAGES, { most: -1 }, 'pages'],
    [PAGES, { most: '20' }, 'pages'],
    [WORDS, { words: 'many' }, 'words'],
  ])('is refused where %s cannot be counted in %j', async (price, request, quantity) => {
    expect(await refusalOf(price, request)).toEqual([
      `the ${quantity} of this request cannot be counted`,
    ]);
  });

  test('is refused if JSONata would take the request for a function', async () => {
    expect(await refusalOf(WORDS, { words: 1, _jsonata_lambda: true })).toEqual([
      'the request cannot be read: a member may not be named _jsonata_lambda or _jsonata_function',
    ]);
  });

  test('is refused above what an account can have, and not below', async () => {
    const dear = `      - per_call: "${formatCents(LARGEST_AMOUNT)}"`;
    const { maximum } = await costBefore(routeOf(textWith(dear)), {});
    expect(maximum.amount).toBe(LARGEST_AMOUNT);
    expect(await refusalOf(`${dear}\n      - per_call: "0.000001"`, {})).toEqual([
      'the most that this call could cost is more than can be held',
    ]);
  });
});

describe('the cost after a call', () => {
  const request = { most: 20, words: 2_000, effort: 'lite' };

  test('is that of the real quantities', async () => {
    const before = await costBefore(ALL, request);
    expect(await costAfter(ALL, answer({ pages: 12.5 }), before)).toEqual({
      cost: {
        amount: 2_980_000n,
        quantities: { calls: '1', pages: '12.5', words: '2000' },
        choices: { effort: 'lite' },
      },
      isAboveMaximum: false,
    });
  });

  test('is at its maximum at the maximum, and above it one microcent later', async () => {
    const before = await costBefore(ALL, request);
    const at = await costAfter(ALL, answer({ pages: 20 }), before);
    expect(at).toEqual({ cost: before.maximum, isAboveMaximum: false });
    const above = await costAfter(ALL, answer({ pages: 20.000_01 }), before);
    expect(above.isAboveMaximum).toBe(true);
    expect(above.cost.amount).toBe(before.maximum.amount + 1n);
  });

  test('of an answer without its counted member is the rest', async () => {
    const before = await costBefore(ALL, request);
    const { cost } = await costAfter(ALL, answer({}), before);
    expect(cost).toEqual(before.counted);
  });

  test('fails if the answer cannot be counted, or costs more than can be charged', async () => {
    const before = await costBefore(ALL, request);
    const counting = costAfter(ALL, answer({ pages: 'many' }), before);
    await expect(counting).rejects.toThrow(CountingFailed);
    const dear = routeOf(textWith(PAGES.replace('"0.1"', '"1000000000000"')));
    const cheap = await costBefore(dear, { most: 1 });
    const tooMuch = costAfter(dear, answer({ pages: 1_000_000 }), cheap);
    await expect(tooMuch).rejects.toThrow('more than can be charged');
  });
});

describe('a price by a member inside a counted part', () => {
  const MODELS = (more = '') => `      - per: tokens
        units: 1000000
        cents: {by: model, prices: {small: "60", "gpt-4.1": "1000"}${more}}
        count: answer.tokens
        at_most: 2000000
`;
  const bothOf = async (text: string, request: object) => {
    const route = routeOf(textWith(text));
    const before = await costBefore(route, request);
    const { cost } = await costAfter(route, answer({ tokens: 500_000 }), before);
    return [before.maximum.amount, cost.amount, before.maximum.choices, cost.choices];
  };

  test.each([
    [{ model: 'small' }, 60_000_000n, 'small'],
    [{ model: 'gpt-4.1' }, 1_000_000_000n, 'gpt-4.1'],
  ])(
    'of %j holds at most and charges by it, and the receipt says so',
    async (request, each, model) => {
      expect(await bothOf(MODELS(), request)).toEqual([2n * each, each / 2n, { model }, { model }]);
    },
  );

  test.each([
    [{ model: 'other' }, 'other'],
    [{ model: 7 }, '7'],
    [{}, 'default'],
    [{ model: null }, 'default'],
  ])('of %j is the default, where there is one', async (request, model) => {
    expect(await bothOf(MODELS(', default: "2000"'), request)).toEqual([
      4_000_000_000n,
      1_000_000_000n,
      { model },
      { model },
    ]);
  });

  test.each([
    [{ model: 'other' }, 'model must be one of small, gpt-4.1'],
    [{ model: 'Small' }, 'model must be one of small, gpt-4.1'],
    [{ model: 'toString' }, 'model must be one of small, gpt-4.1'],
    [{ model: ['small'] }, 'model must be one of small, gpt-4.1'],
    [{}, 'model is required: it must be one of small, gpt-4.1'],
    [{ Model: 'small' }, 'Model must be written model'],
  ])('of %j is refused where there is none', async (request, message) => {
    expect((await refusalOf(MODELS(), request))[0]).toBe(message);
  });

  test.each([
    ['a list', ['small']],
    ['an object', { small: 1 }],
    ['no text', ''],
    ['too long', 'x'.repeat(65)],
    ['not to be printed', 'a\nb'],
    ['what no database holds', '\ud800'],
  ])('is refused for a value that is %s, with a default too', async (_, model) => {
    const message = 'model must be one of small, gpt-4.1';
    expect(await refusalOf(MODELS(', default: "2000"'), { model })).toEqual([message, 'model']);
  });

  test('is reported once although several parts use it, each at its own price', async () => {
    const more = MODELS().replace('tokens', 'words').replace('"60"', '"6"');
    expect(await bothOf(MODELS() + more, { model: 'small' })).toEqual([
      132_000_000n,
      33_000_000n,
      { model: 'small' },
      { model: 'small' },
    ]);
  });
});

describe('a price', () => {
  const units = fc.integer({ min: 1, max: 1_000_000_000 });
  const amount = fc.bigInt(0n, 900_000_000n);
  const quantity = fc.integer({ min: 0, max: 1_000_000_000 });
  const costOf = async (price: string, pages: number) => {
    const route = routeOf(textWith(price));
    const before = await costBefore(route, { most: 2_000_000_000 });
    return (await costAfter(route, answer({ pages }), before)).cost.amount;
  };
  const priceOf = (cents: bigint, of: number) =>
    PAGES.replace('"0.1"', `"${formatCents(cents)}", units: ${of}`);

  test('is rounded up to a whole microcent, and by less than one', async () => {
    await fc.assert(
      fc.asyncProperty(amount, units, quantity, async (cents, of, pages) => {
        const cost = await costOf(priceOf(cents, of), pages);
        const exact = cents * BigInt(pages);
        expect(cost * BigInt(of) >= exact).toBe(true);
        expect((cost - 1n) * BigInt(of) < exact).toBe(true);
      }),
    );
  });

  test('never falls if more is counted', async () => {
    await fc.assert(
      fc.asyncProperty(amount, units, quantity, quantity, async (cents, of, pages, more) => {
        const price = priceOf(cents, of);
        expect((await costOf(price, pages)) <= (await costOf(price, pages + more))).toBe(true);
      }),
    );
  });

  test('of several parts is their sum, each rounded by itself', async () => {
    const part = fc.tuple(amount, units, quantity);
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 5 }), async (parts) => {
        const prices = parts.map(([cents, of], index) =>
          priceOf(cents, of)
            .replace('per: pages', `per: pages_${index}`)
            .replace('answer.pages', `"answer.pages[${index}]"`),
        );
        const route = routeOf(textWith(prices.join('\n')));
        const pages = parts.map(([, , counted]) => counted);
        const before = await costBefore(route, { most: 2_000_000_000 });
        const { cost } = await costAfter(route, answer({ pages }), before);
        let sum = 0n;
        for (const [cents, of, counted] of parts) sum += await costOf(priceOf(cents, of), counted);
        expect(cost.amount).toBe(sum);
      }),
      { numRuns: 50 },
    );
  });

  test('of one item that costs less than a microcent is never free', async () => {
    expect(await costOf(priceOf(1n, 1_000_000_000), 1)).toBe(1n);
    expect(await costOf(priceOf(1n, 1_000_000_000), 0)).toBe(0n);
  });
});

test('a route states the needs of its price', () => {
  const facts = [CALL, PAGES, WORDS, EFFORT].map((price) => {
    const route = routeOf(textWith(price));
    return [isKnownBefore(route), hasRequestPart(route)];
  });
  expect(facts).toEqual([
    [true, false],
    [false, true],
    [true, true],
    [true, true],
  ]);
});
