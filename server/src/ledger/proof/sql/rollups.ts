import { check, inRange, ofAccount, row } from './check.ts';

/** The proof over `entry_sums`, from which statements are made, and over the reach of rollups. */

/**
 * The lines of `entry_sums` at one number, with the entries since the lines before, which they sum up. Both
 * tables are append-only, so a range can be proved in any snapshot.
 */
const ENTRY_SUMS = `
  select b.account_id, b.number, b.after, d.*
  from (
    select s.account_id, s.number, coalesce((
             select p.number from entry_sums p
             where p.account_id = s.account_id and p.number < s.number
             order by p.number desc limit 1), 0) as after
    from (select distinct s.account_id, s.number from ${inRange('entry_sums')} s) s
  ) b
  cross join lateral (
    select kind, book, category, coalesce(sum(amount) filter (where is_line), 0) as said,
           coalesce(sum(amount) filter (where not is_line), 0) as amount,
           coalesce(sum(entries) filter (where is_line), 0) as said_entries,
           coalesce(sum(entries) filter (where not is_line), 0) as entries
    from (select true as is_line, kind, book, category, amount, entries from entry_sums
          where account_id = b.account_id and number = b.number
          union all
          select false, o.kind, e.book, e.category, e.amount, 1
          from ${ofAccount('entries', 'b.account_id', 'b.after', 'b.number')} e
          cross join lateral ${row('operations', 'e.account_id', 'e.number')} o) lines
    group by kind, book, category) d`;

export const entrySums = check(
  'entry_sums',
  'account_id, number, kind, book, category',
  ENTRY_SUMS,
  [
    {
      promise: 'the sums of entries are those of the entries that they sum up',
      broken: 'said <> amount or said_entries <> entries',
      details: `format('the line of %s, %s, %s for the operations %s to %s says %s entries of %s; there are %s of %s',
                     kind, book, category, after + 1, number, said_entries, said, entries, amount)`,
    },
  ],
);

/** $1 and $2 the first and the last account. */
const ROLLUPS = `
  select j.account_id, j.number, j.last_line, coalesce(b.last_number, 0) as last_number, (
           select e.number from entries e
           where e.account_id = j.account_id and e.number > coalesce(j.last_line, 0)
           order by e.number limit 1) as next_entry
  from (select account_id, coalesce(r.number, 0) as number, s.number as last_line
        from (select * from rollups where account_id between $1 and $2) r
        full join (select account_id, max(number) as number from entry_sums
                   where account_id between $1 and $2 group by account_id) s
          using (account_id)) j
  left join balances b on b.account_id = j.account_id`;

export const rollups = check('rollups', 'account_id', ROLLUPS, [
  {
    promise: 'no more is summed up than there is',
    broken: 'number > last_number',
    details: `format('operations are summed up to %s, the last one is %s', number, last_number)`,
  },
  {
    promise: 'the sums of entries reach as far as the rollup says',
    broken: 'last_line > number or next_entry <= number',
    details: `format('operations are summed up to %s; the last line of sums is at %s, the next entry at %s',
                     number, coalesce(last_line::text, '(none)'), coalesce(next_entry::text, '(none)'))`,
  },
]);
