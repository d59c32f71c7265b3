/** The columns of a `ReceiptRow`, of operations `o`, with `RECEIPT_JOINS`. */
export const RECEIPT_COLUMNS = `
  o.account_id, a.public_id, o.number, o.kind, o.at, o.amount, o.available_after, o.scope, o.api_key_id,
  o.description, o.metadata::text as metadata,
  o.idempotency_digest::text as idempotency_digest, o.fingerprint::text as fingerprint,
  g.category, g.priority, g.expires_at, g.applies_to,
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

/** What the columns are read from, beside operations `o`. */
export const RECEIPT_JOINS = `
  join accounts a on a.id = o.account_id
  left join grants g on g.account_id = o.account_id and g.number = o.number`;

export interface ReceiptRow {
  account_id: string;
  public_id: string;
  number: bigint;
  kind: 'grant' | 'charge';
  at: number;
  amount: bigint;
  available_after: bigint;
  scope: string | null;
  api_key_id: string | null;
  description: string | null;
  metadata: string | null;
  idempotency_digest: string;
  fingerprint: string;
  category: 'paid' | 'promotional' | null;
  priority: number | null;
  expires_at: number | null;
  applies_to: string[] | null;
  amounts: bigint[];
  grant_numbers: (bigint | null)[];
  categories: ('paid' | 'promotional' | 'overdraft')[];
  books: ('funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment')[];
  posteds: bigint[];
}
