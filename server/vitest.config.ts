import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { DEBIAN_POSTGRESQL_15, PGBOUNCER } from './test/clusters.ts';
import LongestFirst from './test/longest-first.ts';

/** The files whose result depends on PostgreSQL's version. The oldest version dumps the schema. */
const ON_15 = ['test/database/**/*.test.ts', 'test/nodes/two-nodes.test.ts', 'test/schema.test.ts'];

const with15 = existsSync(DEBIAN_POSTGRESQL_15);
const withPgBouncer = existsSync(PGBOUNCER);
/** The tests that were not run, for the end of the output: they must not look as if they had passed. */
const notRun = [
  ...(with15 ? [] : ["everything on PostgreSQL 15 (install Debian's postgresql-15)"]),
  ...(withPgBouncer ? [] : ["the tests that need PgBouncer (install Debian's pgbouncer)"]),
];
const excluded = withPgBouncer ? [] : ['test/database/pgbouncer.test.ts'];

const common = {
  // Each file has a database of its own and leaves nothing behind, so a worker loads the modules once.
  isolate: false,
  globalSetup: ['test/postgres-setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  test: {
    // A third of the suite's time is waiting, so one worker more than there are cores keeps all of them busy.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongestFirst },
    reporters: [
      ['default', { summary: false }],
      ['./test/count-reporter.ts', { notRun }],
    ],
    projects: [
      {
        test: {
          ...common,
          name: 'postgresql-18',
          include: ['test/**/*.test.ts'],
          exclude: ['test/schema.test.ts', ...excluded],
        },
      },
      ...(with15
        ? [{ test: { ...common, name: 'postgresql-15', include: ON_15, exclude: excluded } }]
        : []),
    ],
  },
});
