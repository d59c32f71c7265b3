import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { DEBIAN_POSTGRESQL_15 } from './test/clusters.ts';

/** What is different with another PostgreSQL; the schema is dumped by the oldest. */
const ON_15 = [
  'test/database/**/*.test.ts',
  'test/http/**/*.test.ts',
  'test/nodes/**/*.test.ts',
  'test/schema.test.ts',
];

const common = {
  globalSetup: ['test/postgres-setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  test: {
    reporters: [['default', { summary: false }], './test/count-reporter.ts'],
    projects: [
      {
        test: {
          ...common,
          name: 'postgresql-18',
          include: ['test/**/*.test.ts'],
          exclude: ['test/schema.test.ts'],
        },
      },
      ...(existsSync(DEBIAN_POSTGRESQL_15)
        ? [{ test: { ...common, name: 'postgresql-15', include: ON_15 } }]
        : []),
    ],
  },
});
