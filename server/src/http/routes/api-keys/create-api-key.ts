import { Type } from 'typebox';
import { createApiKey, importApiKey } from '../../../auth/api-keys.ts';
import { answer, one } from '../../document.ts';
import { ApiError } from '../../errors/api-error.ts';
import { Instant, Name, ScopesIn, STRICT } from '../../formats.ts';
import { parseComingInstant } from '../../instants.ts';
import { parseOptionalText, parseScopes } from '../../members.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ACCOUNT_PATH, accountIn } from '../../paths.ts';
import { apiKeyResource } from '../../resources/api-key.ts';

const Body = Type.Object(
  {
    name: Type.Optional(Name('For people.')),
    scopes: Type.Optional(ScopesIn('What the key may do; `balance:read` where left out.')),
    expires_at: Type.Optional(Instant('From when on it is refused; never where left out.')),
    sha256: Type.Optional(
      Type.String({
        format: 'sha256',
        pattern: '^[0-9a-fA-F]{64}$',
        description:
          'The SHA-256 of a key that the customer has already: it is imported, and no new one is made.',
      }),
    ),
  },
  STRICT,
);

export function createApiKeyRoute(app: App, { database }: RouteParts): void {
  app.post(
    '/v1/accounts/:id/api_keys',
    {
      config: { scopes: ['keys:write'], errors: ['account_not_found', 'api_key_taken'] },
      schema: {
        operationId: 'createApiKey',
        tags: ['API keys'],
        summary: 'Make an API key, or import one',
        params: ACCOUNT_PATH,
        body: Body,
        response: {
          200: answer('The imported key, which the account has already.', one('ApiKey')),
          201: answer('The key; `key` is its secret, shown this one time.', one('ApiKey')),
        },
      },
    },
    async ({ params, body }, reply) => {
      const terms = {
        name: parseOptionalText('name', body.name),
        scopes: body.scopes ? parseScopes(body.scopes) : null,
        expiresAt:
          body.expires_at === undefined
            ? null
            : parseComingInstant('expires_at', body.expires_at, Date.now()),
      };
      const account = await accountIn(database, params);
      if (body.sha256 === undefined) {
        const { apiKey, secret } = await createApiKey(database, account.id, terms);
        return reply.code(201).send({ data: apiKeyResource(apiKey, secret) });
      }
      const sha256 = body.sha256.toLowerCase();
      const result = await importApiKey(database, account.id, { ...terms, sha256 });
      if ('taken' in result) throw new ApiError('api_key_taken');
      return 'imported' in result
        ? reply.code(201).send({ data: apiKeyResource(result.imported) })
        : reply.code(200).send({ data: apiKeyResource(result.existing) });
    },
  );
}
