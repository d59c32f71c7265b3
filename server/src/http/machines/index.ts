import { hash, timingSafeEqual } from 'node:crypto';
import type { App, RouteParts } from '../door/parts.ts';
import { ApiError, JSON_TYPE } from '../errors/api-error.ts';

/** The routes of machines are open to anybody. `/metrics` can require a token of its own. */
export function addMachineRoutes(app: App, parts: RouteParts): void {
  const hidden = { schema: { hide: true } };

  app.get('/healthz', hidden, async () => ({ status: 'ok' }));

  app.get('/readyz', hidden, async () => {
    const readiness = await parts.readiness();
    if (readiness.database && readiness.migrations && readiness.clock)
      return { status: 'ok', ...readiness };
    throw new ApiError('not_ready', { members: readiness });
  });

  app.get('/metrics', hidden, async (request, reply) => {
    if (parts.metricsToken !== undefined) {
      const { authorization = '' } = request.headers;
      if (!isSame(authorization, `Bearer ${parts.metricsToken}`)) {
        throw new ApiError('metrics_token_required', { headers: { 'www-authenticate': 'Bearer' } });
      }
    }
    return reply.type(parts.metrics.contentType).send(await parts.metrics.text());
  });

  app.get('/openapi.json', hidden, async (_request, reply) => {
    return reply.type(JSON_TYPE).send(parts.openapi());
  });
}

/** Compares in constant time. */
function isSame(given: string, wanted: string): boolean {
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', wanted, 'buffer'));
}
