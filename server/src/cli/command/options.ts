import { InvalidArgumentError, Option } from 'commander';
import { LONGEST_SCOPE, OPERATOR_SCOPES, SCOPE_PATTERN } from '../../auth/scopes.ts';
import { parseInstant } from '../../http/input/instants.ts';
import type { AccountKind } from '../../ledger/accounts/accounts.ts';
import type { GrantStatus } from '../../ledger/history/lists.ts';
import type { UsageGroup } from '../../ledger/history/usage.ts';
import { CENTS_PATTERN } from '../../ledger/operations/money.ts';
import type { SpendPeriod } from '../../ledger/operations/operations.ts';

/**
 * Parsers of options. A malformed value ends the command with 2 before a database is opened. The message
 * names the option as it was typed.
 */

// The words of the API's schemas, which are slow to import; a test keeps both equal.
export const ACCOUNT_KINDS = [
  'organization',
  'individual',
] as const satisfies readonly AccountKind[];
export const CATEGORIES = ['paid', 'promotional'] as const;
export const GRANT_STATUSES = [
  'pending',
  'active',
  'ended',
] as const satisfies readonly GrantStatus[];
export const PERIODS = ['day', 'month', 'total'] as const satisfies readonly SpendPeriod[];
export const USAGE_GROUPS = [
  'day',
  'key',
  'scope',
  'route',
] as const satisfies readonly UsageGroup[];

/** The description of `--account` in every command about one account. */
export const ACCOUNT_ID = "the account's id, as `purser account list` shows it";

/** The notes on kinds of values, which the help of a command shows for its options. */
export const NOTES: Readonly<Record<string, string>> = {
  '<cents>':
    'Amounts are cents, with up to six decimals: 10000 is $100.00, and 0.5 is half a cent.',
  '<time>': 'A time is a day, such as 2027-01-31 (midnight UTC), or such as 2027-01-31T12:00:00Z.',
  '<duration>': 'A duration is such as 30s, 15m, 1h or 1d, or a number of seconds.',
};

/** An option whose value is one of `words`. */
export function oneOf(flags: string, description: string, words: readonly string[]): Option {
  return new Option(flags, description).choices(words);
}

/** Parses a list of words from `words`: `a,b`. */
export function someOf(words: readonly string[]): (text: string) => string[] {
  return (text) => {
    const list = parseList(text);
    if (list.every((word) => words.includes(word)) && new Set(list).size === list.length) {
      return list;
    }
    throw new InvalidArgumentError(
      `It must be one or more of ${words.join(', ')}, with commas between.`,
    );
  };
}

/** Parses the scopes of a customer's key: `a,b`. An empty text is an empty list. */
export function parseScopes(text: string): string[] {
  const scopes = text === '' ? [] : parseList(text);
  if (scopes.every((scope) => SCOPE.test(scope) && scope.length <= LONGEST_SCOPE)) return scopes;
  throw new InvalidArgumentError(
    'It must be words such as search or balance:read, with commas between.',
  );
}
const SCOPE = new RegExp(SCOPE_PATTERN);

export const parseOperatorScopes = someOf(OPERATOR_SCOPES);

/** Parses a scope of a customer's key. */
export function parseScope(text: string): string {
  if (SCOPE.test(text) && text.length <= LONGEST_SCOPE) return text;
  throw new InvalidArgumentError('It must be a word such as search or balance:read.');
}

/** Parses an amount in the API's form. */
export function parseCents(text: string): string {
  if (CENTS.test(text)) return text;
  throw new InvalidArgumentError('It must be cents, with up to six decimals, such as 0.5.');
}
const CENTS = new RegExp(CENTS_PATTERN);

/** Parses an amount that may be negative. */
export function parseSignedCents(text: string): string {
  if (CENTS.test(text.replace(/^-/, ''))) return text;
  throw new InvalidArgumentError('It must be cents, with up to six decimals, such as 0.5 or -0.5.');
}

/** Parses a time in the API's form, or a day, which means its beginning in UTC. */
export function parseTime(text: string): string {
  const time = withTimeOfDay(text);
  if (parseInstant(time) !== undefined) return time;
  throw new InvalidArgumentError(
    'It must be a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z.',
  );
}

/** Parses a time, a day or `never`. */
export function parseTimeOrNever(text: string): string {
  return text === NEVER ? text : parseTime(text);
}

/** Turns a value of `parseTimeOrNever` into the API's form: null for never. */
export function timeOrNull(text: string | undefined): string | null | undefined {
  return text === NEVER ? null : text;
}
const NEVER = 'never';

/** Turns a day into its beginning in UTC; returns any other text unchanged. */
export function withTimeOfDay(text: string): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text;
}

/** Parses a duration into seconds; the API checks its range. */
export function parseDuration(text: string): number {
  const [, number, unit = 's'] = /^(\d{1,9})([smhd])?$/.exec(text) ?? [];
  const seconds = SECONDS_IN[unit];
  if (number !== undefined && seconds !== undefined) return Number(number) * seconds;
  throw new InvalidArgumentError('It must be such as 30s, 15m, 1h or 1d, or a number of seconds.');
}
const SECONDS_IN: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Parses a whole number; the API checks its range. */
export function parseWhole(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number.');
}

/** Parses an id. Refuses an empty one, as of an unset shell variable: it would lead to another path. */
export function parseId(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('It must not be empty.');
}

export function parseIdempotencyKey(text: string): string {
  if (/^[\x21-\x7e]{1,255}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be 1 to 255 visible ASCII characters, such as a UUID.');
}

function parseList(text: string): string[] {
  return text.split(',').map((word) => word.trim());
}
