import { readFileSync } from 'node:fs';
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';

const { version } = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
) as { version: string };

const IN_HEADER = { type: 'apiKey', in: 'header', name: 'X-API-Key' } as const;
const AS_BEARER = { type: 'http', scheme: 'bearer' } as const;
const AS_BEARER_IF = 'if the request has no `X-API-Key`.';

/** Collects the routes that `app` gets from now on for an OpenAPI 3.1 document. */
export async function addOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Purser',
        version,
        description:
          'Prepaid credits for businesses that sell an API. Amounts are decimal strings of cents; times are RFC 3339 in UTC. A path with another method is 405 `method_not_allowed`, and `Allow` names its methods.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: 'http://127.0.0.1:8080', description: 'A server on this machine' }],
      tags: [
        { name: 'Billing', description: 'Requests that customers make with their own keys.' },
        { name: 'Accounts', description: 'Billing entities and their credit.' },
        { name: 'API keys', description: "Customers' credentials." },
        {
          name: 'Spend limits',
          description: 'Limits of the spending in a day, a month or in total.',
        },
        { name: 'Grants', description: 'Credit given.' },
        { name: 'Charges', description: 'Credit spent.' },
      ],
      components: {
        securitySchemes: {
          customer_key: { ...IN_HEADER, description: "A customer's API key." },
          customer_bearer: { ...AS_BEARER, description: `A customer's API key, ${AS_BEARER_IF}` },
          operator_key: { ...IN_HEADER, description: "The operator's key." },
          operator_bearer: { ...AS_BEARER, description: `The operator's key, ${AS_BEARER_IF}` },
        },
      },
    },
    refResolver: {
      buildLocalReference: (json, _baseUri, _fragment, index) =>
        typeof json.$id === 'string' ? json.$id : `schema${index}`,
    },
  });
}

/** The OpenAPI document of a ready app, as JSON text. */
export function openApiText(app: FastifyInstance): string {
  return JSON.stringify(app.swagger(), null, 2);
}
