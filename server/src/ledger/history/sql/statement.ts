import type { Statement } from '../../../db/connection/database.ts';
import { ENTRY_COLUMNS } from './lists.ts';

/**
 * A part of a period's entries, oldest first. Both tables have the bounds, as in `listEntries`.
 *
 * $1 account, $2 and $3 number and line of the entry before the part, $4 the number after the period,
 * $5 rows.
 */
export const nextEntries: Statement = {
  name: 'next_entries',
  text: `
    select ${ENTRY_COLUMNS}
    from entries e join operations o on o.account_id = e.account_id and o.number = e.number
    where e.account_id = $1 and (e.number, e.line) > ($2::bigint, $3::smallint) and e.number < $4
      and o.account_id = $1 and o.number >= $2 and o.number < $4
    order by e.number, e.line limit $5`,
};
