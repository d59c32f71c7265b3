import FindMyWay from 'find-my-way';
import type { PriceBook, Route } from '../../pricing/book/price-book.ts';
import { storeOf } from '../../pricing/book/routing.ts';
import { type CostBefore, costBefore, hasRequestPart, isKnownBefore } from '../../pricing/cost.ts';
import type { UpstreamClient } from '../upstream/upstreams.ts';
import type { PriceVersion } from './price-books.ts';

/** A route of the price book in effect, with its upstream. */
export interface PricedRoute {
  readonly route: Route;
  readonly version: number;
  readonly topUpUrl: string | null;
  readonly upstream: UpstreamClient;
  /** Whether the exact cost of a call is known before it is forwarded. */
  readonly isKnownBefore: boolean;
  /** Whether the price depends on the request. */
  readonly needsRequest: boolean;
  /** The cost before forwarding if it is the same for every request; otherwise null. */
  readonly always: Promise<CostBefore> | null;
}

/** The cost of a call before it is forwarded. Rejects with RequestNotPriced. */
export function costOf({ route, always }: PricedRoute, members: unknown): Promise<CostBefore> {
  return always ?? costBefore(route, members);
}

/** The methods that a price book may name. */
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** The routes of one version of the price book. */
export class RouteTable {
  readonly #router = FindMyWay({ maxParamLength: 2_048 });
  readonly #byName = new Map<string, PricedRoute>();

  constructor(
    { version }: PriceVersion,
    book: PriceBook,
    upstreams: ReadonlyMap<string, UpstreamClient>,
  ) {
    for (const route of book.routes) {
      const upstream = upstreams.get(route.upstream);
      if (!upstream) throw new Error(`the route ${route.name} has no upstream`);
      const needsRequest = hasRequestPart(route);
      const priced: PricedRoute = {
        route,
        version,
        topUpUrl: book.topUpUrl,
        upstream,
        isKnownBefore: isKnownBefore(route),
        needsRequest,
        always: needsRequest ? null : costBefore(route, {}),
      };
      // Each call that awaits it gets the rejection.
      priced.always?.catch(() => {});
      this.#byName.set(route.name, priced);
      const methods = route.methods as FindMyWay.HTTPMethod[];
      this.#router.on(methods, route.path, () => {}, priced);
    }
  }

  /** The route with this method and path; undefined: there is none. */
  match(method: string, path: string): PricedRoute | undefined {
    return storeOf(this.#router, method, path) as PricedRoute | undefined;
  }

  /** The methods that have a route at a path, with HEAD for GET; empty: there are none. */
  methodsAt(path: string): string[] {
    const methods = METHODS.filter((method) => this.match(method, path));
    return methods.includes('GET') ? [...methods, 'HEAD'] : methods;
  }

  named(name: string): PricedRoute | undefined {
    return this.#byName.get(name);
  }
}
