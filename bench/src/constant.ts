import Fastify from 'fastify';

/** The baseline of balance reads: Fastify with a bare route and a constant answer of the same size. */
const BODY = `{"data":{"type":"account","id":"${'e'.repeat(64)}","attributes":{"balance":718924.5}}}`;

const app = Fastify({ logger: false });
app.get('/v1/billing/account_balance', (_request, reply) => {
  reply.type('application/json; charset=utf-8').send(BODY);
});
const url = await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`listening on ${url}\n`);
