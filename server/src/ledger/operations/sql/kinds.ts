import { CHARGE_KINDS, type KindFacts, kindsThat, type OperationKind } from '../kinds.ts';

/** Lists of kinds for SQL's `in`, made of the table of kinds once, when the module is loaded. */

function listOf(kinds: readonly OperationKind[]): string {
  return `(${kinds.map((kind) => `'${kind}'`).join(', ')})`;
}

/** The list of the kinds whose facts fulfil a condition. */
export function kindsIn(fulfil: (facts: KindFacts) => boolean): string {
  return listOf(kindsThat(fulfil));
}

export const CHARGES = listOf(CHARGE_KINDS);
/** Charges, and the kinds that give them back. */
export const USES = kindsIn(({ book }) => book === 'revenue');
/** Kinds that make a grant; an adjustment does so above zero. */
export const GRANT_MAKERS = kindsIn(({ makes }) => makes === 'grant');
export const HOLD_ENDINGS = kindsIn(({ endsHold }) => endsHold !== undefined);
