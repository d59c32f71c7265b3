import { CUSTOMERS } from '../door/audiences.ts';
import { admit } from '../door/door.ts';
import type { App, RouteParts } from '../door/parts.ts';
import { accountBalanceRoute } from './account-balance.ts';
import { createQuoteRoute } from './create-quote.ts';
import { getOwnChargeRoute } from './get-charge.ts';
import { getOwnUsageRoute } from './get-usage.ts';
import { listOwnChargesRoute } from './list-charges.ts';
import { listOwnEntriesRoute } from './list-entries.ts';
import { listOwnGrantsRoute } from './list-grants.ts';

const ROUTES = [
  accountBalanceRoute,
  listOwnGrantsRoute,
  listOwnEntriesRoute,
  listOwnChargesRoute,
  getOwnChargeRoute,
  getOwnUsageRoute,
  createQuoteRoute,
];

/** The routes of customers take their own keys. Pages of other origins may use them. */
export function addCustomerRoutes(app: App, parts: RouteParts): void {
  parts.unmatched.share(app);
  admit(app, CUSTOMERS, parts);
  for (const add of ROUTES) add(app, parts);
}
