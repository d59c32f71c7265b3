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

/** A price for each call. */
export const PerCall = Type.Object(
  { per_call: Cents('Per call', 'The price of a call.') },
  { ...STRICT, title: 'A price for each call', description: 'A price for each call.' },
);

/** A price for each item, chosen by a member of the request. */
const CentsByMember = Type.Object(
  {
    by: Member(
      'Member',
      'The member of the query or of the JSON body whose value chooses the price, such as model.',
    ),
    prices: Prices('The price of `units` items, for each value.'),
    default: Type.Optional(
      Cents(
        'Default',
        'The price for any other value, and for a request without one. If it is left out, such a request is refused.',
      ),
    ),
  },
  {
    ...STRICT,
    title: 'Cents by a member of the request',
    description: 'The price of `units` items, chosen by a member of the request.',
  },
);

/** A price for each item that is counted. */
export const PerItem = Type.Object(
  {
    per: text(
      'quantity',
      '^[a-z][a-z0-9_]{0,31}$',
      'Quantity',
      'The name of the items, such as pages, as receipts and usage show it. It is unique in a route, and not calls: those are counted in any case.',
    ),
    cents: Type.Union([Cents('Cents', 'The price of `units` items.'), CentsByMember], {
      title: 'Cents',
      description:
        'The price of `units` items: cents in quotes such as "0.5", or a price by a member of the request.',
    }),
    units: Type.Optional(
      Whole(
        'Units',
        '`cents` is the price of this many items, such as 1000000 for a price by the million.',
        { minimum: 1, maximum: 1_000_000_000_000, default: DEFAULTS.item.units },
        'items',
      ),
    ),
    count: Expression(
      'Count',
      'A JSONata expression over `request` and, if the answer is counted, `answer`. It gives a number from 0 up; nothing found counts as 0.',
    ),
    of: Type.Optional(
      Choice(
        'Counted in',
        '`request`: counted before the call, which is charged at once. `answer`: counted after it; the cost of `at_most` is held until then.',
        ['request', 'answer'],
        DEFAULTS.item.of,
      ),
    ),
    event: Type.Optional(
      EventNames(
        'Event',
        'If the answer is a stream, the last event of this name is counted. Default: `count_event_with` of the route.',
      ),
    ),
    each_event: Type.Optional(
      EventNames(
        'Each event',
        'If the answer is a stream, every event of this name is counted, and the counts are added up. It excludes `event`. Default: none.',
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
            'The most items of a call: a whole number, or a JSONata expression over `request`, which must find a number. It is required if the answer is counted, because their cost is held before the call.',
        },
      ),
    ),
  },
  {
    ...STRICT,
    title: 'A price for each item',
    description: 'A price for each item that is counted.',
  },
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
    description: 'A price for each call, chosen by a member of the request.',
  },
);

export type RawPrice = Static<typeof PerCall> | Static<typeof PerItem> | Static<typeof ByMember>;
export type RawCentsByMember = Static<typeof CentsByMember>;
