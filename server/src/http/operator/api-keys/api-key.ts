import { Type } from 'typebox';
import type { ApiKey } from '../../../auth/api-keys.ts';
import { uuidId } from '../../../ledger/operations/ids.ts';
import { AccountPublicId, ApiKeyId, Instant, OrNull, Scope } from '../../input/formats.ts';
import { formatInstant, formatOptionalInstant } from '../../input/instants.ts';

const attributes = {
  account: AccountPublicId('The account whose credit the key spends.'),
  name: OrNull(Type.String()),
  scopes: Type.Array(Scope()),
  masked: OrNull(
    Type.String({ description: 'Such as `prsr_AbCd…wXyZ`; null for a key imported as a hash.' }),
  ),
  created_at: Instant('The time at which it was made or imported.'),
  expires_at: OrNull(Instant('The time from which on it is refused.')),
  revoked_at: OrNull(Instant('The time at which it was revoked.')),
  last_used_at: OrNull(Instant('The time of its last use, some seconds late.')),
};

export const ApiKeyResource = Type.Object(
  {
    type: Type.Literal('api_key'),
    id: ApiKeyId('The key.'),
    attributes: Type.Object({
      ...attributes,
      key: Type.Optional(
        Type.String({ description: 'The secret, in the answer that made it and never again.' }),
      ),
    }),
  },
  { $id: 'ApiKey' },
);

/** A key without its secret. */
export function apiKeyResource(apiKey: ApiKey) {
  return {
    type: 'api_key',
    id: uuidId('key', apiKey.id),
    attributes: {
      account: apiKey.accountPublicId,
      name: apiKey.name,
      scopes: apiKey.scopes,
      masked: apiKey.masked,
      created_at: formatInstant(apiKey.createdAt),
      expires_at: formatOptionalInstant(apiKey.expiresAt),
      revoked_at: formatOptionalInstant(apiKey.revokedAt),
      last_used_at: formatOptionalInstant(apiKey.lastUsedAt),
    },
  };
}
