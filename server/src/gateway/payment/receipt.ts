import { operationId } from '../../ledger/operations/ids.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import type { Payment } from './payment.ts';

/** A comment of a stream of events, which every parser ignores, that tells what the call has cost. */
export function receiptComment({ account, charge, charged, available }: Payment): string {
  const facts = [
    `credits-charged=${formatCents(charged)}`,
    `credits-remaining=${formatCents(available)}`,
    ...(charge === null ? [] : [`charge=${operationId('chg', account, charge)}`]),
  ];
  return `: ${facts.join(' ')}\n\n`;
}
