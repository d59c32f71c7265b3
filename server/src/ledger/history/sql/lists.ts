import type { Statement } from '../../../db/connection/database.ts';
import {
  type ActorColumns,
  actorColumns,
  RECEIPT_COLUMNS,
  RECEIPT_JOINS,
  type ReceiptRow,
} from '../../lane/sql/receipts.ts';
import { CHARGES } from '../../operations/sql/kinds.ts';

/** $1 account, $2 number, $3 kind. */
export const findReceipt: Statement = {
  name: 'find_receipt',
  text: `
    select ${RECEIPT_COLUMNS}
    from operations o ${RECEIPT_JOINS}
    where o.account_id = $1 and o.number = $2 and o.kind = $3`,
};

// --- charges ------------------------------------------------------------------------------

const IS_CHARGE = `o.kind in ${CHARGES}`;

/** The columns of a charge beside its receipt; served by the index operations_by_subject. */
const CHARGE_COLUMNS = `
  ${RECEIPT_COLUMNS},
  coalesce(ce.ending, case
    when o.call is null then null
    when to_timestamp((o.call ->> 'until')::bigint / 1000.0) > statement_timestamp()
      then 'in_progress'
    else 'unknown' end) as call_ending,
  ce.status as call_status,
  (select coalesce(sum(r.amount), 0)::bigint from operations r
   where r.account_id = o.account_id and r.subject = o.number and r.kind = 'reversal') as reversed`;

/** For a charge: the ending of the gateway's call that it or its hold paid for. */
const CHARGE_JOINS = `
  ${RECEIPT_JOINS}
  left join call_endings ce
    on o.call is not null and ce.account_id = o.account_id
   and ce.number = coalesce(o.subject, o.number)`;

export interface ChargeRow extends ReceiptRow {
  /** Null: no gateway made the charge. */
  call_ending: string | null;
  call_status: number | null;
  /** The sum of its reversals. */
  reversed: bigint;
}

/** $1 account, $2 number. */
export const findCharge: Statement = {
  name: 'find_charge',
  text: `
    select ${CHARGE_COLUMNS}
    from operations o ${CHARGE_JOINS}
    where o.account_id = $1 and o.number = $2 and ${IS_CHARGE}`,
};

/** The charge that the capture of a hold made. $1 account, $2 the hold's number. */
export const findChargeOfHold: Statement = {
  name: 'find_charge_of_hold',
  text: `
    select ${CHARGE_COLUMNS}
    from operations o ${CHARGE_JOINS}
    where o.account_id = $1 and o.subject = $2 and o.kind = 'capture'`,
};

/**
 * $1 account, $2 the first number, $3 the number after the last, $4 and $5 key and scope or null,
 * $6 rows.
 */
export const listCharges: Statement = {
  name: 'list_charges',
  text: `
    select ${CHARGE_COLUMNS}
    from operations o ${CHARGE_JOINS}
    where o.account_id = $1 and o.number >= $2 and o.number < $3 and ${IS_CHARGE}
      and ($4::uuid is null or o.api_key_id = $4) and ($5::text is null or o.scope = $5)
    order by o.number desc limit $6`,
};

// --- grants -------------------------------------------------------------------------------

export interface GrantListRow extends ActorColumns {
  number: bigint;
  category: 'paid' | 'promotional';
  priority: number;
  amount: bigint;
  remaining: bigint;
  reserved: bigint;
  effective_at: number;
  expires_at: number | null;
  applies_to: string[] | null;
  started: boolean;
  ended_at: number | null;
  ended_by: 'expiry' | 'void' | null;
  created_at: number;
  description: string | null;
  metadata: string | null;
}

const GRANT_COLUMNS = `
  g.number, g.category, g.priority, g.amount, g.remaining, g.reserved, g.effective_at, g.expires_at,
  g.applies_to, g.started, g.ended_at, g.ended_by, o.at as created_at, o.description,
  o.metadata::text as metadata, ${actorColumns('o')}`;

/** $1 account, $2 number. */
export const findGrant: Statement = {
  name: 'find_grant',
  text: `
    select ${GRANT_COLUMNS}, a.public_id
    from grants g
    join operations o on o.account_id = g.account_id and o.number = g.number
    join accounts a on a.id = g.account_id
    where g.account_id = $1 and g.number = $2`,
};

/** $1 account, $2 the number before the page or null, $3 rows. */
function grantsThat(name: string, condition: string): Statement {
  return {
    name: `list_grants_${name}`,
    text: `
      select ${GRANT_COLUMNS}
      from grants g join operations o on o.account_id = g.account_id and o.number = g.number
      where g.account_id = $1 and g.number < coalesce($2, 9223372036854775807) and ${condition}
      order by g.number desc limit $3`,
  };
}

/** One statement a status: the index grants_live serves those with few grants among many. */
export const listGrants = {
  all: grantsThat('all', 'true'),
  pending: grantsThat('pending', 'g.live and not g.started and g.ended_at is null'),
  active: grantsThat('active', 'g.live and g.started and g.ended_at is null'),
  ended: grantsThat('ended', '(not g.live or g.ended_at is not null)'),
} as const satisfies Readonly<Record<string, Statement>>;

// --- entries ------------------------------------------------------------------------------

export interface EntryListRow extends ActorColumns {
  number: bigint;
  line: number;
  kind: ReceiptRow['kind'];
  at: number;
  amount: bigint;
  grant_number: bigint | null;
  category: 'paid' | 'promotional' | 'overdraft';
  book: 'funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment';
  posted_after: bigint;
}

/** The columns of an `EntryListRow`, of entries `e` and their operations `o`. */
export const ENTRY_COLUMNS = `
  e.number, e.line, o.kind, o.at, e.amount, e.grant_number, e.category, e.book, e.posted_after,
  ${actorColumns('o')}`;

/**
 * Both tables have the bounds. The planner does not apply those of one table to the other, and a merge join
 * would scan that one.
 *
 * $1 account, $2 the first number, $3 and $4 number and line before the page, $5 rows.
 */
export const listEntries: Statement = {
  name: 'list_entries',
  text: `
    select ${ENTRY_COLUMNS}
    from entries e join operations o on o.account_id = e.account_id and o.number = e.number
    where e.account_id = $1 and e.number >= $2 and (e.number, e.line) < ($3::bigint, $4::smallint)
      and o.account_id = $1 and o.number >= $2 and o.number <= $3
    order by e.number desc, e.line desc limit $5`,
};

/** The same for operations of some kinds or one key. $6 kinds or null, $7 key or null. */
export const listEntriesOf: Statement = {
  name: 'list_entries_of',
  text: `
    select ${ENTRY_COLUMNS}
    from operations o
    cross join lateral (
      select * from entries e
      where e.account_id = o.account_id and e.number = o.number
        and (e.number, e.line) < ($3::bigint, $4::smallint)
      order by e.line desc
    ) e
    where o.account_id = $1 and o.number >= $2 and o.number <= $3
      and ($6::text[] is null or o.kind::text = any($6)) and ($7::uuid is null or o.api_key_id = $7)
    order by o.number desc, e.line desc limit $5`,
};
