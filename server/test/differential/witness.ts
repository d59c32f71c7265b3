import { digestOf } from '../../src/ledger/operations/digest.ts';
import { accountIdOf } from '../../src/ledger/operations/ids.ts';
import type { TestDatabase } from '../postgres.ts';

/** An account in the database after a call. Amounts are microcents. */
export interface Evidence {
  readonly posted: bigint;
  readonly held: bigint;
  readonly operations: readonly SeenOperation[];
  /** The rows of idempotency keys, by digest. */
  readonly keys: ReadonlyMap<string, SeenKey>;
}

export interface SeenOperation {
  readonly number: number;
  readonly kind: string;
  readonly amount: bigint;
  /** The sum of its entries. */
  readonly entries: bigint;
  readonly subject: number | null;
  readonly call: {
    readonly route: string;
    readonly quantities: object;
    readonly late?: true;
  } | null;
  /** The ending of the call that it began or charged late; null: there is none yet. */
  readonly ending: string | null;
  readonly status: number | null;
}

export interface SeenKey {
  readonly isUsed: boolean;
  readonly charge: number | null;
  readonly status: number | null;
  readonly headers: Readonly<Record<string, unknown>> | null;
  readonly body: string | null;
  /** Whether the key is kept for a day. */
  readonly isKeptForADay: boolean;
}

const EVIDENCE = `
  select b.posted::text, b.held::text,
    (select coalesce(json_agg(o order by o.number), '[]') from (
       select o.number, o.kind::text, o.amount::text, o.subject, o.call, c.ending, c.status,
              (select coalesce(sum(e.amount), 0)::text from entries e
               where e.account_id = o.account_id and e.number = o.number) as entries
       from operations o
       left join call_endings c on c.account_id = o.account_id and c.number = o.number
       where o.account_id = b.account_id and o.number > $2) o) as operations,
    (select coalesce(json_agg(k), '[]') from (
       select k.idempotency_digest::text as digest, k.is_used as "isUsed", k.charge, k.status,
              k.headers, encode(k.body, 'base64') as body,
              k.expires_at > clock_timestamp() + interval '23 hours' as "isKeptForADay"
       from idempotent_calls k where k.account_id = b.account_id) k) as keys
  from balances b where b.account_id = $1`;

interface Row {
  readonly posted: string;
  readonly held: string;
  readonly operations: readonly (Omit<SeenOperation, 'amount' | 'entries'> & {
    readonly amount: string;
    readonly entries: string;
  })[];
  readonly keys: readonly (SeenKey & { readonly digest: string })[];
}

/** Reads an account in one statement, with its operations after a number. */
export async function evidenceOf(
  db: Pick<TestDatabase, 'query'>,
  account: string,
  after: number,
): Promise<Evidence> {
  const [row] = await db.query<Row>(EVIDENCE, [accountIdOf(account), after]);
  if (!row) throw new Error(`there is no account ${account}`);
  return {
    posted: BigInt(row.posted),
    held: BigInt(row.held),
    operations: row.operations.map((operation) => ({
      ...operation,
      amount: BigInt(operation.amount),
      entries: BigInt(operation.entries),
    })),
    keys: new Map(
      row.keys.map(({ digest, body, ...key }) => [
        digest,
        { ...key, body: body === null ? null : Buffer.from(body, 'base64').toString('latin1') },
      ]),
    ),
  };
}

/** The digest of a customer's idempotency key, as its row has it. */
export const digestOfKey = (key: string): string => digestOf(`customer\0${key}`);

/** Whether every call of the account has its ending, and nothing is held. */
export function isSettled({ held, operations }: Evidence): boolean {
  const isOpen = (operation: SeenOperation) =>
    (operation.kind === 'charge' || operation.kind === 'hold') && operation.ending === null;
  return held === 0n && !operations.some(isOpen);
}
