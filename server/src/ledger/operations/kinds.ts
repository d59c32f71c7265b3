/**
 * The kinds of operations that the ledger books, with the facts about each.
 *
 * The types, the lists in SQL (sql/kinds.ts), the words of the API and the command line, and the tests
 * derive from `KINDS`. So does the table in README.md. CONTRIBUTING.md says how to add a kind.
 */

/** `sweeper` and `gateway` are parts of the system, `local` is the operator's command line. */
export type ActorKind = 'operator_key' | 'api_key' | 'local' | 'sweeper' | 'gateway';

/** How a hold ended. */
export type HoldEnding = 'capture' | 'void' | 'expiry';

/** A thing that an operation makes, so that later operations can be about it. */
export type Thing = 'grant' | 'hold' | 'charge';

export interface KindFacts {
  /** The prefix of its public ids. `opn`: no request names such an operation. */
  readonly prefix: string;
  readonly makes?: Thing;
  readonly subject?: Thing;
  /** The way in which it ends the hold that is its subject. */
  readonly endsHold?: HoldEnding;
  /** The sum of its entries. `amount` has a sign of its own. */
  readonly entries: '+amount' | '+amount if in effect' | '-amount' | 'amount' | 'none';
  /** The book of its entries; `ending`: breakage if the grant expired, else the grant's own book. */
  readonly book?: 'revenue' | 'adjustment' | 'grant' | 'ending';
  /**
   * `asked`: a caller asks for it. `due`: it becomes due at an instant. `follows`: the operation before
   * it makes it necessary, at the same instant.
   */
  readonly arises: readonly ('asked' | 'due' | 'follows')[];
  /** It carries an idempotency key, under which a caller may repeat it. */
  readonly isRepeatable: boolean;
  /** The actors that may do it. */
  readonly actors: readonly ActorKind[];
}

const OPERATOR = ['operator_key', 'local'] as const;

/** In the order in which lists of kinds show them. */
export const KINDS = {
  grant: {
    prefix: 'grt',
    makes: 'grant',
    entries: '+amount if in effect',
    book: 'grant',
    arises: ['asked'],
    isRepeatable: true,
    actors: OPERATOR,
  },
  grant_start: {
    prefix: 'opn',
    subject: 'grant',
    entries: '+amount',
    book: 'grant',
    arises: ['due'],
    isRepeatable: false,
    actors: ['sweeper'],
  },
  /** To repeat an extension changes nothing, so it needs no idempotency key. */
  grant_extension: {
    prefix: 'opn',
    subject: 'grant',
    entries: 'none',
    arises: ['asked'],
    isRepeatable: false,
    actors: OPERATOR,
  },
  grant_void: {
    prefix: 'opn',
    subject: 'grant',
    entries: '-amount',
    book: 'grant',
    arises: ['asked'],
    isRepeatable: true,
    actors: OPERATOR,
  },
  grant_end: {
    prefix: 'opn',
    subject: 'grant',
    entries: '-amount',
    book: 'ending',
    arises: ['due', 'follows'],
    isRepeatable: false,
    actors: ['sweeper'],
  },
  charge: {
    prefix: 'chg',
    makes: 'charge',
    entries: '-amount',
    book: 'revenue',
    arises: ['asked'],
    isRepeatable: true,
    actors: [...OPERATOR, 'api_key', 'gateway'],
  },
  hold: {
    prefix: 'hld',
    makes: 'hold',
    entries: 'none',
    arises: ['asked'],
    isRepeatable: true,
    actors: [...OPERATOR, 'api_key'],
  },
  capture: {
    prefix: 'chg',
    makes: 'charge',
    subject: 'hold',
    endsHold: 'capture',
    entries: '-amount',
    book: 'revenue',
    arises: ['asked'],
    isRepeatable: true,
    actors: [...OPERATOR, 'gateway'],
  },
  /** The cost above a captured hold. */
  overage: {
    prefix: 'chg',
    makes: 'charge',
    subject: 'hold',
    entries: '-amount',
    book: 'revenue',
    arises: ['follows'],
    isRepeatable: false,
    actors: [...OPERATOR, 'gateway'],
  },
  hold_void: {
    prefix: 'opn',
    subject: 'hold',
    endsHold: 'void',
    entries: 'none',
    arises: ['asked'],
    isRepeatable: true,
    actors: [...OPERATOR, 'gateway'],
  },
  hold_expiry: {
    prefix: 'opn',
    subject: 'hold',
    endsHold: 'expiry',
    entries: 'none',
    arises: ['due'],
    isRepeatable: false,
    actors: ['sweeper'],
  },
  reversal: {
    prefix: 'rev',
    subject: 'charge',
    entries: '+amount',
    book: 'revenue',
    arises: ['asked'],
    isRepeatable: true,
    actors: [...OPERATOR, 'gateway'],
  },
  /** Above zero it makes a grant, below zero it burns credit. */
  adjustment: {
    prefix: 'adj',
    makes: 'grant',
    entries: 'amount',
    book: 'adjustment',
    arises: ['asked'],
    isRepeatable: true,
    actors: OPERATOR,
  },
} as const satisfies Readonly<Record<string, KindFacts>>;

export type OperationKind = keyof typeof KINDS;
export type OperationPrefix = (typeof KINDS)[OperationKind]['prefix'];

/** The kinds whose facts extend `Facts`. */
type KindsWith<Facts> = {
  [Kind in OperationKind]: (typeof KINDS)[Kind] extends Facts ? Kind : never;
}[OperationKind];

/** Kinds that a caller asks for. */
export type AskedKind = KindsWith<{ arises: readonly ['asked'] }>;
export type RepeatableKind = KindsWith<{ isRepeatable: true }>;
export type HoldEndingKind = KindsWith<{ endsHold: HoldEnding }>;

/** The kinds whose facts fulfil a condition, in the order of the table. */
export function kindsThat(fulfil: (facts: KindFacts) => boolean): readonly OperationKind[] {
  return (Object.keys(KINDS) as OperationKind[]).filter((kind) => fulfil(KINDS[kind]));
}

export const ASKED_KINDS = kindsThat(({ arises }) =>
  arises.includes('asked'),
) as readonly AskedKind[];
/** The kinds that have entries. */
export const ENTRY_KINDS = kindsThat(({ book }) => book !== undefined);
/** The kinds that are a charge to the outside, with a `chg_…` id. */
export const CHARGE_KINDS = kindsThat(({ makes }) => makes === 'charge');
