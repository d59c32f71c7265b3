import { Type } from 'typebox';
import { findApiKey, rotateApiKeyIn, type TooManySecrets } from '../../../auth/api-keys.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError, apiKeyInactive } from '../../errors/api-error.ts';
import { STRICT } from '../../input/formats.ts';
import { formatInstant } from '../../input/instants.ts';
import { API_KEY_PATH, apiKeyIdIn } from '../../input/paths.ts';
import { OPTIONAL_IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { answerOnce, SECRET_ERRORS } from '../../outcomes/once.ts';
import { apiKeyResource } from './api-key.ts';

/** A week: longer than a deployment, and too short to forget the second valid secret. */
const LONGEST_GRACE_S = 604_800;

const Body = Type.Object(
  {
    grace_s: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: LONGEST_GRACE_S,
        default: 0,
        description: 'The seconds for which the old secret stays valid beside the new one.',
      }),
    ),
  },
  STRICT,
);

export function rotateApiKeyRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/api_keys/:id/rotate',
    {
      config: {
        scopes: ['keys:write'],
        errors: ['api_key_not_found', 'api_key_inactive', 'too_many_secrets', ...SECRET_ERRORS],
      },
      schema: {
        operationId: 'rotateApiKey',
        tags: ['API keys'],
        summary: 'Give an API key a new secret',
        description:
          'The key keeps its id, its scopes and its limits. The old secret is refused `grace_s` seconds after the rotation, at once and on every node if that is 0. A secret that ends earlier, because of an earlier rotation, keeps its end. Send an `Idempotency-Key`, and a repetition after a lost answer gets the same secret; without one it makes another. At most five are valid at once, so a sixth needs `grace_s` 0, or the end of an earlier one.',
        params: API_KEY_PATH,
        headers: OPTIONAL_IDEMPOTENCY_HEADER,
        body: Body,
        response: {
          200: replayable('The key; `key` is its new secret, shown this one time.', one('ApiKey')),
        },
      },
    },
    async (request, reply) => {
      const { grace_s: graceS = 0 } = request.body;
      const apiKey = await findApiKey(parts.database, apiKeyIdIn(request.params));
      if (!apiKey) throw new ApiError('api_key_not_found');
      const { id, accountPublicId } = apiKey;
      const asked = { kind: 'rotation', accountPublicId, values: [id, graceS] } as const;
      return answerOnce(parts, request, reply, asked, async (tx, newSecret) => {
        const secret = newSecret();
        const result = await rotateApiKeyIn(tx, id, graceS, secret);
        if (!result) throw new ApiError('api_key_not_found');
        if ('inactive' in result) throw apiKeyInactive(result.inactive);
        if ('mostSecrets' in result) throw tooManySecrets(result);
        return { status: 200, resource: apiKeyResource(result.apiKey), secret };
      });
    },
  );
}

function tooManySecrets({ mostSecrets, firstEnd }: TooManySecrets): ApiError {
  return new ApiError('too_many_secrets', {
    detail: `The API key has ${mostSecrets} valid secrets, the most it may have: rotate with grace_s 0, which ends them at once, or wait until ${formatInstant(firstEnd)}, when one ends`,
  });
}
