import type { OperatorKey } from '../../../auth/operator-keys.ts';
import { uuidId } from '../../../ledger/operations/ids.ts';
import { formatInstant, formatOptionalInstant } from '../../input/instants.ts';

/** An operator key as the command line shows it. Only the answer to its creation has the secret. */
export function operatorKeyResource(key: OperatorKey, secret?: string) {
  return {
    type: 'operator_key',
    id: uuidId('opk', key.id),
    attributes: {
      name: key.name,
      scopes: key.scopes,
      masked: key.masked,
      created_at: formatInstant(key.createdAt),
      expires_at: formatOptionalInstant(key.expiresAt),
      revoked_at: formatOptionalInstant(key.revokedAt),
      last_used_at: formatOptionalInstant(key.lastUsedAt),
      ...(secret !== undefined && { key: secret }),
    },
  };
}
