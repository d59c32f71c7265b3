import fc from 'fast-check';
import { type Answer, type Call, isEvents, type Leaving, type Request } from './calls.ts';
import { goesOutWhole } from './model.ts';
import { type Members, ROUTES, type Route } from './routes.ts';

/** The random behaviour of the differential run's customers, deterministic for each seed. */

export type Step =
  | { readonly does: 'call'; readonly call: Call }
  | { readonly does: 'top up' | 'set overdraft'; readonly cents: number };

/** The steps of one customer, in order. */
export interface Story {
  readonly name: string;
  /** The account's first grant and, in `overdraft`, its overdraft limit, in cents. */
  readonly cents: number;
  readonly overdraft: number;
  readonly steps: readonly Step[];
}

/** The way in which PostgreSQL is unreachable. */
export type Weather = 'refuses' | 'is silent' | 'loses commits';

/**
 * Stories of customers who call at once. PostgreSQL is unreachable at the end of every other call.
 */
export interface Storm {
  readonly weathers: readonly Weather[];
  readonly stories: readonly Story[];
}

const CUSTOMERS_IN_A_STORM = 12;

/** The stories of a seed. A larger `count` only adds stories at the end. */
export function storiesOf(seed: number, count: number): readonly Story[] {
  const sampled = fc.sample(fc.noBias(story), { seed, numRuns: count });
  return sampled.map((told, index) => {
    const whole = named(told, `s${String(index).padStart(5, '0')}`);
    return withCalls(whole, (call) => ({ ...call, isLate: false }));
  });
}

export function stormsOf(seed: number, count: number): readonly Storm[] {
  return fc
    .sample(fc.noBias(storm), { seed, numRuns: count })
    .map(({ weathers, stories }, index) => ({
      weathers,
      stories: stories.map((told, customer) => {
        const name = `a${String(index).padStart(3, '0')}${String(customer).padStart(2, '0')}`;
        return stormy(named(told, name), weathers);
      }),
    }));
}

// --- requests --------------------------------------------------------------------------------------

const oneIn = (n: number): fc.Arbitrary<boolean> => fc.nat(n - 1).map((dice) => dice === 0);

function weighted<T>(...options: readonly (readonly [number, T])[]): fc.Arbitrary<T> {
  return fc.oneof(...options.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));
}

const VARIANT_WEIGHTS: Readonly<Record<string, number>> = {
  small: 3,
  unkept: 3,
  other: 4,
  short: 6,
};
const SPECIAL_WEIGHTS: Readonly<Record<string, number>> = { tokens: 10, free: 3, upload: 4 };

function weightOf({ name }: Route): number {
  const variant = name.split('_').at(-1) ?? '';
  return VARIANT_WEIGHTS[variant] ?? SPECIAL_WEIGHTS[name] ?? (name.includes('_') ? 2 : 8);
}

const isQuick = ({ upstream, isShort }: Route): boolean =>
  (upstream === 'plain' || upstream === 'secret') && !isShort;

function routesOf(routes: readonly Route[]): fc.Arbitrary<Route> {
  return weighted(...routes.map((route) => [weightOf(route), route] as const));
}

function membersOf({ byEffort, perWord, counts }: Route): fc.Arbitrary<Members> {
  if (byEffort) {
    const effort = weighted([4, 'low'], [4, 'high'], [1, 'none'], [3, undefined]);
    return effort.map((value) => (value === undefined ? {} : { effort: value }));
  }
  if (perWord) return fc.record({ words: fc.nat(200) });
  if (counts?.most !== 'max') return fc.constant({});
  return fc.record({
    model: fc.constantFrom('small', 'large'),
    max: fc.integer({ min: 1, max: 9 }),
  });
}

/** Few keys, so that two requests sometimes have the same one. */
const keys = fc.nat(19).map((number) => `key-${number}`);

function requestsOf(routes: readonly Route[]): fc.Arbitrary<Request> {
  return routesOf(routes).chain((route) =>
    fc
      .record({
        method: fc.constantFrom(...(route.methods as readonly ('GET' | 'POST')[])),
        isHead: oneIn(6),
        members: membersOf(route),
        accept: weighted([9, 'application/json'], [1, '*/*']),
        key: fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, { weight: 3, arbitrary: keys }),
      })
      .map(({ method, isHead, members, accept, key }) => ({
        route,
        method: isHead && method === 'GET' ? 'HEAD' : method,
        members,
        accept,
        // `none` has no price: the request is refused with any key, so it gets no key.
        key: members.effort === 'none' ? null : key,
      })),
  );
}

// --- answers of upstreams --------------------------------------------------------------------------

const SOUND: Answer = {
  does: 'answers',
  status: 200,
  form: 'json',
  count: 3,
  padding: 0,
  isChunked: false,
  end: 'whole',
};

const STATUSES = [400, 401, 401, 403, 404, 422, 429, 500, 503, 700] as const;

/** The forms that a route can count. If it counts nothing, the form does not matter. */
function formsOf({ counts }: Route): readonly Answer['form'][] {
  if (!counts) return ['json', 'text', 'events'];
  return counts.quantity === 'items' ? ['json'] : ['events', 'events', 'json'];
}

function badFormsOf({ counts }: Route): readonly Answer['form'][] {
  const always = ['text', 'encoded', 'malformed'] as const;
  const errors = ['events with an error', 'events with an early error'] as const;
  if (!counts) return [...always, ...errors];
  if (counts.quantity === 'items') return always;
  return [...always, 'uncounted', 'events uncounted', ...errors, ...errors];
}

/** An answer of a good upstream, whatever its size. */
function soundAnswersOf(route: Route): fc.Arbitrary<Answer> {
  const most = route.counts?.most === 'max' ? 9 : 20;
  return fc
    .record({
      form: fc.constantFrom(...formsOf(route)),
      status: weighted([12, 200], [1, 201], [1, 204], [1, 302]),
      count: fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: 0, max: most }) },
        { weight: 1, arbitrary: fc.integer({ min: most, max: 2 * most }) },
      ),
      padding: weighted([10, 0], [5, 400], [1, 100_000], [2, 300_000]),
      isChunked: fc.boolean(),
    })
    .map(({ form, status, ...others }) => {
      const isPlain = status === 200 || (status === 302 && route.counts !== undefined);
      const usual = form.startsWith('events') || isPlain;
      return { ...SOUND, ...others, form, status: usual ? 200 : status };
    });
}

function badAnswersOf(route: Route): fc.Arbitrary<Answer> {
  const statuses = fc.record({ status: fc.constantFrom(...STATUSES) });
  const forms = fc.record({ form: fc.constantFrom(...badFormsOf(route)) });
  const cut = fc.record({
    form: fc.constantFrom(...formsOf(route), 'text' as const),
    end: fc.constant('breaks off' as const),
  });
  const framing = fc.record({
    padding: fc.constantFrom(0, 0, 0, 400, 100_000),
    isChunked: fc.boolean(),
    end: weighted([4, 'whole' as const], [1, 'breaks off' as const]),
  });
  const strange = fc
    .tuple(framing, fc.oneof(statuses, statuses, forms, forms, cut))
    .map(([frame, other]) => ({ ...SOUND, ...frame, ...other }));
  const none = fc
    .constantFrom('drops' as const, 'says nonsense' as const)
    .map((does) => ({ ...SOUND, does }));
  return fc.oneof({ weight: 7, arbitrary: strange }, { weight: 1, arbitrary: none });
}

/**
 * Answers that time out, for routes with timeouts of a second: a good answer may be too late there.
 */
function lateAnswersOf(route: Route): fc.Arbitrary<Answer> {
  const hangs = fc
    .record({ form: fc.constantFrom(...formsOf(route)), isChunked: fc.boolean() })
    .map((others) => ({ ...SOUND, ...others, end: 'hangs' as const }));
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant({ ...SOUND, does: 'keeps silent' as const }) },
    { weight: 2, arbitrary: hangs },
  );
}

function answersOf(route: Route): fc.Arbitrary<Answer> {
  if (route.upstream === 'closed') return fc.constant(SOUND);
  if (!isQuick(route)) return lateAnswersOf(route);
  return fc.oneof(
    { weight: 3, arbitrary: soundAnswersOf(route) },
    { weight: 2, arbitrary: badAnswersOf(route) },
  );
}

// --- calls -----------------------------------------------------------------------------------------

type Untold = Omit<Call, 'id'>;
const SOME_ID = 's00000-00';

/** The moments at which a client can disconnect from this call. */
function leavingsOf({ request, answer }: Pick<Untold, 'request' | 'answer'>): readonly Leaving[] {
  const { route, method } = request;
  if (method === 'HEAD') return ['never'];
  const inBody: Leaving[] = method === 'POST' ? ['before its body', 'in its body'] : [];
  if (route.upstream === 'closed') return [...inBody, 'at once'];
  if (route.isShort && method === 'POST') return ['never, with half a body'];
  const passes = answer.does === 'answers' && answer.status < 600;
  const streams =
    passes && !goesOutWhole({ id: SOME_ID, request, answer }) && answer.status !== 204;
  const midway: Leaving[] = streams ? ['midway', 'midway'] : [];
  const always: Leaving[] = ['before the answer', 'before the answer', ...midway];
  if (!isQuick(route)) return always;
  const last: Leaving[] = passes && answer.end === 'whole' ? ['after the last byte'] : [];
  return [...always, ...inBody, ...last, 'at once', 'at the answer'];
}

function callOf(request: Request): fc.Arbitrary<Untold> {
  // The answer to HEAD is a small one: the client would have to wait for the end of a stream.
  const answers =
    request.method === 'HEAD'
      ? answersOf(request.route).map((answer) => ({ ...answer, ...HEAD_ANSWER }))
      : answersOf(request.route);
  return answers.chain((answer) =>
    fc
      .record({
        stays: weighted([1, true], [1, false]),
        leaving: fc.constantFrom(...leavingsOf({ request, answer })),
        probe: weighted([6, null], [1, 'same' as const], [1, 'other' as const]),
        isLate: oneIn(3),
      })
      .map(({ stays, leaving, probe, isLate }) => {
        const leaves = stays ? 'never' : leaving;
        const isProbed = leaves === 'never' && request.key !== null && isQuick(request.route);
        return {
          request,
          answer,
          leaves,
          probe: isProbed ? probe : null,
          isAway: false,
          isLate: isLate && request.route.counts !== undefined,
        };
      }),
  );
}
const HEAD_ANSWER = { form: 'json', padding: 0, isChunked: false } as const;

/**
 * From `least` to `most` calls of a few requests, so that later calls often repeat earlier ones.
 */
function callsOf(routes: readonly Route[], least: number, most: number) {
  return fc
    .array(requestsOf(routes), { minLength: 3, maxLength: 8 })
    .chain((requests) =>
      fc.array(fc.constantFrom(...requests).chain(callOf), { minLength: least, maxLength: most }),
    );
}

// --- stories ---------------------------------------------------------------------------------------

const ofAccount = fc.record({
  cents: weighted([1, 0], [1, 1], [2, 3], [2, 6], [4, 30], [8, 1_000]),
  overdraft: weighted([3, 0], [1, 4]),
});

interface Told {
  readonly cents: number;
  readonly overdraft: number;
  readonly calls: readonly Untold[];
  /** The change of the account before each call; null: none. */
  readonly events: readonly (readonly ['top up' | 'set overdraft', number] | null)[];
}

const event = fc.oneof(
  { weight: 10, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('top up' as const), fc.constantFrom(1, 7, 40)) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constant('set overdraft' as const), fc.constantFrom(0, 2, 6)),
  },
);

const story: fc.Arbitrary<Told> = fc
  .tuple(ofAccount, callsOf(ROUTES, 6, 14), fc.array(event, { minLength: 14, maxLength: 14 }))
  .map(([account, calls, events]) => ({ ...account, calls, events }));

const STORMY_CALLS = 6;
const storm = fc.record({
  weathers: fc.array(weighted<Weather>([4, 'refuses'], [4, 'loses commits'], [1, 'is silent']), {
    minLength: STORMY_CALLS / 2,
    maxLength: STORMY_CALLS / 2,
  }),
  stories: fc.array(
    fc
      .tuple(ofAccount, callsOf(ROUTES.filter(isQuick), STORMY_CALLS, STORMY_CALLS))
      .map(([account, calls]) => ({ ...account, calls, events: [] })),
    { minLength: CUSTOMERS_IN_A_STORM, maxLength: CUSTOMERS_IN_A_STORM },
  ),
});

function named({ calls, events, ...account }: Told, name: string): Story {
  const steps = calls.flatMap((call, index): Step[] => {
    const id = `${name}-${String(index).padStart(2, '0')}`;
    const happened = events[index];
    const before: Step[] = happened ? [{ does: happened[0], cents: happened[1] }] : [];
    return [...before, { does: 'call', call: { ...call, id } }];
  });
  return { ...account, name, steps };
}

function withCalls(
  { steps, ...others }: Story,
  change: (call: Call, index: number) => Call,
): Story {
  const changed = steps.map(
    (step, index): Step =>
      step.does === 'call' ? { does: 'call', call: change(step.call, index) } : step,
  );
  return { ...others, steps: changed };
}

/**
 * Makes PostgreSQL unreachable at the end of every other call. The hold can expire meanwhile,
 * except if commits get through, or if the cost is already settled. If the answer is no stream of
 * events, it is settled before its first byte goes out.
 */
function stormy(told: Story, weathers: readonly Weather[]): Story {
  return withCalls(told, (call, index) => {
    const isAway = index % 2 === 0;
    if (!isAway) return { ...call, isLate: false };
    const isSettled = call.leaves === 'midway' && !isEvents(call.answer);
    const mayLeave = call.leaves === 'before the answer' || call.leaves === 'midway';
    return {
      ...call,
      isAway,
      leaves: mayLeave ? call.leaves : 'never',
      probe: null,
      isLate: call.isLate && weathers[index / 2] !== 'loses commits' && !isSettled,
    };
  });
}
