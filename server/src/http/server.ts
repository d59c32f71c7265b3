import Fastify, { type FastifyRequest } from 'fastify';
import { authenticateByKey } from '../auth/authentication.ts';
import { accountBalance } from './customer/account-balance.ts';
import { createQuoteRoute } from './customer/create-quote.ts';
import { getOwnChargeRoute } from './customer/get-charge.ts';
import { getOwnUsageRoute } from './customer/get-usage.ts';
import { listOwnChargesRoute } from './customer/list-charges.ts';
import { listOwnEntriesRoute } from './customer/list-entries.ts';
import { listOwnGrantsRoute } from './customer/list-grants.ts';
import { QuoteResource } from './customer/quote.ts';
import { Cors } from './door/cors.ts';
import { addEntry, admitOnly, mark } from './door/entry.ts';
import type { App, HttpParts, RouteParts } from './door/parts.ts';
import { type IsTrusted, trustOnly } from './door/peers.ts';
import { NO_LIMITS, Rates } from './door/rates.ts';
import { newRequestId, requestIdOf } from './door/request-id.ts';
import { Unmatched } from './door/unmatched.ts';
import { errorHandler } from './errors/handler.ts';
import { socketErrorHandler } from './errors/socket.ts';
import { addGateway } from './gateway/proxy.ts';
import { parseJson } from './input/json.ts';
import { serializerCompiler, validatorCompiler } from './input/validation.ts';
import { machineRoutes } from './machines/index.ts';
import {
  EndedBody,
  ErrorBody,
  ExternalIdTakenBody,
  InsufficientCreditsBody,
  SpendLimitReachedBody,
} from './openapi/document.ts';
import { addOpenApi, openApiText } from './openapi/openapi.ts';
import {
  AccountResource,
  BalanceResource,
  PastBalanceResource,
} from './operator/accounts/account.ts';
import { changeAccountRoute } from './operator/accounts/change-account.ts';
import { createAccountRoute } from './operator/accounts/create-account.ts';
import { getAccountRoute } from './operator/accounts/get-account.ts';
import { getBalanceRoute } from './operator/accounts/get-balance.ts';
import { getStatementRoute } from './operator/accounts/get-statement.ts';
import { getUsageRoute } from './operator/accounts/get-usage.ts';
import { listAccountsRoute } from './operator/accounts/list-accounts.ts';
import { listEntriesRoute } from './operator/accounts/list-entries.ts';
import { StatementResource } from './operator/accounts/statement.ts';
import { AdjustmentResource } from './operator/adjustments/adjustment.ts';
import { createAdjustmentRoute } from './operator/adjustments/create-adjustment.ts';
import { ApiKeyResource } from './operator/api-keys/api-key.ts';
import { changeApiKeyRoute } from './operator/api-keys/change-api-key.ts';
import { createApiKeyRoute } from './operator/api-keys/create-api-key.ts';
import { listApiKeysRoute } from './operator/api-keys/list-api-keys.ts';
import { revokeApiKeyRoute } from './operator/api-keys/revoke-api-key.ts';
import { rotateApiKeyRoute } from './operator/api-keys/rotate-api-key.ts';
import { AuthorizationResource } from './operator/authorizations/authorization.ts';
import { authorizeBatchRoute, authorizeRoute } from './operator/authorizations/authorize.ts';
import { createChargeRoute } from './operator/charges/create-charge.ts';
import { getChargeRoute } from './operator/charges/get-charge.ts';
import { listChargesRoute } from './operator/charges/list-charges.ts';
import { ReversalResource } from './operator/charges/reversal.ts';
import { reverseChargeRoute } from './operator/charges/reverse-charge.ts';
import { createGrantRoute } from './operator/grants/create-grant.ts';
import { extendGrantRoute } from './operator/grants/extend-grant.ts';
import { listGrantsRoute } from './operator/grants/list-grants.ts';
import { voidGrantRoute } from './operator/grants/void-grant.ts';
import { captureHoldRoute } from './operator/holds/capture-hold.ts';
import { createHoldRoute } from './operator/holds/create-hold.ts';
import { getHoldRoute } from './operator/holds/get-hold.ts';
import { HoldResource } from './operator/holds/hold.ts';
import { voidHoldRoute } from './operator/holds/void-hold.ts';
import { operatorKeyRoutes } from './operator/operator-keys/operator-keys.ts';
import { clearSpendLimitRoute } from './operator/spend-limits/clear-spend-limit.ts';
import { getSpendLimitRoute } from './operator/spend-limits/get-spend-limit.ts';
import { setSpendLimitRoute } from './operator/spend-limits/set-spend-limit.ts';
import { SpendLimitResource } from './operator/spend-limits/spend-limit.ts';
import { ChargeResource } from './resources/charge.ts';
import { EntryResource } from './resources/entry.ts';
import { GrantResource } from './resources/grant.ts';
import { UsageResource } from './resources/usage.ts';

/** The largest body where a route names no other: a metadata of 2 KB many times over. */
const BODY_LIMIT_BYTES = 64 * 1_024;
const HEADER_LIMIT_BYTES = 16 * 1_024;
/** How long a request may take to arrive, its headers alone, and an idle connection to send another. */
const REQUEST_TIMEOUT_MS = 15_000;
const HEADERS_TIMEOUT_MS = 15_000;
/** How often connections are looked at for these timeouts. */
const CHECK_CONNECTIONS_EVERY_MS = 5_000;
/** The gateway's routes take large bodies too. */
const GATEWAY_REQUEST_TIMEOUT_MS = 300_000;
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** The longest id in a path is an account's, of 64 characters. */
const LONGEST_PARAMETER = 128;

const SCHEMAS = [
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

const CUSTOMER_ROUTES = [
  accountBalance,
  listOwnGrantsRoute,
  listOwnEntriesRoute,
  listOwnChargesRoute,
  getOwnChargeRoute,
  getOwnUsageRoute,
  createQuoteRoute,
];

const OPERATOR_ROUTES = [
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

/** The HTTP API over its parts, ready to listen or to be asked in-process with `inject`. */
export async function buildHttp(parts: HttpParts): Promise<App> {
  const isTrusted = trustOnly(parts.trustedProxies ?? []);
  const app = newApp(parts, isTrusted);
  const { onKeyUsed = () => {} } = parts;
  const rates = new Rates(parts.rateLimits ?? NO_LIMITS, isTrusted, parts.log);
  const routeParts: RouteParts = {
    ...parts,
    onKeyUsed,
    authenticate: parts.authenticate ?? authenticateByKey(parts.keys, onKeyUsed),
    isTrusted,
    rates,
    openapi: () => openApiText(app),
  };
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    async (_: FastifyRequest, body: Buffer) => parseJson(body),
  );
  app.setErrorHandler(errorHandler(parts.log, (request) => rates.refuseFailure(request)));
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  for (const schema of SCHEMAS) app.addSchema(schema);
  await addOpenApi(app);
  addEntry(app, parts.metrics);
  const { gateway } = parts;
  const cors = new Cors(parts.corsOrigins ?? []);
  const unmatched = new Unmatched(cors, gateway);
  // Methods that no route can have.
  app.setNotFoundHandler((request, reply) => unmatched.answer(request, reply));
  unmatched.noteRoutes(app);

  machineRoutes(app, routeParts);
  await app.register((group: App, _options, done) => {
    unmatched.share(group);
    admitOnly(group, 'customer', routeParts);
    for (const add of CUSTOMER_ROUTES) add(group, routeParts);
    done();
  });
  await app.register((group: App, _options, done) => {
    admitOnly(group, 'operator', routeParts);
    for (const add of OPERATOR_ROUTES) add(group, routeParts);
    if (parts.local) operatorKeyRoutes(group, routeParts);
    done();
  });
  await app.register((group: App, _options, done) => {
    if (gateway) addGateway(group, { ...routeParts, gateway, unmatched, cors });
    else unmatched.takeTheRest(group);
    done();
  });
  await app.ready();
  return app;
}

/** The OpenAPI document, as `/openapi.json` answers it; no database is needed. */
export async function describeApi(): Promise<string> {
  const unused = new Proxy(
    {},
    { get: (_, name) => (ABSENT.has(String(name)) ? undefined : () => {}) },
  );
  const app = await buildHttp(unused as HttpParts);
  const text = openApiText(app);
  await app.close();
  return text;
}

const ABSENT: ReadonlySet<string> = new Set([
  'local',
  'gateway',
  'trustedProxies',
  'corsOrigins',
  'rateLimits',
]);

function newApp({ log, metrics, gateway }: HttpParts, isTrusted: IsTrusted): App {
  const app = Fastify({
    logger: false,
    genReqId: (request) => requestIdOf(request, isTrusted),
    trustProxy: isTrusted,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: gateway ? GATEWAY_REQUEST_TIMEOUT_MS : REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: {
      maxHeaderSize: HEADER_LIMIT_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_CONNECTIONS_EVERY_MS,
    },
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    exposeHeadRoutes: true,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // A path that cannot be decoded reaches no hook.
    frameworkErrors: (error, request, reply) => {
      mark(request, reply);
      errorHandler(log, () => undefined)(error, request, reply);
      metrics.answered(request.method, 'unmatched', reply.statusCode, 0);
    },
    clientErrorHandler: socketErrorHandler(newRequestId, (status) =>
      metrics.answered('-', 'unmatched', status, 0),
    ),
  });
  return app as unknown as App;
}
