import { randomBytes } from 'node:crypto';
import type { CustomerPrincipal } from '../../auth/principal.ts';
import { type AccountId, accountIdOf } from '../../ledger/operations/ids.ts';
import type {
  CallText,
  ChargeOperation,
  Digest,
  SpendOperation,
} from '../../ledger/operations/operations.ts';
import type { Cost, CostBefore } from '../../pricing/cost.ts';
import type { PricedRoute } from '../routes/route-table.ts';

/** The purchase that a call is, and the ledger's operations that begin its payment. */

/** A hold outlives the longest call by this, so that the call can still be captured. */
const HOLD_MARGIN_MS = 60_000;

/** The route that is bought, the account and key that pay, and the cost. */
export interface Purchase {
  readonly priced: PricedRoute;
  readonly account: AccountId;
  readonly accountPublicId: string;
  readonly apiKeyId: string;
  /** The SHA-256 of the customer's key, in hex; null: a quote. */
  readonly keySecret: string | null;
  readonly before: CostBefore;
  /** The idempotency digest of its charge or hold; unique to this purchase. */
  readonly digest: Digest;
}

/** A purchase by the account of a key. */
export function purchaseOf(
  priced: PricedRoute,
  { accountPublicId, apiKeyId, keySecret }: CustomerPrincipal,
  before: CostBefore,
): Purchase {
  const account = accountIdOf(accountPublicId);
  return {
    priced,
    account,
    accountPublicId,
    apiKeyId,
    keySecret,
    before,
    digest: newDigest(),
  };
}

/** How long a call and its hold may last, in milliseconds. */
export function longestOf({ route }: PricedRoute): number {
  return route.longestMs + HOLD_MARGIN_MS;
}

/** The charge of a purchase at its maximum. */
export function chargeOf(purchase: Purchase): ChargeOperation {
  const { priced, before, account, accountPublicId, apiKeyId, keySecret, digest } = purchase;
  return {
    kind: 'charge',
    account,
    accountPublicId,
    actor: { kind: 'api_key', id: apiKeyId },
    idempotencyDigest: digest,
    fingerprint: digest,
    amount: before.maximum.amount,
    scope: priced.route.scope,
    apiKeyId,
    keySecret,
    description: null,
    metadata: null,
    call: callText(priced, before.maximum),
  };
}

/** The first operation of a payment: a charge if the cost is known, otherwise a hold. */
export function firstOperationOf(purchase: Purchase): SpendOperation {
  const charge = chargeOf(purchase);
  const { priced } = purchase;
  if (priced.isKnownBefore) return charge;
  return { expiresInMs: longestOf(priced), ...charge, kind: 'hold' };
}

/** The `call` of an operation, as JSON, for receipts and usage. */
export function callText(
  priced: PricedRoute,
  { quantities, choices }: Cost,
  isLate = false,
): string {
  const { route, version } = priced;
  const text: CallText = {
    route: route.name,
    version,
    quantities,
    choices,
    until: Date.now() + longestOf(priced),
    ...(isLate && { late: true }),
  };
  return JSON.stringify(text);
}

/** A unique idempotency digest: 8 random bytes for each process, and a count. */
function newDigest(): Digest {
  count += 1n;
  return `\\x${PROCESS}${count.toString(16).padStart(16, '0')}` as Digest;
}
const PROCESS = randomBytes(8).toString('hex');
let count = 0n;
