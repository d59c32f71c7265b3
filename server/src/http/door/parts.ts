import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Logger } from 'pino';
import type { Authenticate, KeyLookups, OnKeyUsed } from '../../auth/authentication.ts';
import type { Database } from '../../db/connection/database.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import type { Cors } from './cors.ts';
import type { IsTrusted } from './peers.ts';
import type { RateSettings, Rates } from './rates.ts';
import type { Unmatched } from './unmatched.ts';

/** The metrics of the wire, and the text of `/metrics`. */
export interface HttpMetrics {
  /** Counts an answer. `route` is the pattern of a route, never the requested path. */
  answered(method: string, route: string, status: number, seconds: number): void;
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** The objects and settings from which `buildHttp` makes the API. */
export interface HttpParts {
  readonly database: Database;
  readonly ledger: Pick<Ledger, 'submit' | 'advance'>;
  readonly keys: KeyLookups;
  /** By default, authenticates by the key that the request presents. */
  readonly authenticate?: Authenticate;
  readonly onKeyUsed?: OnKeyUsed;
  readonly metrics: HttpMetrics;
  readonly log: Logger;
  /** The Bearer token of `/metrics`; undefined: `/metrics` is open. */
  readonly metricsToken?: string | undefined;
  /** The priced routes in front of other APIs; undefined: there are none. */
  readonly gateway?: Gateway | undefined;
  /** The addresses and CIDRs of trusted proxies; none by default. */
  readonly trustedProxies?: readonly string[];
  /** The origins whose pages may call customers' routes and the gateway, or `*`; none by default. */
  readonly corsOrigins?: readonly string[];
  /** The limits of customers' own routes and of refused keys; none by default. */
  readonly rateLimits?: RateSettings;
  readonly readiness: () => Promise<{ database: boolean; migrations: boolean; clock: boolean }>;
  /** Adds the routes of operator keys, for the machine's own command line. Never on the network. */
  readonly local?: boolean;
}

/** The parts with their defaults, and the objects of this API: every route gets them. */
export interface RouteParts extends HttpParts {
  readonly authenticate: Authenticate;
  readonly onKeyUsed: OnKeyUsed;
  readonly isTrusted: IsTrusted;
  readonly rates: Rates;
  readonly cors: Cors;
  readonly unmatched: Unmatched;
  /** The OpenAPI document of these routes, as JSON. */
  readonly openapi: () => string;
}

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
