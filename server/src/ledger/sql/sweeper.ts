import type { Statement } from '../../db/connection/database.ts';

/**
 * Accounts with something due, the longest first; none whose last operation is so late that it stops the
 * clock's being believed. Served by the index balances_due. $1 the instant, $2 the latest such operation,
 * $3 rows.
 */
export const dueAccounts: Statement = {
  name: 'due_accounts',
  text: `
    select account_id from balances
    where next_due_at <= $1::timestamptz and last_at <= $2::timestamptz
    order by next_due_at limit $3`,
};
