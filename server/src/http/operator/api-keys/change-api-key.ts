import { Type } from 'typebox';
import { changeApiKey } from '../../../auth/api-keys.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError, apiKeyInactive } from '../../errors/api-error.ts';
import { Instant, Name, OrNull, ScopesIn, STRICT } from '../../input/formats.ts';
import { parseComingInstant } from '../../input/instants.ts';
import { parseScopes, parseText } from '../../input/members.ts';
import { API_KEY_PATH, apiKeyIdIn } from '../../input/paths.ts';
import { answer, one } from '../../openapi/document.ts';
import { apiKeyResource } from './api-key.ts';

const Body = Type.Object(
  {
    name: Type.Optional(Name('For people.')),
    scopes: Type.Optional(ScopesIn('The scopes of the key from now on.')),
    expires_at: Type.Optional(
      OrNull(Instant('The time from which on it is refused; null: never.')),
    ),
  },
  { ...STRICT, minProperties: 1 },
);

export function changeApiKeyRoute(app: App, { database }: RouteParts): void {
  app.patch(
    '/v1/api_keys/:id',
    {
      config: { scopes: ['keys:write'], errors: ['api_key_not_found', 'api_key_inactive'] },
      schema: {
        operationId: 'changeApiKey',
        tags: ['API keys'],
        summary: 'Change the name, the scopes or the expiry of an API key',
        description:
          'It counts at once and on every node. Once it is answered, no decision on the old scopes or expiry can commit. A revoked key cannot be changed; an expired one may be given a later end.',
        params: API_KEY_PATH,
        body: Body,
        response: { 200: answer('The key.', one('ApiKey')) },
      },
    },
    async ({ params, body }) => {
      const { name, scopes, expires_at: expiresAt } = body;
      const result = await changeApiKey(database, apiKeyIdIn(params), {
        ...(name !== undefined && { name: parseText('name', name) }),
        ...(scopes !== undefined && { scopes: parseScopes(scopes) }),
        ...(expiresAt !== undefined && {
          expiresAt:
            expiresAt === null ? null : parseComingInstant('expires_at', expiresAt, Date.now()),
        }),
      });
      if (!result) throw new ApiError('api_key_not_found');
      if ('inactive' in result) throw apiKeyInactive(result.inactive);
      return { data: apiKeyResource(result.apiKey) };
    },
  );
}
