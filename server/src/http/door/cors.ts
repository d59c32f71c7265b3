import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/**
 * CORS (https://fetch.spec.whatwg.org/#http-cors-protocol) for the routes of customers and the gateway.
 * `@fastify/cors` does not fit: it answers preflights on every path with one list of methods, and an
 * upstream's `Vary` replaces its own. Credentials of browsers are never allowed.
 */

/** The headers of an answer that a page may read. */
const EXPOSED = [
  ...['X-Credits-Charged', 'X-Credits-Remaining', 'X-Charge-Id', 'X-Hold-Id'],
  ...['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset', 'Retry-After'],
  ...['X-Request-Id', 'Idempotency-Replayed'],
].join(', ');
/** The time that a browser caches a preflight. Some browsers allow no more than this. */
const PREFLIGHT_S = 600;
/** The form of `Access-Control-Request-Headers`. */
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:, ?[\w!#$%&'*+.^`|~-]+)*$/;

/** The origins of `PURSER_CORS_ORIGINS`. */
export class Cors {
  readonly #origins: ReadonlySet<string>;

  /** `['*']` allows every origin, and an empty list none. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  get isOn(): boolean {
    return this.#origins.size > 0;
  }

  /** Lets pages read those answers of the routes of `app` for which `isShared` is true. */
  share(app: FastifyInstance, isShared: (request: FastifyRequest) => boolean): void {
    if (!this.isOn) return;
    app.addHook('onSend', (request, reply, payload, done) => {
      if (isShared(request)) this.#allow(request, reply);
      done(null, payload);
    });
  }

  /** Answers a preflight of a path that has these methods. */
  answer(request: FastifyRequest, reply: FastifyReply, methods: string): FastifyReply {
    this.#allow(request, reply);
    reply.header('allow', methods).header('access-control-allow-methods', methods);
    const names = request.headers['access-control-request-headers'];
    if (names !== undefined && HEADER_NAMES.test(names)) {
      reply.header('access-control-allow-headers', names);
    }
    return reply.header('access-control-max-age', PREFLIGHT_S).code(204).send();
  }

  #allow({ headers: { origin } }: FastifyRequest, reply: FastifyReply): void {
    const isAny = this.#origins.has('*');
    if (!isAny) {
      const vary = reply.getHeader('vary');
      reply.header('vary', vary === undefined ? 'Origin' : `${vary}, Origin`);
      if (origin === undefined || !this.#origins.has(origin)) return;
    }
    reply.header('access-control-allow-origin', isAny ? '*' : origin);
    reply.header('access-control-expose-headers', EXPOSED);
  }
}
