import { Type } from 'typebox';
import { USAGE_GROUPS, type Usage, type UsageGroup } from '../../ledger/history/usage.ts';
import { uuidId } from '../../ledger/operations/ids.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import { ApiKeyId, Cents, OrNull, Quantities, RouteName, Scope } from '../input/formats.ts';

const NONE = '-';

export const UsageResource = Type.Object(
  {
    type: Type.Literal('usage'),
    id: Type.String({ description: 'What the line is grouped by, with `/` between.' }),
    attributes: Type.Object({
      day: Type.Optional(
        Type.String({
          format: 'date',
          description: 'The day in UTC; left out where it is not grouped by.',
          examples: ['2030-01-31'],
        }),
      ),
      api_key_id: Type.Optional(
        OrNull(
          ApiKeyId('The key; null: charges that name none. Left out where it is not grouped by.'),
        ),
      ),
      scope: Type.Optional(
        OrNull(
          Scope('The scope; null: charges that name none. Left out where it is not grouped by.'),
        ),
      ),
      route: Type.Optional(
        OrNull(
          RouteName(
            "The gateway's route; null: charges that no route made. Left out where it is not grouped by.",
          ),
        ),
      ),
      charges: Type.Integer({ minimum: 0, description: 'How many charges were made.' }),
      charged: Cents('What they cost.'),
      reversed: Cents('What was given back, of these charges or earlier ones.'),
      net: Cents('`charged` minus `reversed`.'),
      quantities: Quantities('What was counted of the calls; reversals change nothing of it.'),
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
