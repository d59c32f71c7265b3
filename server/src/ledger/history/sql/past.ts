import type { Statement } from '../../../db/connection/database.ts';
import type { ReceiptRow } from '../../lane/sql/receipts.ts';

/** All statements of a read of history see one snapshot. */
export const readSnapshot: Statement = {
  name: 'read_snapshot',
  text: 'set transaction isolation level repeatable read, read only',
};

/** The clock of the lane. */
export const readNow: Statement = {
  name: 'read_now',
  text: 'select clock_timestamp() as now',
};

/**
 * The first operation that is not before each instant, or the number that the next one will have.
 *
 * Instants never decrease with the number, so a binary search finds it: some twenty look-ups for a million
 * operations. A look-up takes the first row from a number on, in the order of the primary key. So no
 * plan can scan the operations of an account.
 *
 * $1 account, $2 instants.
 */
export const firstNumbers: Statement = {
  name: 'first_numbers',
  text: `
    select (
      with recursive halving (low, high) as (
        select 0::bigint, b.last_number + 1 from balances b where b.account_id = $1
        union all
        select case when look.earlier then look.number else low end,
               case when look.earlier then high else look.number end
        from halving
        cross join lateral (
          select o.number, o.at < asked.instant as earlier
          from operations o
          where (o.account_id, o.number) >= ($1, (low + high) / 2)
          order by o.account_id, o.number limit 1
        ) look
        where high - low > 1
      )
      select high from halving where high - low = 1
    ) as number
    from unnest($2::timestamptz[]) with ordinality as asked (instant, place)
    order by asked.place`,
};

/** The sum of the entries of one kind, book and category before a number. */
export interface EntrySumRow {
  /** The place of the number in $2, from 1. */
  place: bigint;
  kind: ReceiptRow['kind'];
  book: 'funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment';
  category: 'paid' | 'promotional' | 'overdraft';
  /** Microcents as text: a sum by kind may be beyond int64. */
  amount: string;
  entries: bigint;
}

/**
 * The sums of the entries before each number, by kind, book and category. They add the lines of the rollup
 * before the number, and the entries since the last of these lines. $1 account, $2 numbers.
 */
export const entrySums: Statement = {
  name: 'entry_sums',
  text: `
    select asked.place, s.kind, s.book, s.category, sum(s.amount)::text as amount,
           sum(s.entries)::bigint as entries
    from unnest($2::bigint[]) with ordinality as asked (number, place)
    cross join lateral (
      select r.kind, r.book, r.category, r.amount, r.entries
      from entry_sums r
      where r.account_id = $1 and r.number < asked.number
      union all
      select o.kind, e.book, e.category, e.amount, 1
      from entries e join operations o on o.account_id = e.account_id and o.number = e.number
      where e.account_id = $1 and e.number < asked.number
        and e.number > coalesce((
          select r.number from entry_sums r
          where r.account_id = $1 and r.number < asked.number
          order by r.number desc limit 1), 0)
    ) s
    group by asked.place, s.kind, s.book, s.category
    order by asked.place, s.kind, s.book, s.category`,
};

/** The posted balance before each number, from the last entry. $1 account, $2 numbers. */
export const postedBefore: Statement = {
  name: 'posted_before',
  text: `
    select coalesce((
      select e.posted_after from entries e
      where e.account_id = $1 and e.number < asked.number
      order by e.number desc, e.line desc limit 1), 0) as posted
    from unnest($2::bigint[]) with ordinality as asked (number, place)
    order by asked.place`,
};
