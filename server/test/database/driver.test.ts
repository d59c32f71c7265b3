import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { Flush } from '../../src/db/connection/flush.ts';

/**
 * The parts of pg that flush.ts and pipeline.ts in db/connection use and pg does not publish (adr/0011).
 * If one of these tests fails after an upgrade of pg, compare both files with lib/query.js,
 * lib/client.js and lib/connection.js of the new version. Then test/database/flush.test.ts must pass.
 */

/** Messages of the server that pg hands to the query under way. */
const HANDLED = [
  'handleCommandComplete',
  'handleDataRow',
  'handleError',
  'handleReadyForQuery',
  'handleRowDescription',
];
/** Messages that no statement of a flush causes: empty texts, COPY, and portals read in parts. */
const NEVER_SENT = [
  'handleCopyData',
  'handleCopyInResponse',
  'handleEmptyQuery',
  'handlePortalSuspended',
];

const handlersOf = (prototype: object) =>
  Object.getOwnPropertyNames(prototype)
    .filter((name) => name.startsWith('handle'))
    .sort();

describe('the driver', () => {
  test('is the version that Flush was compared with', () => {
    const path = createRequire(import.meta.url).resolve('pg/package.json');
    const { version } = JSON.parse(readFileSync(path, 'utf8'));
    expect(version, 'pg has another version: read the comment above this test').toBe('8.23.1');
  });

  test('hands a query the messages that Flush handles, and none besides that it can get', () => {
    expect(handlersOf(Flush.prototype)).toEqual(HANDLED);
    expect(handlersOf(pg.Query.prototype)).toEqual([...HANDLED, ...NEVER_SENT].sort());
  });

  test('has a connection with the messages that Flush sends, on a stream', () => {
    const { connection } = new pg.Client() as unknown as {
      connection: Record<string, unknown> & { stream: Record<string, unknown> };
    };
    const missingIn = (owner: Record<string, unknown>, names: readonly string[]) =>
      names.filter((name) => typeof owner[name] !== 'function');
    const sent = ['close', 'parse', 'bind', 'describe', 'execute', 'sync'];
    expect(missingIn(connection, sent)).toEqual([]);
    expect(missingIn(connection.stream, ['cork', 'uncork', 'destroy'])).toEqual([]);
  });
});
