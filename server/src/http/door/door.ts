import type { FastifyRequest, RouteOptions } from 'fastify';
import type { Authenticated } from '../../auth/authentication.ts';
import type { Principal } from '../../auth/principal.ts';
import { ApiError } from '../errors/api-error.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { describeSecurity } from '../openapi/document.ts';
import type { App, RouteParts } from './parts.ts';
import type { OwnRate } from './rates.ts';

/**
 * A door admits one kind of principal to a group of routes. It judges kind, state, scopes and rate, in
 * this order, before a body is read. `audiences.ts` holds the doors.
 */
export interface Door<Admitted extends Principal> {
  readonly kind: Admitted['kind'];
  /** The error for a principal of another kind. */
  readonly otherKind: ErrorCode;
  /** The errors of `refuse`. */
  readonly errors: readonly ErrorCode[];
  /** Refuses a principal because of its state. */
  refuse(principal: Admitted): ErrorCode | undefined;
  /** The name under which rate limits count the principal; undefined: no limit applies. */
  countedBy(principal: Admitted): string | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the request is authenticated. */
    authenticated: Authenticated | null;
  }
  interface FastifyContextConfig {
    /** The principal needs one of these scopes. */
    scopes?: readonly string[];
    /** The rate limit of a customers' route; `billing` by default. */
    rate?: OwnRate;
  }
}

/** Puts a door before the routes that `app` gets from now on. Each route names its scopes. */
export function admit<Admitted extends Principal>(
  app: App,
  door: Door<Admitted>,
  { authenticate, rates }: Pick<RouteParts, 'authenticate' | 'rates'>,
): void {
  app.addHook('onRoute', (route) => {
    const scopes = scopesOf(route);
    const rate = route.config?.rate ?? 'billing';
    describeSecurity(route, door.kind, scopes, [door.otherKind, ...door.errors]);
    const judge = (principal: Principal) => {
      const refused = refusalOf(door, principal, scopes);
      const name = isAdmitted(door, principal) ? door.countedBy(principal) : undefined;
      return refused || name === undefined ? refused : rates.refuse(rate, name);
    };
    route.onRequest = (request, _reply, done) => {
      const refused = app.enter(request, route.url);
      if (refused) return done(refused);
      authenticate(request).then((authenticated) => {
        request.authenticated = authenticated;
        done(judge(authenticated.principal));
      }, done);
    };
  });
}

/** Judges a principal's kind, then its state, then its scopes. */
export function refusalOf<Admitted extends Principal>(
  door: Door<Admitted>,
  principal: Principal,
  scopes: readonly string[],
): ApiError | undefined {
  if (!isAdmitted(door, principal)) return new ApiError(door.otherKind);
  const code = door.refuse(principal);
  if (code !== undefined) return new ApiError(code);
  const may = scopes.some((scope) => principal.scopes.includes(scope));
  return may ? undefined : new ApiError('missing_scopes');
}

/** The principal of a request behind this door. */
export function principalOf<Admitted extends Principal>(
  door: Door<Admitted>,
  { authenticated }: FastifyRequest,
): Admitted {
  const principal = authenticated?.principal;
  if (principal && isAdmitted(door, principal)) return principal;
  throw new Error(`bug: the route is not behind the door for a principal of kind ${door.kind}`);
}

function isAdmitted<Admitted extends Principal>(
  door: Door<Admitted>,
  principal: Principal,
): principal is Admitted {
  return principal.kind === door.kind;
}

function scopesOf(route: RouteOptions): readonly string[] {
  const scopes = route.config?.scopes;
  if (!scopes || scopes.length === 0) throw new Error(`${route.url} names no scope`);
  return scopes;
}
