import Fastify, { type FastifyRequest } from 'fastify';
import { authenticateByKey } from '../auth/authentication.ts';
import { addCustomerRoutes } from './customer/index.ts';
import { Cors } from './door/cors.ts';
import { addLifecycle, mark } from './door/lifecycle.ts';
import type { App, HttpParts, RouteParts } from './door/parts.ts';
import { type IsTrusted, trustOnly } from './door/peers.ts';
import { NO_LIMITS, Rates } from './door/rates.ts';
import { newRequestId, requestIdOf } from './door/request-id.ts';
import { Unmatched } from './door/unmatched.ts';
import { errorHandler } from './errors/handler.ts';
import { socketErrorHandler } from './errors/socket.ts';
import { addGatewayRoutes } from './gateway/index.ts';
import { parseJson } from './input/json.ts';
import { serializerCompiler, validatorCompiler } from './input/validation.ts';
import { addMachineRoutes } from './machines/index.ts';
import { addOpenApi, openApiText } from './openapi/openapi.ts';
import { addOperatorRoutes } from './operator/index.ts';
import { SCHEMAS } from './schemas.ts';

/** The largest body of a route that names no other limit: many times the metadata of 2 KB. */
const BODY_LIMIT_BYTES = 64 * 1_024;
const HEADER_LIMIT_BYTES = 16 * 1_024;
/** The time for a whole request to arrive, and for its headers alone. */
const REQUEST_TIMEOUT_MS = 15_000;
const HEADERS_TIMEOUT_MS = 15_000;
/** The gateway's routes take large bodies too. */
const GATEWAY_REQUEST_TIMEOUT_MS = 300_000;
/** The time for an idle connection to send another request. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** Poll interval for these timeouts. */
const CHECK_CONNECTIONS_EVERY_MS = 5_000;
/** The longest id in a path is an account's, of 64 characters. */
const LONGEST_PARAMETER = 128;

/** The routes by audience, in the order of the OpenAPI document. The gateway takes every other path. */
const AUDIENCES = [addMachineRoutes, addCustomerRoutes, addOperatorRoutes, addGatewayRoutes];

/** The HTTP API over its parts, ready to listen or to be asked in-process with `inject`. */
export async function buildHttp(parts: HttpParts): Promise<App> {
  const isTrusted = trustOnly(parts.trustedProxies ?? []);
  const app = newApp(parts, isTrusted);
  const { onKeyUsed = () => {}, gateway } = parts;
  const rates = new Rates(parts.rateLimits ?? NO_LIMITS, isTrusted, parts.log);
  const cors = new Cors(parts.corsOrigins ?? []);
  const unmatched = new Unmatched(cors, gateway);
  const routeParts: RouteParts = {
    ...parts,
    onKeyUsed,
    authenticate: parts.authenticate ?? authenticateByKey(parts.keys, onKeyUsed),
    isTrusted,
    rates,
    cors,
    unmatched,
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
  addLifecycle(app, parts.metrics);
  // Methods that no route can have.
  app.setNotFoundHandler((request, reply) => unmatched.answer(request, reply));
  unmatched.noteRoutes(app);
  for (const addRoutes of AUDIENCES) {
    await app.register((group: App, _options, done) => {
      addRoutes(group, routeParts);
      done();
    });
  }
  await app.ready();
  return app;
}

/** The OpenAPI document, as `/openapi.json` answers it. Only a request would need the parts. */
export async function describeApi(): Promise<string> {
  const app = await buildHttp({} as HttpParts);
  const text = openApiText(app);
  await app.close();
  return text;
}

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
