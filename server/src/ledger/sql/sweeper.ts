import type { Statement } from '../../db/database.ts';

/** Accounts with something due, the longest first. Served by the index balances_due. $1 rows. */
export const dueAccounts: Statement = {
  name: 'due_accounts',
  text: `
    select account_id from balances
    where next_due_at <= clock_timestamp() order by next_due_at limit $1`,
};
