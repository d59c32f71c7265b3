import { Type } from 'typebox';
import type { Quote } from '../../gateway/gateway.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import { Cents, Quantities, RouteName } from '../input/formats.ts';
import { customersErrorOf } from '../outcomes/refusals.ts';
import { GrantSlices, slicesResource } from '../resources/slices.ts';

export const QuoteResource = Type.Object(
  {
    type: Type.Literal('quote'),
    id: RouteName('The route.'),
    attributes: Type.Object({
      price_version: Type.Integer({
        minimum: 1,
        description: 'The version of the price book in effect.',
      }),
      allowed: Type.Boolean({ description: 'Whether the call would be let through now.' }),
      amount: Cents('The cost; the most that it can be, if `exact` is false.'),
      exact: Type.Boolean({
        description: 'Whether the cost is known before the call. If not, `amount` is held.',
      }),
      quantities: Quantities('The most that would be counted.'),
      grants: GrantSlices(
        'The grants that would pay, in burn order; empty if the call is not allowed.',
      ),
      status: Type.Optional(
        Type.Integer({ description: 'If the call is not allowed: the status of the answer.' }),
      ),
      body: Type.Optional(
        Type.Record(Type.String(), Type.Unknown(), {
          description: 'If the call is not allowed: the body of the answer.',
        }),
      ),
    }),
  },
  { $id: 'Quote' },
);

/** The resource of a quote. The caller has thrown if the quote failed. */
export function quoteResource({ priced, before, outcome }: Quote) {
  const { amount, quantities } = before.maximum;
  const refused =
    outcome.kind === 'refused' ? customersErrorOf(outcome.refusal, priced.topUpUrl) : undefined;
  return {
    type: 'quote',
    id: priced.route.name,
    attributes: {
      price_version: priced.version,
      allowed: refused === undefined,
      amount: formatCents(amount),
      exact: priced.isKnownBefore,
      quantities,
      grants: outcome.kind === 'recorded' ? slicesResource(outcome.receipt, -1n) : [],
      ...(refused && { status: refused.status, body: JSON.parse(refused.body) }),
    },
  };
}
