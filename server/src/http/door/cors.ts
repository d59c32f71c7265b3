import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/**
 * Which pages of other origins may call from a browser (https://fetch.spec.whatwg.org/#http-cors-protocol).
 * `@fastify/cors` answers preflights on every path with one list of methods, the operator's routes too, and
 * lets an upstream's `Vary` replace its own; so this is by hand. Credentials of browsers are never allowed.
 */

/** Headers of answers that pages may read. */
const EXPOSED = [
  ...['X-Credits-Charged', 'X-Credits-Remaining', 'X-Charge-Id', 'X-Hold-Id'],
  ...['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset', 'Retry-After'],
  ...['X-Request-Id', 'Idempotency-Replayed'],
].join(', ');
/** How long a browser keeps the answer to a preflight; some keep it no longer than this. */
const PREFLIGHT_S = 600;
/** Names of headers as a browser asks for them. */
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

  /** Lets pages read the answers of the routes of `app` that `isShared` names. */
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
