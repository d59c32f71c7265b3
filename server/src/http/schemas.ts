import { QuoteResource } from './customer/quote.ts';
import {
  EndedBody,
  ErrorBody,
  ExternalIdTakenBody,
  InsufficientCreditsBody,
  SpendLimitReachedBody,
} from './openapi/document.ts';
import {
  AccountResource,
  BalanceResource,
  PastBalanceResource,
} from './operator/accounts/account.ts';
import { StatementResource } from './operator/accounts/statement.ts';
import { AdjustmentResource } from './operator/adjustments/adjustment.ts';
import { ApiKeyResource } from './operator/api-keys/api-key.ts';
import { AuthorizationResource } from './operator/authorizations/authorization.ts';
import { ReversalResource } from './operator/charges/reversal.ts';
import { HoldResource } from './operator/holds/hold.ts';
import { SpendLimitResource } from './operator/spend-limits/spend-limit.ts';
import { ChargeResource } from './resources/charge.ts';
import { EntryResource } from './resources/entry.ts';
import { GrantResource } from './resources/grant.ts';
import { UsageResource } from './resources/usage.ts';

/** The bodies of answers that the routes refer to by name, in the order of the OpenAPI document. */
export const SCHEMAS = [
  AccountResource,
  BalanceResource,
  PastBalanceResource,
  StatementResource,
  UsageResource,
  ApiKeyResource,
  GrantResource,
  ChargeResource,
  HoldResource,
  QuoteResource,
  ReversalResource,
  AdjustmentResource,
  AuthorizationResource,
  EntryResource,
  SpendLimitResource,
  ErrorBody,
  InsufficientCreditsBody,
  SpendLimitReachedBody,
  EndedBody,
  ExternalIdTakenBody,
];
