import { Type } from 'typebox';
import { createApiKey, importApiKey } from '../../../auth/api-keys.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { Instant, Name, ScopesIn, STRICT } from '../../input/formats.ts';
import { parseOptionalInstant, requireComing } from '../../input/instants.ts';
import { parseOptionalText, parseScopes } from '../../input/members.ts';
import { ACCOUNT_PATH, accountIn } from '../../input/paths.ts';
import { OPTIONAL_IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { answerOnce, SECRET_ERRORS } from '../../outcomes/once.ts';
import { apiKeyResource } from './api-key.ts';

const Body = Type.Object(
  {
    name: Type.Optional(Name('For people.')),
    scopes: Type.Optional(ScopesIn('The scopes of the key. Default: `balance:read`.')),
    expires_at: Type.Optional(Instant('The time from which on it is refused. Default: never.')),
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

export function createApiKeyRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/accounts/:id/api_keys',
    {
      config: {
        scopes: ['keys:write'],
        errors: ['account_not_found', 'api_key_taken', ...SECRET_ERRORS],
      },
      schema: {
        operationId: 'createApiKey',
        tags: ['API keys'],
        summary: 'Make an API key, or import one',
        description:
          'Send an `Idempotency-Key`: a repetition after a lost answer gets the same key with the same secret. Without it, a valid key may be left whose secret nobody has.',
        params: ACCOUNT_PATH,
        headers: OPTIONAL_IDEMPOTENCY_HEADER,
        body: Body,
        response: {
          200: replayable('The imported key, which the account has already.', one('ApiKey')),
          201: replayable('The key; `key` is its secret, shown this one time.', one('ApiKey')),
        },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const terms = {
        name: parseOptionalText('name', body.name),
        scopes: body.scopes ? parseScopes(body.scopes) : null,
        expiresAt: parseOptionalInstant('expires_at', body.expires_at),
      };
      const sha256 = body.sha256?.toLowerCase() ?? null;
      const { id, publicId } = await accountIn(parts.database, request.params);
      const asked = {
        kind: 'api_key',
        accountPublicId: publicId,
        values: [terms.name, terms.scopes?.join() ?? null, terms.expiresAt, sha256],
      } as const;
      return answerOnce(parts, request, reply, asked, async (tx, newSecret) => {
        requireComing('expires_at', terms.expiresAt, Date.now());
        if (sha256 === null) {
          const { apiKey, secret } = await createApiKey(tx, id, terms, newSecret());
          return { status: 201, resource: apiKeyResource(apiKey), secret };
        }
        const result = await importApiKey(tx, id, { ...terms, sha256 });
        if ('taken' in result) throw new ApiError('api_key_taken');
        return 'imported' in result
          ? { status: 201, resource: apiKeyResource(result.imported) }
          : { status: 200, resource: apiKeyResource(result.existing) };
      });
    },
  );
}
