import { afterEach } from 'vitest';
import { TABLES } from '../../src/ledger/proof/sql/chunks.ts';
import type { TestDatabase } from '../postgres.ts';

const KEPT = ['accounts', ...TABLES];

/**
 * Runs statements without triggers and foreign keys, and restores all rows after each test. Call it
 * once, at the top level.
 */
export function useCorruption(db: TestDatabase): (text: string) => Promise<void> {
  const change = (texts: readonly string[]) =>
    db.query(['set local session_replication_role = replica', ...texts].join(';\n'));
  afterEach(async () => {
    const [kept] = await db.query<{ kept: boolean }>(
      `select to_regclass('kept_accounts') is not null as kept`,
    );
    if (!kept?.kept) return;
    await change(
      KEPT.flatMap((table) => [
        `delete from ${table}`,
        `insert into ${table} select * from kept_${table}`,
        `drop table kept_${table}`,
      ]),
    );
  });
  return async (text) => {
    await change([...KEPT.map((table) => `create table kept_${table} as table ${table}`), text]);
  };
}
