import replyFrom from '@fastify/reply-from';
import Fastify from 'fastify';

/** The baseline of the gateway: Fastify that forwards every request and does nothing else. */

/** The gateway's default. */
const CONNECTIONS = 128;

const app = Fastify({ logger: false });
app.register(replyFrom, { base: process.argv[2] ?? '', undici: { connections: CONNECTIONS } });
app.get('/*', (request, reply) => reply.from(request.url));
const url = await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`listening on ${url}\n`);
