import { type Static, Type } from 'typebox';
import { STRICT } from '../../schema/node.ts';
import { DEFAULTS } from './defaults.ts';
import { Cents, Choice, EventNames, Expression, Member, text, Whole } from './formats.ts';

/** The parts of a price, as JSON Schema. */

/** A price for each value of a member. */
const Prices = (description: string) =>
  Type.Record(
    Type.String({ pattern: '^[^\\u0000-\\u001f]{1,64}$' }),
    Cents('Price', 'The price for this value.'),
    { ...STRICT, minProperties: 1, format: 'value', title: 'Prices', description },
  );

/** So much for each call. */
export const PerCall = Type.Object(
  { per_call: Cents('Per call', 'The price of a call.') },
  { ...STRICT, title: 'A price for each call', description: 'So much for each call.' },
);

/** So much for each item, chosen by a member of the request. */
const CentsByMember = Type.Object(
  {
    by: Member(
      'Member',
      'The member of the query or of the JSON body whose value chooses the price, such as model.',
    ),
    prices: Prices('The price of so many as `units` says, for each value.'),
    default: Type.Optional(
      Cents(
        'Default',
        'The price for any other value, and if the request has none. Without it such a request is refused.',
      ),
    ),
  },
  {
    ...STRICT,
    title: 'Cents by a member of the request',
    description: 'The price of so many as `units` says, chosen by a member of the request.',
  },
);

/** So much for each item that is counted. */
export const PerItem = Type.Object(
  {
    per: text(
      'quantity',
      '^[a-z][a-z0-9_]{0,31}$',
      'Quantity',
      'The name of the items, as receipts and usage show it: such as pages. Not calls, which are counted by themselves; once in a route.',
    ),
    cents: Type.Union([Cents('Cents', 'The price of so many as `units` says.'), CentsByMember], {
      title: 'Cents',
      description:
        'The price of so many as `units` says: cents in quotes such as "0.5", or a price by a member of the request.',
    }),
    units: Type.Optional(
      Whole(
        'Units',
        '`cents` is the price of this many: 1000000 for a price by the million.',
        { minimum: 1, maximum: 1_000_000_000_000, default: DEFAULTS.item.units },
        'items',
      ),
    ),
    count: Expression(
      'Count',
      'A JSONata expression over `request` and, if the answer is counted, `answer`; it gives a number from 0 up. Nothing found counts as 0.',
    ),
    of: Type.Optional(
      Choice(
        'Counted in',
        '`request`: known before the call, which is charged at once. `answer`: known after it; `at_most` is held until then.',
        ['request', 'answer'],
        DEFAULTS.item.of,
      ),
    ),
    event: Type.Optional(
      EventNames(
        'Event',
        'Of a stream, the last event of this name is counted. Default: `count_event_with` of the route.',
      ),
    ),
    each_event: Type.Optional(
      EventNames(
        'Each event',
        'Of a stream, every event of this name is counted, and the counts are added up. Not beside `event`. Default: none.',
      ),
    ),
    at_most: Type.Optional(
      Type.Union(
        [
          Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 }),
          Expression('Expression', 'A JSONata expression over `request`.'),
        ],
        {
          title: 'At most',
          description:
            'At most this many: a whole number, or a JSONata expression over `request`, which must find a number. Required if the answer is counted, because the money for it is held before the call.',
        },
      ),
    ),
  },
  { ...STRICT, title: 'A price for each item', description: 'So much for each item counted.' },
);

/** A price chosen by a member of the request. */
export const ByMember = Type.Object(
  {
    by: Member(
      'Member',
      'The member of the query or of the JSON body whose value chooses the price.',
    ),
    default: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        title: 'Default',
        description:
          'The value if the request has none; one of `cents`. Without it, a request must have the member.',
      }),
    ),
    cents: Prices('The price of a call for each value; a request with another is refused.'),
  },
  {
    ...STRICT,
    title: 'A price by a member of the request',
    description: 'So much for each call, chosen by a member of the request.',
  },
);

export type RawPrice = Static<typeof PerCall> | Static<typeof PerItem> | Static<typeof ByMember>;
export type RawCentsByMember = Static<typeof CentsByMember>;
