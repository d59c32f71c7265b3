import { Type } from 'typebox';
import { accountIdOf } from '../../../ledger/operations/ids.ts';
import { DEFAULT_PRIORITY } from '../../../ledger/rules/decide.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import {
  CentsIn,
  Description,
  Instant,
  Metadata,
  OneOf,
  Scope,
  STRICT,
} from '../../input/formats.ts';
import { parseOptionalInstant } from '../../input/instants.ts';
import { parseMetadata, parseOptionalText, parsePositiveAmount } from '../../input/members.ts';
import { ACCOUNT_PATH, accountIdIn } from '../../input/paths.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { askedBy, carryOut, MONEY_ERRORS } from '../../outcomes/carry-out.ts';
import { GRANT_CATEGORIES, newGrantResource } from '../../resources/grant.ts';

const DEFAULT_CATEGORY = 'paid';
const MOST_SCOPES = 50;

const Body = Type.Object(
  {
    amount: CentsIn('The credit, in cents; above 0.'),
    category: Type.Optional(OneOf(GRANT_CATEGORIES, `Default: \`${DEFAULT_CATEGORY}\`.`)),
    priority: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description: `Lower burns first. Default: ${DEFAULT_PRIORITY}.`,
      }),
    ),
    effective_at: Type.Optional(
      Instant(
        'The time from which on it can be spent. It can be spent at once if the time is left out or past.',
      ),
    ),
    expires_at: Type.Optional(
      Instant('The time from which on it cannot be spent any more. Default: never.'),
    ),
    applies_to: Type.Optional(
      Type.Array(Scope(), {
        minItems: 1,
        maxItems: MOST_SCOPES,
        uniqueItems: true,
        description: 'The scopes that it pays for. Default: everything.',
      }),
    ),
    description: Type.Optional(Description()),
    metadata: Type.Optional(Metadata()),
  },
  STRICT,
);

export function createGrantRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/accounts/:id/grants',
    {
      config: {
        scopes: ['ledger:write'],
        errors: ['account_not_found', 'amount_too_large', 'too_many_grants', ...MONEY_ERRORS],
      },
      schema: {
        operationId: 'createGrant',
        tags: ['Grants'],
        summary: 'Give an account credit',
        params: ACCOUNT_PATH,
        headers: IDEMPOTENCY_HEADER,
        body: Body,
        response: { 201: replayable('The grant.', one('Grant')) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const publicId = accountIdIn(request.params);
      const amount = parsePositiveAmount('amount', body.amount);
      const terms = {
        category: body.category ?? DEFAULT_CATEGORY,
        priority: body.priority ?? DEFAULT_PRIORITY,
        effectiveAt: parseOptionalInstant('effective_at', body.effective_at),
        expiresAt: parseOptionalInstant('expires_at', body.expires_at),
        appliesTo: body.applies_to?.toSorted() ?? null,
      };
      const { category, priority, effectiveAt, expiresAt, appliesTo } = terms;
      const asked = askedBy(request, {
        kind: 'grant',
        account: accountIdOf(publicId),
        accountPublicId: publicId,
        values: [publicId, amount, category, priority, effectiveAt, expiresAt, String(appliesTo)],
        description: parseOptionalText('description', body.description),
        metadata: parseMetadata(body.metadata),
      });
      const receipt = await carryOut(parts, request, reply, { amount, terms, ...asked });
      return reply.code(201).send({ data: newGrantResource(receipt) });
    },
  );
}
