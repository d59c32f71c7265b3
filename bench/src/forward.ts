import replyFrom from '@fastify/reply-from';
import Fastify from 'fastify';

/** The baseline of the gateway: the same framework, every request forwarded and nothing else. */

/** As many as the gateway has where its price book says nothing. */
const CONNECTIONS = 128;

const app = Fastify({ logger: false });
app.register(replyFrom, { base: process.argv[2] ?? '', undici: { connections: CONNECTIONS } });
app.get('/*', (request, reply) => reply.from(request.url));
const url = await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`listening on ${url}\n`);
