import type { Statement } from '../../../db/connection/database.ts';
import type { HoldEndingKind } from '../../operations/kinds.ts';
import { CHARGES, HOLD_ENDINGS } from '../../operations/sql/kinds.ts';
import { actorColumns, type HoldColumns } from './receipts.ts';

/**
 * The reads that `decide` needs, in statements after the lock. rows-to-state.ts makes states from their
 * rows. All find rows by (account_id, …).
 */

/** For reads without a lock: all statements see one snapshot. */
export const snapshot: Statement = {
  name: 'snapshot',
  text: 'set transaction isolation level repeatable read, read only',
};

export interface BalanceRow {
  account_id: string;
  public_id: string;
  status: 'active' | 'suspended';
  posted: bigint;
  held: bigint;
  open_holds: number;
  last_number: bigint;
  overdraft_limit: bigint;
  overdraft_used: bigint;
  overdraft_reserved: bigint;
  last_at: number;
  next_due_at: number | null;
  clock: number;
}

/** True for every hold, and lets statements over holds `h` use the index holds_due (migration 0007). */
const IN_HOLDS_DUE = `h.expires_at > '-infinity'`;

/**
 * The accounts, with the batch's only reading of the clock (README §13). The inner select depends on no
 * row, so PostgreSQL runs it once. $1 accounts.
 */
export const readBalances: Statement = {
  name: 'read_balances',
  text: `
    select b.account_id, a.public_id, a.status, b.posted, b.held, b.open_holds, b.last_number,
           b.overdraft_limit, b.overdraft_used, b.overdraft_reserved, b.last_at, b.next_due_at,
           (select date_trunc('milliseconds', clock_timestamp())) as clock
    from balances b join accounts a on a.id = b.account_id
    where b.account_id = any($1::uuid[])`,
};

export interface GrantStateRow {
  account_id: string;
  number: bigint;
  category: 'paid' | 'promotional';
  book: 'funding' | 'promotion' | 'adjustment';
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
}

const GRANT_COLUMNS = `
  g.account_id, g.number, g.category, g.book, g.priority, g.amount, g.remaining, g.reserved,
  g.effective_at, g.expires_at, g.applies_to, g.started, g.ended_at, g.ended_by`;

/** Served by the index grants_live. $1 accounts. */
export const readLiveGrants: Statement = {
  name: 'read_live_grants',
  text: `select ${GRANT_COLUMNS} from grants g where g.account_id = any($1::uuid[]) and g.live`,
};

/** Grants that operations are about and that are not live. $1 accounts, $2 numbers. */
export const readNamedGrants: Statement = {
  name: 'read_named_grants',
  text: `
    select ${GRANT_COLUMNS}
    from unnest($1::uuid[], $2::bigint[]) as named (account_id, number)
    join grants g using (account_id, number)
    where not g.live`,
};

/** Grants that paid for charges and are not live. $1 accounts, $2 numbers of charges. */
export const readPayers: Statement = {
  name: 'read_payers',
  text: `
    select distinct on (g.account_id, g.number) ${GRANT_COLUMNS}
    from unnest($1::uuid[], $2::bigint[]) as named (account_id, number)
    join entries e using (account_id, number)
    join grants g on g.account_id = e.account_id and g.number = e.grant_number
    where not g.live`,
};

export interface HoldRow extends HoldColumns {
  account_id: string;
  number: bigint;
  /** Null: the hold has ended. */
  grants: (bigint | null)[] | null;
  amounts: bigint[] | null;
  ended_by: HoldEndingKind | null;
  ended_at: number | null;
}

const HOLD_COLUMNS = `
  o.account_id, o.number, o.at, o.amount, o.expires_at, o.scope, o.api_key_id, o.description,
  o.metadata::text as metadata, ${actorColumns('o')}, h.grants, h.amounts`;

/** Holds that operations are about, open or ended. $1 accounts, $2 numbers. */
export const readNamedHolds: Statement = {
  name: 'read_named_holds',
  text: `
    select ${HOLD_COLUMNS}, e.kind as ended_by, e.at as ended_at
    from unnest($1::uuid[], $2::bigint[]) as named (account_id, number)
    join operations o using (account_id, number)
    left join holds h using (account_id, number)
    left join lateral (
      select kind, at from operations
      where account_id = o.account_id and subject = o.number and kind in ${HOLD_ENDINGS} limit 1
    ) e on h.number is null
    where o.kind = 'hold'`,
};

/** Accounts with due events, each with the instant at which it is judged. $1 accounts, $2 instants. */
const DUE = 'unnest($1::uuid[], $2::timestamptz[]) as due (account_id, at)';

/** The open holds of these accounts that are due by that instant. */
const DUE_HOLDS = `
  ${DUE}
  join holds h
    on h.account_id = due.account_id and ${IN_HOLDS_DUE} and h.expires_at <= due.at
  join operations o on o.account_id = h.account_id and o.number = h.number`;

/** The open holds that are due. Served by the index holds_due. $1 accounts, $2 instants. */
export const readDueHolds: Statement = {
  name: 'read_due_holds',
  text: `
    select ${HOLD_COLUMNS}, null::operation_kind as ended_by, null::timestamptz as ended_at
    from ${DUE_HOLDS}`,
};

export interface NextHoldEndRow {
  account_id: string;
  next_hold_end: number | null;
}

/**
 * The earliest expiry of the open holds that are not due. Served by the index holds_due. $1 accounts,
 * $2 instants.
 */
export const readNextHoldEnds: Statement = {
  name: 'read_next_hold_ends',
  text: `
    select due.account_id,
           (select min(h.expires_at) from holds h
            where h.account_id = due.account_id and ${IN_HOLDS_DUE} and h.expires_at > due.at)
             as next_hold_end
    from ${DUE}`,
};

export interface ChargeRow {
  account_id: string;
  number: bigint;
  amount: bigint;
  scope: string | null;
  api_key_id: string | null;
  counted_at: number;
  reversed: bigint;
  payers: (bigint | null)[];
  amounts: bigint[];
}

/** Charges that operations reverse. $1 accounts, $2 numbers. */
export const readCharges: Statement = {
  name: 'read_charges',
  text: `
    select o.account_id, o.number, o.amount, o.scope, o.api_key_id,
           case when o.kind = 'capture' then
             (select h.at from operations h
              where h.account_id = o.account_id and h.number = o.subject)
           else o.at end as counted_at,
           coalesce((select sum(r.amount) from operations r
                     where r.account_id = o.account_id and r.subject = o.number), 0)::bigint
             as reversed,
           array(select e.grant_number from entries e
                 where e.account_id = o.account_id and e.number = o.number order by e.line)
             as payers,
           array(select -e.amount from entries e
                 where e.account_id = o.account_id and e.number = o.number order by e.line)
             as amounts
    from unnest($1::uuid[], $2::bigint[]) as named (account_id, number)
    join operations o using (account_id, number)
    where o.kind in ${CHARGES}`,
};

export interface LimitRow {
  account_id: string;
  holder: string;
  period: 'day' | 'month' | 'total';
  amount: bigint;
  used: bigint;
  period_start: number;
}

const LIMIT_COLUMNS = 'l.account_id, l.holder, l.period, l.amount, l.used, l.period_start';

/** The limits of accounts and of keys. $1 accounts, $2 holders. */
export const readLimits: Statement = {
  name: 'read_limits',
  text: `
    select ${LIMIT_COLUMNS} from spend_limits l
    where l.account_id = any($1::uuid[]) and l.holder = any($2::uuid[])`,
};

/** The limits of the keys of holds. $1 accounts, $2 numbers of holds. */
export const readLimitsOfHolds: Statement = {
  name: 'read_limits_of_holds',
  text: `
    select ${LIMIT_COLUMNS}
    from unnest($1::uuid[], $2::bigint[]) as named (account_id, number)
    join operations o using (account_id, number)
    join spend_limits l on l.account_id = o.account_id and l.holder = o.api_key_id`,
};

/** The same for charges. It is another statement, as a flush keeps one answer for each statement. */
export const readLimitsOfCharges: Statement = {
  name: 'read_limits_of_charges',
  text: readLimitsOfHolds.text,
};

/** The limits of the keys of due holds. $1 accounts, $2 instants. */
export const readLimitsOfDueHolds: Statement = {
  name: 'read_limits_of_due_holds',
  text: `
    select ${LIMIT_COLUMNS}
    from ${DUE_HOLDS}
    join spend_limits l on l.account_id = o.account_id and l.holder = o.api_key_id`,
};

export interface KeyFactsRow {
  id: string;
  account_id: string;
  scopes: string[];
  expires_at: number | null;
  revoked_at: number | null;
}

/** $1 customers' keys. */
export const readKeys: Statement = {
  name: 'read_keys',
  text: `
    select id, account_id, scopes, expires_at, revoked_at
    from api_keys where id = any($1::uuid[])`,
};

export interface SecretRow {
  sha256: string;
  api_key_id: string;
  valid_until: number | null;
}

/** $1 the SHA-256 hashes of customers' secrets. */
export const readSecrets: Statement = {
  name: 'read_secrets',
  text: `
    select encode(sha256, 'hex') as sha256, api_key_id, valid_until
    from api_key_secrets where sha256 = any($1::bytea[])`,
};

export interface OperatorKeyFactsRow {
  id: string;
  expires_at: number | null;
  revoked_at: number | null;
}

/** $1 operator keys. */
export const readOperatorKeys: Statement = {
  name: 'read_operator_keys',
  text: 'select id, expires_at, revoked_at from operator_keys where id = any($1::uuid[])',
};
