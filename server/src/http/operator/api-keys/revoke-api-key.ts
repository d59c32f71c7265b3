import { revokeApiKey } from '../../../auth/api-keys.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { API_KEY_PATH, apiKeyIdIn } from '../../input/paths.ts';
import { NO_QUERY } from '../../openapi/document.ts';

export function revokeApiKeyRoute(app: App, { database }: RouteParts): void {
  app.delete(
    '/v1/api_keys/:id',
    {
      config: { scopes: ['keys:write'], errors: ['api_key_not_found'] },
      schema: {
        operationId: 'revokeApiKey',
        tags: ['API keys'],
        summary: 'Revoke an API key',
        description:
          'It counts at once and on every node. From its answer on the key is refused, and no operation that it asked for can commit. Revoking again changes nothing.',
        params: API_KEY_PATH,
        querystring: NO_QUERY,
        response: { 204: { description: 'It is revoked.' } },
      },
    },
    async ({ params }, reply) => {
      if (!(await revokeApiKey(database, apiKeyIdIn(params)))) {
        throw new ApiError('api_key_not_found');
      }
      return reply.code(204).send();
    },
  );
}
