import { Type } from 'typebox';
import { findApiKey } from '../../../auth/api-keys.ts';
import type { OperatorScope } from '../../../auth/scopes.ts';
import type { Sql } from '../../../db/connection/database.ts';
import type { LimitKey } from '../../../ledger/accounts/spend-limits.ts';
import { ApiError, invalidRequest } from '../../errors/api-error.ts';
import type { ErrorCode } from '../../errors/codes.ts';
import { accountIn, apiKeyIdIn } from '../../input/paths.ts';
import { type LimitHolder, SPEND_PERIODS } from './spend-limit.ts';

/** Accounts and API keys have the same routes of spend limits, each under its own path. */

interface PathValues {
  readonly id: string;
  readonly period: string;
}

/** The limit that a path names, set or not, and its holder. */
export interface NamedLimit {
  readonly key: LimitKey;
  readonly holder: LimitHolder;
}

interface HolderKind {
  readonly url: string;
  readonly params: ReturnType<typeof pathOf>;
  /** The end of the routes' operation ids. */
  readonly suffix: 'AccountSpendLimit' | 'ApiKeySpendLimit';
  readonly noun: 'an account' | 'an API key';
  readonly writeScope: OperatorScope;
  readonly notFound: ErrorCode;
  /** Throws if the path names no period, or no account or key. */
  readonly limitIn: (on: Sql, path: PathValues) => Promise<NamedLimit>;
}

const ACCOUNTS: HolderKind = {
  url: '/v1/accounts/:id/spend_limits/:period',
  params: pathOf("The account's id."),
  suffix: 'AccountSpendLimit',
  noun: 'an account',
  writeScope: 'accounts:write',
  notFound: 'account_not_found',
  limitIn: async (on, path) => {
    const period = periodIn(path);
    const { id: account, publicId: accountPublicId } = await accountIn(on, path);
    const key = { account, apiKeyId: null, period };
    return { key, holder: { accountPublicId, apiKeyId: null } };
  },
};

const API_KEYS: HolderKind = {
  url: '/v1/api_keys/:id/spend_limits/:period',
  params: pathOf("The key's id."),
  suffix: 'ApiKeySpendLimit',
  noun: 'an API key',
  writeScope: 'keys:write',
  notFound: 'api_key_not_found',
  limitIn: async (on, path) => {
    const period = periodIn(path);
    const apiKey = await findApiKey(on, apiKeyIdIn(path));
    if (!apiKey) throw new ApiError('api_key_not_found');
    const { account, accountPublicId, id: apiKeyId } = apiKey;
    const key = { account, apiKeyId, period };
    return { key, holder: { accountPublicId, apiKeyId } };
  },
};

export const LIMIT_HOLDERS: readonly HolderKind[] = [ACCOUNTS, API_KEYS];

function pathOf(description: string) {
  return Type.Object({
    id: Type.String({ description }),
    period: Type.String({ description: `One of ${SPEND_PERIODS.join(', ')}.` }),
  });
}

function periodIn({ period }: PathValues): LimitKey['period'] {
  const known = SPEND_PERIODS.find((word) => word === period);
  if (!known) throw invalidRequest(`period must be one of ${SPEND_PERIODS.join(', ')}`);
  return known;
}
