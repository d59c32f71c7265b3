import type { ActorKind, OperationKind } from '../../operations/kinds.ts';

export interface ActorColumns {
  actor: ActorKind | null;
  actor_id: string | null;
}

/** The columns of a hold as it was made. */
export interface HoldColumns extends ActorColumns {
  at: number;
  amount: bigint;
  expires_at: number;
  scope: string | null;
  api_key_id: string | null;
  description: string | null;
  metadata: string | null;
}

/**
 * The columns `actor` and `actor_id` of operations `o`. An actor that is the operation's own key has no
 * `actor_id`: `api_key_id` has it.
 */
export const actorColumns = (o: string, prefix = ''): string => `
  ${o}.actor as ${prefix}actor,
  coalesce(${o}.actor_id, case ${o}.actor when 'api_key' then ${o}.api_key_id end)
    as ${prefix}actor_id`;

/** The columns of a `ReceiptRow` of operations `o`; they need `RECEIPT_JOINS`. */
export const RECEIPT_COLUMNS = `
  o.account_id, a.public_id, o.number, o.kind, o.at, o.amount, o.available_after, o.scope, o.api_key_id,
  o.description, o.metadata::text as metadata, o.call::text as call,
  o.idempotency_digest::text as idempotency_digest, o.fingerprint::text as fingerprint,
  o.subject, o.expires_at, o.remaining_after, ${actorColumns('o')},
  g.category, g.priority, g.effective_at, g.applies_to,
  case when o.kind = 'grant' then o.expires_at else g.expires_at end as grant_expires_at,
  h.number as hold_number, ${actorColumns('h', 'hold_')}, h.at as hold_at, h.amount as hold_amount, h.expires_at as hold_expires_at,
  h.description as hold_description, h.metadata::text as hold_metadata,
  v.number as overage, v.amount as overage_amount,
  array(select e.amount from entries e
        where e.account_id = o.account_id and e.number = o.number order by e.line) as amounts,
  array(select e.grant_number from entries e
        where e.account_id = o.account_id and e.number = o.number order by e.line) as grant_numbers,
  array(select e.category::text from entries e
        where e.account_id = o.account_id and e.number = o.number order by e.line) as categories,
  array(select e.book::text from entries e
        where e.account_id = o.account_id and e.number = o.number order by e.line) as books,
  array(select e.posted_after from entries e
        where e.account_id = o.account_id and e.number = o.number order by e.line) as posteds`;

/** For operations `o`: the grant that it made or is about, its hold, and its overage. */
export const RECEIPT_JOINS = `
  join accounts a on a.id = o.account_id
  left join grants g on g.account_id = o.account_id and g.number = coalesce(o.subject, o.number)
  left join operations h
    on h.account_id = o.account_id and h.number = o.subject and h.kind = 'hold'
  left join operations v
    on v.account_id = o.account_id and v.subject = o.subject and v.kind = 'overage'
   and o.kind = 'capture'`;

export interface ReceiptRow extends ActorColumns {
  account_id: string;
  public_id: string;
  number: bigint;
  kind: OperationKind;
  at: number;
  amount: bigint;
  available_after: bigint;
  scope: string | null;
  api_key_id: string | null;
  description: string | null;
  metadata: string | null;
  /** JSON. */
  call: string | null;
  idempotency_digest: string | null;
  fingerprint: string | null;
  subject: bigint | null;
  expires_at: number | null;
  remaining_after: bigint | null;
  category: 'paid' | 'promotional' | null;
  priority: number | null;
  effective_at: number | null;
  grant_expires_at: number | null;
  applies_to: string[] | null;
  hold_number: bigint | null;
  hold_actor: ActorColumns['actor'];
  hold_actor_id: string | null;
  hold_at: number | null;
  hold_amount: bigint | null;
  hold_expires_at: number | null;
  hold_description: string | null;
  hold_metadata: string | null;
  overage: bigint | null;
  overage_amount: bigint | null;
  amounts: bigint[];
  grant_numbers: (bigint | null)[];
  categories: ('paid' | 'promotional' | 'overdraft')[];
  books: ('funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment')[];
  posteds: bigint[];
}
