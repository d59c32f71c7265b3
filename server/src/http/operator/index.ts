import { OPERATORS } from '../door/audiences.ts';
import { admit } from '../door/door.ts';
import type { App, RouteParts } from '../door/parts.ts';
import { changeAccountRoute } from './accounts/change-account.ts';
import { createAccountRoute } from './accounts/create-account.ts';
import { getAccountRoute } from './accounts/get-account.ts';
import { getBalanceRoute } from './accounts/get-balance.ts';
import { getStatementRoute } from './accounts/get-statement.ts';
import { getUsageRoute } from './accounts/get-usage.ts';
import { listAccountsRoute } from './accounts/list-accounts.ts';
import { listEntriesRoute } from './accounts/list-entries.ts';
import { createAdjustmentRoute } from './adjustments/create-adjustment.ts';
import { changeApiKeyRoute } from './api-keys/change-api-key.ts';
import { createApiKeyRoute } from './api-keys/create-api-key.ts';
import { listApiKeysRoute } from './api-keys/list-api-keys.ts';
import { revokeApiKeyRoute } from './api-keys/revoke-api-key.ts';
import { rotateApiKeyRoute } from './api-keys/rotate-api-key.ts';
import { authorizeBatchRoute, authorizeRoute } from './authorizations/authorize.ts';
import { createChargeRoute } from './charges/create-charge.ts';
import { getChargeRoute } from './charges/get-charge.ts';
import { listChargesRoute } from './charges/list-charges.ts';
import { reverseChargeRoute } from './charges/reverse-charge.ts';
import { createGrantRoute } from './grants/create-grant.ts';
import { extendGrantRoute } from './grants/extend-grant.ts';
import { listGrantsRoute } from './grants/list-grants.ts';
import { voidGrantRoute } from './grants/void-grant.ts';
import { captureHoldRoute } from './holds/capture-hold.ts';
import { createHoldRoute } from './holds/create-hold.ts';
import { getHoldRoute } from './holds/get-hold.ts';
import { voidHoldRoute } from './holds/void-hold.ts';
import { operatorKeyRoutes } from './operator-keys/operator-keys.ts';
import { clearSpendLimitRoute } from './spend-limits/clear-spend-limit.ts';
import { getSpendLimitRoute } from './spend-limits/get-spend-limit.ts';
import { setSpendLimitRoute } from './spend-limits/set-spend-limit.ts';

const ROUTES = [
  createAccountRoute,
  listAccountsRoute,
  getAccountRoute,
  changeAccountRoute,
  getBalanceRoute,
  listEntriesRoute,
  getStatementRoute,
  getUsageRoute,
  createApiKeyRoute,
  listApiKeysRoute,
  changeApiKeyRoute,
  rotateApiKeyRoute,
  revokeApiKeyRoute,
  setSpendLimitRoute,
  getSpendLimitRoute,
  clearSpendLimitRoute,
  createGrantRoute,
  listGrantsRoute,
  createChargeRoute,
  getChargeRoute,
  listChargesRoute,
  extendGrantRoute,
  voidGrantRoute,
  reverseChargeRoute,
  createHoldRoute,
  getHoldRoute,
  captureHoldRoute,
  voidHoldRoute,
  createAdjustmentRoute,
  authorizeRoute,
  authorizeBatchRoute,
];

/** The routes of the operator's backend take operator keys. */
export function addOperatorRoutes(app: App, parts: RouteParts): void {
  admit(app, OPERATORS, parts);
  for (const add of ROUTES) add(app, parts);
  if (parts.local) operatorKeyRoutes(app, parts);
}
