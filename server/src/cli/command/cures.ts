import type { ErrorCode } from '../../http/errors/codes.ts';
import type { ApiRequest } from './api.ts';

/** The cure for each refusal of the API, in the words of the command line. */

/** A refused request, and the members of the answer. */
interface Refusal {
  readonly request: ApiRequest;
  readonly body: Readonly<Record<string, unknown>>;
}

type Cure = string | ((refusal: Refusal) => string);

/** The cure for codes that no command should get. */
const UNEXPECTED = 'This is a defect of Purser: please report it with the text above.';

/** Advises to run the command again, with the idempotency key that it had. */
function again({ request: { idempotencyKey } }: Refusal): string {
  return idempotencyKey === undefined
    ? 'Run the command again.'
    : `Run the command again with --idempotency-key ${idempotencyKey}: it is done once, however often it is run.`;
}

const CURES: Readonly<Record<ErrorCode, Cure>> = {
  malformed_request: UNEXPECTED,
  invalid_json: UNEXPECTED,
  idempotency_key_missing: UNEXPECTED,
  idempotency_key_invalid:
    'Give an --idempotency-key of 1 to 255 visible ASCII characters, or leave it out.',
  method_not_allowed: UNEXPECTED,
  not_found: 'Compare the id with the one that Purser answered.',
  request_timeout: UNEXPECTED,
  body_too_large:
    'Give shorter texts: a name, a description or a reason has at most 255 characters.',
  url_too_long: 'Compare the id: none is longer than 64 characters, nor an external id than 255.',
  unsupported_media_type: UNEXPECTED,
  headers_too_large: UNEXPECTED,

  api_key_required: UNEXPECTED,
  api_key_invalid: UNEXPECTED,
  missing_scopes: UNEXPECTED,
  account_suspended: ({ request }) =>
    `Resume the account with \`purser account resume ${accountOf(request)}\`, if it may spend again.`,
  operator_key_required: UNEXPECTED,
  customer_key_required: UNEXPECTED,
  metrics_token_required: UNEXPECTED,

  invalid_request: 'Change the value that the first line names; --help lists the options.',
  amount_too_large:
    'Give a smaller amount: none, and no sum of an account, may be above 9223372036854.775807 cents.',
  idempotency_key_reused:
    'Give another --idempotency-key, or leave it out. To repeat the first request, give exactly its options.',
  secret_not_kept: ({ body }) =>
    `Give the key a new secret: \`purser key rotate ${body['api_key_id']}\`, without this --idempotency-key.`,
  account_not_found:
    "Take the account's id from `purser account list`; with --external-id it finds one by your own identifier.",
  api_key_not_found: "Take the key's id from `purser key list --account <id>`.",
  grant_not_found: "Take the grant's id from `purser grant list --account <id>`.",
  hold_not_found: "Take the hold's id from the answer of `purser hold create`.",
  charge_not_found: "Take the charge's id from `purser charge list --account <id>`.",
  spend_limit_not_found: 'Set one with `purser limit set`, or give another --period.',
  operator_key_not_found: "Take the key's id from `purser operator-key list`.",
  external_id_taken: ({ body }) =>
    `Use that account (\`purser account show ${body['account']}\`), or give another --external-id.`,
  account_id_taken: 'Use that account, or leave --id out for a random one.',
  api_key_taken:
    'Look for the hash under another account: a key belongs to one account for ever. Make the customer a new one with `purser key create`.',
  api_key_inactive: ({ request }) =>
    `Make a new key with \`purser key create\`. A key that is expired, and not revoked, can go on: \`purser key update ${keyIn(request)} --expires-at never\`.`,
  too_many_secrets:
    'Rotate without --grace, which ends the earlier secrets at once, or wait until the time above.',
  too_many_grants: 'Void grants that are not needed any more with `purser grant void`.',
  too_many_holds: 'End holds with `purser hold capture` or `purser hold void`.',
  grant_ended: 'Give credit anew with `purser grant create`.',
  hold_ended:
    'A hold ends once: `purser hold show <id>` says how. Charge the rest with `purser charge create`.',
  reversal_exceeds_charge:
    'Leave --amount out to reverse all that is left; `purser charge show <id>` shows the reversed part.',
  route_not_found: UNEXPECTED,
  request_not_priced: UNEXPECTED,
  spend_limit_reached: ({ body }) =>
    `Raise the limit with \`purser limit set --period ${body['period']}\`, or remove it with \`purser limit clear\`.${
      body['reset_at'] === null ? '' : ` It is counted anew from ${body['reset_at']} on.`
    }`,
  insufficient_credits: ({ request, body }) =>
    `Give the account at least ${body['shortfall']} cents with \`purser grant create --account ${accountOf(request)} --amount ${body['shortfall']}\`, or ask for less.`,

  ambiguous_path: UNEXPECTED,
  in_progress: UNEXPECTED,
  already_answered: UNEXPECTED,
  too_many_calls: UNEXPECTED,
  api_key_misplaced: UNEXPECTED,
  rate_limited: UNEXPECTED,
  upstream_failed: UNEXPECTED,
  upstream_timeout: UNEXPECTED,

  overloaded: again,
  account_busy: again,
  database_unavailable: again,
  outcome_unknown: again,
  stopping: again,
  clock_unreliable: (refusal) =>
    `Set the clocks of this machine and of the database by NTP. ${again(refusal)}`,
  not_ready: again,
  internal_error: 'Look at the log above; if it does not help, report it with the text above.',
};

/** The cure for a refusal. */
export function cureOf(code: unknown, refusal: Refusal): string {
  const cure = isErrorCode(code) ? CURES[code] : UNEXPECTED;
  return typeof cure === 'string' ? cure : cure(refusal);
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(CURES, code);
}

/** The account that a request names, or a placeholder. */
function accountOf({ path, body }: ApiRequest): string {
  const [, inPath] = /^\/v1\/accounts\/([^/]+)/.exec(path) ?? [];
  return String(body?.['account'] ?? inPath ?? '<id>');
}

/** The key that a request's path names, or a placeholder. */
function keyIn({ path }: ApiRequest): string {
  return /\/(key_[^/]+)/.exec(path)?.[1] ?? '<id>';
}
