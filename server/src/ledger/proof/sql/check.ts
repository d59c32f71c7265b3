import type { Statement } from '../../../db/connection/database.ts';

/**
 * The shared parts of the proof's statements. A check is a statement that returns no row for a sound
 * ledger. It reads rows once, and for each promise has a condition that breaks it and the words for that.
 */

export interface OffenderRow {
  account_id: string;
  /** The index of the broken promise in `promises`. */
  rule: number;
  details: string;
}

export interface Check {
  readonly promises: readonly string[];
  /** Returns the first offender. */
  readonly statement: Statement;
}

interface Rule {
  readonly promise: string;
  /** An SQL condition on a row; null means not broken. */
  readonly broken: string;
  /** An SQL expression for the finding, as text. Amounts are microcents. */
  readonly details: string;
}

/** The time limit of a statement. A large account takes long, and no request waits for it. */
export const LONGEST_CHECK_MS = 3_600_000;

/**
 * A check over `rows`, an SQL subquery whose rows have an `account_id`. `order` decides which offender is
 * the first; a row that breaks several rules shows the first of them.
 */
export function check(
  name: string,
  order: string,
  rows: string,
  rules: readonly Rule[],
  begin = '',
): Check {
  const firstOf = (told: (rule: Rule, place: number) => string) =>
    `case ${rules.map((rule, place) => `when ${rule.broken}\n then ${told(rule, place)}`).join('\n ')} end`;
  return {
    promises: rules.map(({ promise }) => promise),
    statement: proof(
      name,
      `${begin}
       select account_id, ${firstOf((_, place) => `${place}`)} as rule,
              ${firstOf(({ details }) => details)} as details
       from (${rows}) as looked_at
       where ${rules.map(({ broken }) => `(${broken})`).join(' or ')}
       order by ${order} limit 1`,
    ),
  };
}

/** A statement of the proof. */
export function proof(name: string, text: string): Statement {
  return { name: `verify_${name}`, text, answerTimeoutMs: LONGEST_CHECK_MS };
}

// --- ranges and look-ups ------------------------------------------------------------------

/** A number after every operation of an account. */
export const LAST_NUMBER = 9_223_372_036_854_775_807n;

/**
 * The rows of a table in a range: those of account $1 after number $2, up to $4, and all of
 * later accounts, to $3.
 *
 * Both parts have the bounds and the order of the primary key. So the planner prefers it to other indexes
 * that begin with the account, whatever the statistics are.
 */
export function inRange(
  table: 'operations' | 'entries' | 'entry_sums',
  upTo = '$4::bigint',
): string {
  return `
    (select * from ${table}
     where account_id = $1::uuid and number > $2::bigint and number <= ${upTo}
     union all
     select * from ${table} where account_id > $1 and account_id <= $3::uuid
     order by account_id, number)`;
}

/** The rows of one account after one number and up to another. */
export function ofAccount(
  table: 'operations' | 'entries',
  account: string,
  after: string,
  upTo: string,
): string {
  return `
    (select t.* from ${table} t
     where t.account_id = ${account} and t.number > ${after} and t.number <= ${upTo}
     order by t.number)`;
}

/**
 * The row with a key, as a look-up for each row outside, in the order of the index. As a plain join, the
 * planner could compare all rows with all rows if it believes that there are few. A key that ends with null
 * finds no row.
 */
export function row(
  table: 'operations' | 'grants' | 'api_keys' | 'operator_keys',
  ...key: readonly string[]
): string {
  const columns = (key.length === 1 ? ['id'] : ['account_id', 'number']).join();
  return `
    (select * from (
       select * from ${table} where (${columns}) >= (${key.join()}) and ${key.at(-1)} is not null
       order by ${columns} limit 1) found
     where (${columns}) = (${key.join()}))`;
}
