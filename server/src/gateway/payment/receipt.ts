import { operationId } from '../../ledger/operations/ids.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import type { Payment } from './payment.ts';

/** A comment line for an event stream with the cost of the call. Event parsers ignore comments. */
export function receiptComment({ account, charge, charged, available }: Payment): string {
  const facts = [
    `credits-charged=${formatCents(charged)}`,
    `credits-remaining=${formatCents(available)}`,
    ...(charge === null ? [] : [`charge=${operationId('chg', account, charge)}`]),
  ];
  return `: ${facts.join(' ')}\n\n`;
}
