import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createOperatorKey, revokeOperatorKey } from '../../src/auth/operator-keys.ts';
import { OperatorError } from '../../src/operator-error.ts';
import { useDatabase } from '../postgres.ts';
import { startServer, useServers } from '../server.ts';

const db = useDatabase();
useServers();

/** The output of a start without a demo, until it listens. */
async function startedOutput(): Promise<string> {
  const node = await startServer({ DATABASE_URL: db.databaseUrl });
  await node.end();
  return node.output();
}

test('a start says how to make an operator key while no valid one exists', async () => {
  const hint = 'No operator key is valid: make one with `npx purser operator-key create`.';
  const newKey = async (expiresAt: number | null) =>
    (await createOperatorKey(db.database, { name: null, scopes: null, expiresAt })).operatorKey.id;
  expect(await startedOutput()).toContain(hint);
  await newKey(Date.now() - 1);
  expect(await startedOutput()).toContain(hint);
  const id = await newKey(null);
  expect(await startedOutput()).not.toContain('operator key');
  await revokeOperatorKey(db.database, id);
  expect(await startedOutput()).toContain(hint);
});

test('a start on a port that is taken says what to do', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const start = startServer({ DATABASE_URL: db.databaseUrl, PURSER_PORT: String(port) });
  await expect(start).rejects.toMatchObject({
    constructor: OperatorError,
    message: expect.stringContaining('cannot listen'),
    solution: expect.stringContaining('PURSER_PORT'),
  });
  other.close();
});
