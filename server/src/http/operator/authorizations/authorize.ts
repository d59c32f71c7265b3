import { Type } from 'typebox';
import type { Actor } from '../../../ledger/operations/operations.ts';
import { operatorActor } from '../../door/audiences.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError, invalidRequest } from '../../errors/api-error.ts';
import type { ErrorCode } from '../../errors/codes.ts';
import { CentsIn, Description, ExpiresInS, Metadata, Scope, STRICT } from '../../input/formats.ts';
import { digestOfKey, idempotencyDigest } from '../../input/idempotency.ts';
import { parseAmount, parseMetadata, parseOptionalText } from '../../input/members.ts';
import { answer, one, ref, replayable } from '../../openapi/document.ts';
import { isWanted, MONEY_ERRORS } from '../../outcomes/carry-out.ts';
import { authorizationResource, itemResource } from './authorization.ts';
import { type Authorization, type AuthorizationRequest, authorize } from './decision.ts';

/** The most items of a batch. */
const MOST_ITEMS = 100;
/** The largest item has 13 KB: all of its text is escaped because it is not ASCII. */
const LARGEST_ITEM_BYTES = 16 * 1_024;
const BATCH_LIMIT_BYTES = MOST_ITEMS * LARGEST_ITEM_BYTES;

const MEMBERS = {
  api_key: Type.String({
    minLength: 1,
    maxLength: 512,
    description: 'The API key that the customer sent.',
  }),
  scope: Scope('The scope that the key must have.'),
  amount: Type.Optional(
    CentsIn(
      'The cost, in cents. If it is left out, nothing is charged and only the rest is judged.',
    ),
  ),
  expires_in_s: Type.Optional(ExpiresInS()),
  description: Type.Optional(Description()),
  metadata: Type.Optional(Metadata()),
};

const Body = Type.Object(MEMBERS, STRICT);

const Item = Type.Object(
  {
    ...MEMBERS,
    idempotency_key: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        pattern: '^[\\x21-\\x7e]+$',
        description: 'As the header Idempotency-Key; required if there is an amount.',
      }),
    ),
  },
  STRICT,
);

interface Asked {
  readonly api_key: string;
  readonly scope: string;
  readonly amount?: string;
  readonly expires_in_s?: number;
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/**
 * Parses a request. `digest` is called only if an amount is charged or held. Errors put `place` before
 * the name of a member.
 */
function parse(
  asked: Asked,
  actor: Actor,
  digest: () => ReturnType<typeof digestOfKey>,
  place = '',
) {
  if (asked.amount === undefined && asked.expires_in_s !== undefined) {
    throw invalidRequest(`${place}expires_in_s must be left out if there is no amount to hold`);
  }
  const spending =
    asked.amount === undefined
      ? null
      : {
          amount: parseAmount(`${place}amount`, asked.amount),
          expiresInMs: asked.expires_in_s === undefined ? null : asked.expires_in_s * 1_000,
          idempotencyDigest: digest(),
        };
  return {
    apiKey: asked.api_key,
    scope: asked.scope,
    spending,
    description: parseOptionalText(`${place}description`, asked.description),
    metadata: parseMetadata(asked.metadata, `${place}metadata`),
    actor,
  };
}

const ERRORS = [
  'amount_too_large',
  'too_many_holds',
  'idempotency_key_missing',
  'idempotency_key_invalid',
  ...MONEY_ERRORS,
] as const;

export function authorizeRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/authorizations',
    {
      config: { scopes: ['authorize'], errors: [...ERRORS] },
      schema: {
        operationId: 'authorize',
        tags: ['Authorizations'],
        summary: "Judge a customer's key, and charge or hold in the same commit",
        description:
          'Key, scope, spend limits and credit are one decision. `allowed` false comes with the `status` and `body` to relay to the customer. An `Idempotency-Key` is required if there is an `amount`.',
        body: Body,
        response: { 200: replayable('The decision.', one('Authorization')) },
      },
    },
    async (request, reply) => {
      const digest = () => idempotencyDigest(request.headers);
      const asked = parse(request.body, operatorActor(request), digest);
      const authorization = await authorize(parts, asked, isWanted(request));
      if (authorization.replayed) reply.header('idempotency-replayed', 'true');
      return { data: authorizationResource(authorization) };
    },
  );
}

export function authorizeBatchRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/authorizations/batch',
    {
      config: { scopes: ['authorize'], errors: [...ERRORS] },
      bodyLimit: BATCH_LIMIT_BYTES,
      schema: {
        operationId: 'authorizeBatch',
        tags: ['Authorizations'],
        summary: 'Many authorizations in one request',
        description: `Each is a decision of its own, under its own \`idempotency_key\`; the answers come in the order of the items. An item that is wrong is answered with an \`error\` of its own. If nothing can be decided now, the whole request fails: repeat it as it is. The body may have ${BATCH_LIMIT_BYTES / 1_024} KiB.`,
        body: Type.Object(
          { items: Type.Array(Item, { minItems: 1, maxItems: MOST_ITEMS }) },
          STRICT,
        ),
        response: {
          200: answer('The decisions.', Type.Object({ data: Type.Array(ref('Authorization')) })),
        },
      },
    },
    async (request) => {
      const actor = operatorActor(request);
      const items = request.body.items.map((item, index) => {
        const place = `items.${index}.`;
        const digest = () => {
          if (item.idempotency_key !== undefined) return digestOfKey(item.idempotency_key);
          throw invalidRequest(`${place}idempotency_key is required if there is an amount`);
        };
        return parse(item, actor, digest, place);
      });
      const data = await authorizeAll(parts, items, isWanted(request));
      return { data: data.map(itemResource) };
    },
  );
}

/** The errors that concern one item of a batch alone. */
const OF_ONE_ITEM: readonly ErrorCode[] = [
  'amount_too_large',
  'too_many_holds',
  'idempotency_key_reused',
  'account_busy',
  'clock_unreliable',
];

/**
 * Decides over each item. An error of one item is its answer; the first of any other errors is thrown
 * after all items have ended.
 */
async function authorizeAll(
  parts: RouteParts,
  items: readonly AuthorizationRequest[],
  isWanted: () => boolean,
): Promise<(Authorization | ApiError)[]> {
  const settled = await Promise.allSettled(items.map((item) => authorize(parts, item, isWanted)));
  return settled.map((item) => {
    if (item.status === 'fulfilled') return item.value;
    const { reason } = item;
    if (reason instanceof ApiError && OF_ONE_ITEM.includes(reason.code)) return reason;
    throw reason;
  });
}
