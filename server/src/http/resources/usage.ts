import { Type } from 'typebox';
import { USAGE_GROUPS, type Usage, type UsageGroup } from '../../ledger/history/usage.ts';
import { uuidId } from '../../ledger/operations/ids.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import { ApiKeyId, Cents, OrNull, Quantities, RouteName, Scope } from '../input/formats.ts';

const NONE = '-';

export const UsageResource = Type.Object(
  {
    type: Type.Literal('usage'),
    id: Type.String({ description: 'The values that the line is grouped by, with `/` between.' }),
    attributes: Type.Object({
      day: Type.Optional(
        Type.String({
          format: 'date',
          description: 'The day in UTC; left out if the lines are not grouped by it.',
          examples: ['2030-01-31'],
        }),
      ),
      api_key_id: Type.Optional(
        OrNull(
          ApiKeyId(
            'The key; null: charges that name none. Left out if the lines are not grouped by it.',
          ),
        ),
      ),
      scope: Type.Optional(
        OrNull(
          Scope(
            'The scope; null: charges that name none. Left out if the lines are not grouped by it.',
          ),
        ),
      ),
      route: Type.Optional(
        OrNull(
          RouteName(
            "The gateway's route; null: charges that no route made. Left out if the lines are not grouped by it.",
          ),
        ),
      ),
      charges: Type.Integer({ minimum: 0, description: 'The number of charges.' }),
      charged: Cents('The cost of the charges.'),
      reversed: Cents('The credit that was given back for these charges or earlier ones.'),
      net: Cents('`charged` minus `reversed`.'),
      quantities: Quantities('The counts of the calls, which reversals do not change.'),
    }),
  },
  { $id: 'Usage' },
);

/** A line of usage with the members of its group. */
export function usageResource(usage: Usage, groupBy: readonly UsageGroup[]) {
  const { day, scope, route, charges, charged, reversed, quantities } = usage;
  const key = usage.key === '' ? '' : uuidId('key', usage.key);
  const groups = { day, key, scope, route };
  const isBy = (group: UsageGroup) => groupBy.includes(group);
  const order = USAGE_GROUPS.filter(isBy);
  return {
    type: 'usage',
    id: order.map((group) => groups[group] || NONE).join('/'),
    attributes: {
      ...(isBy('day') && { day }),
      ...(isBy('key') && { api_key_id: key || null }),
      ...(isBy('scope') && { scope: scope || null }),
      ...(isBy('route') && { route: route || null }),
      charges: Number(charges),
      charged: formatCents(charged),
      reversed: formatCents(reversed),
      net: formatCents(charged - reversed),
      quantities,
    },
  };
}
