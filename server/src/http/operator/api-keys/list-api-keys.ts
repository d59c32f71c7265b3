import { Type } from 'typebox';
import { listApiKeys } from '../../../auth/api-keys.ts';
import { parseUuidId, uuidId } from '../../../ledger/operations/ids.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { STRICT } from '../../input/formats.ts';
import { listOf, PAGE_QUERY, pageOf } from '../../input/pages.ts';
import { ACCOUNT_PATH, accountIn } from '../../input/paths.ts';
import { answer, many } from '../../openapi/document.ts';
import { apiKeyResource } from './api-key.ts';

export function listApiKeysRoute(app: App, { database }: RouteParts): void {
  app.get(
    '/v1/accounts/:id/api_keys',
    {
      config: { scopes: ['ledger:read', 'keys:write'], errors: ['account_not_found'] },
      schema: {
        operationId: 'listApiKeys',
        tags: ['API keys'],
        summary: "List an account's API keys, without their secrets",
        params: ACCOUNT_PATH,
        querystring: Type.Object(PAGE_QUERY, STRICT),
        response: { 200: answer('API keys, newest first.', many('ApiKey')) },
      },
    },
    async (request) => {
      const position = pageOf(request.query, ([id = '', ...rest]) =>
        rest.length === 0 ? parseUuidId('key', id) : undefined,
      );
      const { id } = await accountIn(database, request.params);
      const page = await listApiKeys(database, id, position);
      const print = (key: (typeof page.items)[number]) => apiKeyResource(key);
      return listOf(request, page, print, (key) => [uuidId('key', key.id)]);
    },
  );
}
