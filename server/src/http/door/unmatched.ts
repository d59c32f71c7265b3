import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import FindMyWay from 'find-my-way';
import type { Gateway } from '../../gateway/gateway.ts';
import { ApiError } from '../errors/api-error.ts';
import type { Cors } from './cors.ts';

/**
 * Answers requests that match no route: 404 for an unknown path, 405 with `Allow` for another method,
 * and 204 for a browser's preflight.
 */

/** The methods of a path. */
interface Offered {
  readonly methods: string[];
  /** Whether pages of other origins may use the path, see cors.ts. */
  isShared: boolean;
}

export class Unmatched {
  readonly #cors: Cors;
  readonly #gateway: Pick<Gateway, 'methodsAt'> | undefined;
  readonly #byPattern = new Map<string, Offered>();
  #router: FindMyWay.Instance<FindMyWay.HTTPVersion.V1> | undefined;

  constructor(cors: Cors, gateway: Pick<Gateway, 'methodsAt'> | undefined) {
    this.#cors = cors;
    this.#gateway = gateway;
  }

  /** Collects the routes that `app` and its groups get from now on, without the wildcards. */
  noteRoutes(app: FastifyInstance): void {
    app.addHook('onRoute', ({ url, method }: RouteOptions) => {
      if (url.endsWith('*')) return;
      const known = this.#byPattern.get(url);
      const methods = known?.methods ?? [];
      methods.push(...[method].flat());
      this.#byPattern.set(url, { methods, isShared: known?.isShared ?? false });
    });
  }

  /** Lets pages of other origins use the routes that `group` gets from now on. */
  share(group: FastifyInstance): void {
    this.#cors.share(group, () => true);
    group.addHook('onRoute', ({ url }: RouteOptions) => {
      const known = this.#byPattern.get(url);
      if (known) known.isShared = true;
    });
  }

  /** The error for a request that matches no route; undefined: it is a preflight for `answer`. */
  refuse(request: FastifyRequest): ApiError | undefined {
    const offered = this.#offeredAt(request.url);
    if (!offered) return new ApiError('not_found');
    if (this.#isPreflight(request, offered)) return undefined;
    const headers = { allow: this.#allowOf(offered) };
    return new ApiError('method_not_allowed', { headers });
  }

  /** Answers the preflight of a known path. Throws the error of any other request. */
  answer(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const refused = this.refuse(request);
    const offered = this.#offeredAt(request.url);
    if (refused || !offered) throw refused ?? new ApiError('not_found');
    return this.#cors.answer(request, reply, this.#allowOf(offered));
  }

  /** Adds a route for every path that no other route of `app` has. */
  takeTheRest(app: FastifyInstance): void {
    app.addHook('onRoute', (route) => {
      route.onRequest = (request, _reply, done) => {
        done(app.enter(request, 'unmatched') ?? this.refuse(request));
      };
    });
    app.all('/*', { schema: { hide: true } }, (request, reply) => this.answer(request, reply));
  }

  #offeredAt(url: string): Offered | undefined {
    const [path = ''] = url.split('?', 1);
    this.#router ??= this.#newRouter();
    const own = this.#router.find('GET', path)?.store as Offered | undefined;
    if (own) return own;
    const methods = this.#gateway?.methodsAt(path) ?? [];
    return methods.length > 0 ? { methods, isShared: true } : undefined;
  }

  #newRouter() {
    const router = FindMyWay();
    for (const [pattern, offered] of this.#byPattern) router.on('GET', pattern, () => {}, offered);
    return router;
  }

  #isPreflight({ method }: FastifyRequest, { isShared }: Offered): boolean {
    return method === 'OPTIONS' && isShared && this.#cors.isOn;
  }

  #allowOf({ methods, isShared }: Offered): string {
    const all = isShared && this.#cors.isOn ? [...methods, 'OPTIONS'] : methods;
    return all.toSorted().join(', ');
  }
}
