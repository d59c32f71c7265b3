import type { Reporter, TestModule } from 'vitest/node';

/**
 * Ends the output with the line `N passed, N failed` (with `, N skipped` if there are any). A file
 * that could not run counts as one failure.
 */
export default class CountReporter implements Reporter {
  readonly #notRun: readonly string[];

  /** `notRun` lists the tests whose programs this machine does not have. */
  constructor({ notRun = [] }: { notRun?: readonly string[] } = {}) {
    this.#notRun = notRun;
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let skipped = 0;
    let failed = errors.length;
    for (const module of modules) {
      failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failed += 1;
        else skipped += 1;
      }
    }
    const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`;
    const missing = this.#notRun.map((what) => `NOT RUN: ${what}\n`).join('');
    // Prints at exit, after the output of all other reporters.
    process.once('exit', () => process.stdout.write(`\n${missing}${line}`));
  }
}
