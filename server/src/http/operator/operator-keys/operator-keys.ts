import { Type } from 'typebox';
import {
  createOperatorKey,
  listOperatorKeys,
  revokeOperatorKey,
} from '../../../auth/operator-keys.ts';
import { OPERATOR_SCOPES } from '../../../auth/scopes.ts';
import { parseUuidId, uuidId } from '../../../ledger/operations/ids.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { Instant, Name, OneOf, STRICT } from '../../input/formats.ts';
import { parseComingInstant } from '../../input/instants.ts';
import { parseOptionalText } from '../../input/members.ts';
import { listOf, PAGE_QUERY, pageOf } from '../../input/pages.ts';
import { operatorKeyResource } from './operator-key.ts';

/**
 * The routes of operator keys serve the machine's own command line only. The network never gets them,
 * so that no key can make another.
 */

const SCOPES = ['keys:write'];

const Body = Type.Object(
  {
    name: Type.Optional(Name('For people.')),
    scopes: Type.Optional(
      Type.Array(OneOf(OPERATOR_SCOPES), { uniqueItems: true, maxItems: OPERATOR_SCOPES.length }),
    ),
    expires_at: Type.Optional(Instant('The time from which on it is refused. Default: never.')),
  },
  STRICT,
);

const Path = Type.Object({ id: Type.String() });

export function operatorKeyRoutes(app: App, { database }: RouteParts): void {
  app.post(
    '/v1/operator_keys',
    { config: { scopes: SCOPES }, schema: { body: Body } },
    async ({ body }, reply) => {
      const { operatorKey, secret } = await createOperatorKey(database, {
        name: parseOptionalText('name', body.name),
        scopes: body.scopes ?? null,
        expiresAt:
          body.expires_at === undefined
            ? null
            : parseComingInstant('expires_at', body.expires_at, Date.now()),
      });
      return reply.code(201).send({ data: operatorKeyResource(operatorKey, secret) });
    },
  );

  app.get(
    '/v1/operator_keys',
    { config: { scopes: SCOPES }, schema: { querystring: Type.Object(PAGE_QUERY, STRICT) } },
    async (request) => {
      const position = pageOf(request.query, ([id = '', ...rest]) =>
        rest.length === 0 ? parseUuidId('opk', id) : undefined,
      );
      const page = await listOperatorKeys(database, position);
      const print = (key: (typeof page.items)[number]) => operatorKeyResource(key);
      return listOf(request, page, print, (key) => [uuidId('opk', key.id)]);
    },
  );

  app.delete(
    '/v1/operator_keys/:id',
    { config: { scopes: SCOPES }, schema: { params: Path } },
    async ({ params }, reply) => {
      const id = parseUuidId('opk', params.id);
      if (id === undefined || !(await revokeOperatorKey(database, id))) {
        throw new ApiError('operator_key_not_found');
      }
      return reply.code(204).send();
    },
  );
}
