import type { Statement } from '../../db/database.ts';

/**
 * Accounts with something due, the longest first. Served by the index balances_due. $1 the instant,
 * $2 rows.
 */
export const dueAccounts: Statement = {
  name: 'due_accounts',
  text: `
    select account_id from balances
    where next_due_at <= $1::timestamptz order by next_due_at limit $2`,
};
