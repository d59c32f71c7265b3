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

/** What the wire counts and shows at `/metrics`. */
export interface HttpMetrics {
  /** A request was answered. `route` is a route's pattern, never the path that was asked for. */
  answered(method: string, route: string, status: number, seconds: number): void;
  /** Everything in Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** What the wire stands on. */
export interface HttpParts {
  readonly database: Database;
  readonly ledger: Pick<Ledger, 'submit' | 'advance'>;
  readonly keys: KeyLookups;
  /** Who asks; by the key that the request presents if it is left out. */
  readonly authenticate?: Authenticate;
  readonly onKeyUsed?: OnKeyUsed;
  readonly metrics: HttpMetrics;
  readonly log: Logger;
  /** `/metrics` wants it as Bearer; undefined: `/metrics` is open. */
  readonly metricsToken?: string | undefined;
  /** The priced routes in front of other APIs; undefined: there are none. */
  readonly gateway?: Gateway | undefined;
  /** Addresses and CIDRs of the proxies that are trusted; none if left out. */
  readonly trustedProxies?: readonly string[];
  /** The origins whose pages may call customers' routes and the gateway, or `*`; none if left out. */
  readonly corsOrigins?: readonly string[];
  /** Limits of customers' own routes and of refused keys; none if left out. */
  readonly rateLimits?: RateSettings;
  readonly readiness: () => Promise<{ database: boolean; migrations: boolean; clock: boolean }>;
  /** For the machine's own command line: the routes of operator keys too. Never on the network. */
  readonly local?: boolean;
}

/** What routes are given. */
export interface RouteParts extends HttpParts {
  readonly authenticate: Authenticate;
  readonly onKeyUsed: OnKeyUsed;
  readonly isTrusted: IsTrusted;
  readonly rates: Rates;
  readonly cors: Cors;
  readonly unmatched: Unmatched;
  /** The routes' own OpenAPI document, as JSON. */
  readonly openapi: () => string;
}

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
