import { Type } from 'typebox';
import { RequestNotPriced } from '../../pricing/cost.ts';
import { customerOf } from '../door/audiences.ts';
import type { App, RouteParts } from '../door/parts.ts';
import { ApiError, invalidRequest } from '../errors/api-error.ts';
import { RouteName, STRICT } from '../input/formats.ts';
import { answer, NO_QUERY, one } from '../openapi/document.ts';
import { quoteResource } from './quote.ts';

const Body = Type.Object(
  {
    route: RouteName('The route, by its name in the price book.'),
    request: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description:
          'The members of the request: those of its query for GET and DELETE, else those of its JSON body.',
        examples: [{ research_effort: 'deep' }],
      }),
    ),
  },
  STRICT,
);

export function createQuoteRoute(app: App, { gateway }: RouteParts): void {
  app.post(
    '/v1/quotes',
    {
      config: { scopes: ['billing:read'], errors: ['route_not_found', 'clock_unreliable'] },
      schema: {
        operationId: 'createQuote',
        tags: ['Billing'],
        summary: 'Ask for the cost of a call of a priced route now',
        description:
          'Says whether the call would be let through, its exact or largest cost, and which grants would pay. It changes nothing and promises nothing: another call may come before.',
        querystring: NO_QUERY,
        body: Body,
        response: { 200: answer('The quote.', one('Quote')) },
      },
    },
    async (request) => {
      const { route, request: members = {} } = request.body;
      const quote = await gateway?.quote(customerOf(request), route, members).catch(explain);
      if (!quote) throw new ApiError('route_not_found');
      return { data: quoteResource(quote) };
    },
  );
}

function explain(error: unknown): never {
  if (!(error instanceof RequestNotPriced)) throw error;
  throw invalidRequest(['request', ...error.loc].join('.').concat(`: ${error.message}`));
}
