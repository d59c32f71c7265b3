import type { Statement } from '../../db/connection/database.ts';

/**
 * Records how calls ended; the newest ending of a call counts. $1 accounts, $2 numbers, distinct with
 * their accounts, $3 instants, $4 endings, $5 statuses.
 */
export const writeEndings: Statement = {
  name: 'write_endings',
  text: `
    insert into call_endings (account_id, number, at, ending, status)
    select * from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::smallint[])
      as ended (account_id, number, at, ending, status)
    order by account_id, number
    on conflict (account_id, number) do update
    set at = excluded.at, ending = excluded.ending, status = excluded.status
    where call_endings.at < excluded.at`,
};
