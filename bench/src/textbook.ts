import { createHash } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';

/**
 * The baseline of charges, as in a textbook: it looks up the key, then runs one transaction a charge
 * over a pool of 16 connections. `seed.ts` makes its tables.
 */

const pool = new pg.Pool({ connectionString: process.argv[2] ?? '', max: 16 });

const BODY = {
  type: 'object',
  required: ['account', 'amount'],
  additionalProperties: false,
  properties: {
    account: { type: 'string', pattern: '^[0-9a-f]{64}$' },
    amount: { type: 'string', pattern: '^(0|[1-9]\\d{0,12})(\\.\\d{1,6})?$' },
  },
};

interface Charge {
  readonly account: string;
  readonly amount: string;
}

const app = Fastify({ logger: false });

app.addHook('onRequest', async (request, reply) => {
  const key = String(request.headers['x-api-key'] ?? '');
  const { rows } = await pool.query({
    name: 'key',
    text: 'select id from keys where sha256 = $1 and revoked_at is null',
    values: [createHash('sha256').update(key).digest()],
  });
  if (rows.length === 0) await reply.code(401).send({ detail: 'Invalid or expired API key' });
});

app.post<{ Body: Charge }>('/v1/charges', { schema: { body: BODY } }, async (request, reply) => {
  const { account, amount } = request.body;
  const microcents = BigInt(Math.round(Number(amount) * 1_000_000));
  const client = await pool.connect();
  try {
    await client.query('begin');
    const updated = await client.query({
      name: 'update',
      text: 'update balances set amount = amount - $2 where account = $1 and amount >= $2 returning amount',
      values: [account, microcents],
    });
    if (updated.rows.length === 0) {
      await client.query('rollback');
      return reply.code(402).send({ detail: 'Insufficient credits' });
    }
    const inserted = await client.query({
      name: 'insert',
      text: 'insert into lines (account, amount, idempotency_key) values ($1, $2, $3) returning id, at',
      values: [account, microcents, request.headers['idempotency-key']],
    });
    await client.query('commit');
    const { id, at } = inserted.rows[0];
    return reply.code(201).send({
      data: {
        type: 'charge',
        id,
        attributes: { account, amount, available: updated.rows[0].amount, created_at: at },
      },
    });
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
});

const url = await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`listening on ${url}\n`);
