import type { Statement } from '../../../db/connection/database.ts';

/**
 * The parts that the statements of the proof share. A check is a question that a sound ledger answers with
 * no row: it has rows from somewhere, and for each promise a condition that breaks it, and the words for
 * that. So one look at a row proves many promises.
 */

export interface OffenderRow {
  account_id: string;
  /** The place of the broken promise in `promises`. */
  rule: number;
  details: string;
}

export interface Check {
  /** Sentences that hold. */
  readonly promises: readonly string[];
  /** Answers the first offender. */
  readonly statement: Statement;
}

interface Rule {
  readonly promise: string;
  /** An SQL condition over a row; null is not broken. */
  readonly broken: string;
  /** An SQL text over a row. Amounts are microcents. */
  readonly details: string;
}

/** A large account takes its time: nobody's request waits for it. */
export const LONGEST_CHECK_MS = 3_600_000;

/**
 * A check over `rows`, an SQL subquery of which each row has an `account_id`. `order` says which
 * offender is the first; of one row the first rule that it breaks is told.
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

/** After every operation of an account. */
export const LAST_NUMBER = 9_223_372_036_854_775_807n;

/**
 * The rows of a table in a walk's range: of the account $1 those after the number $2 and up to $4, and
 * of the accounts after it, up to $3, all. Each part has the bounds and the order of the primary key: of
 * other indexes that begin with the account, none serves it as well, whatever the statistics say.
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

/** The rows of one account after a number and up to another. */
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
 * The row of a key, looked up for each row that asks, in the order of its index: joined freely, rows that
 * the planner believes to be few are compared each with each. None is looked for if the key ends with null.
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
