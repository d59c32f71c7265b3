// A Purser process for the tests in this folder. It joins the embedded PostgreSQL with the options
// in its argument. It reports events to its parent as lines of JSON, and leaves at the end of its
// input.

import { type EmbeddedOptions, startEmbedded } from '../../src/db/embedded/embedded.ts';
import { OperatorError } from '../../src/operator-error.ts';

const options: Omit<EmbeddedOptions, 'log'> = JSON.parse(process.argv[2] ?? '{}');
const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);
const log = {
  info: (info: string) => tell({ info }),
  warn: (warn: string) => tell({ warn }),
};

try {
  const embedded = await startEmbedded({ ...options, log });
  tell({ up: { created: embedded.created, ...embedded.connection() } });
  process.stdin.resume().once('end', () => {
    void embedded.stop().then(() => tell({ stopped: true }));
  });
} catch (error) {
  if (!(error instanceof OperatorError)) throw error;
  const { message, details, solution } = error;
  tell({ failed: { message, details, solution } });
}
