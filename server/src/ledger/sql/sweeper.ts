import type { Statement } from '../../db/connection/database.ts';

/**
 * Accounts with a due event, the longest overdue first. It leaves out accounts whose last operation is too
 * far in the future for the clock to be believed. Served by the index balances_due. $1 the instant, $2 the
 * latest instant of a last operation, $3 rows.
 */
export const dueAccounts: Statement = {
  name: 'due_accounts',
  text: `
    select account_id from balances
    where next_due_at <= $1::timestamptz and last_at <= $2::timestamptz
    order by next_due_at limit $3`,
};
