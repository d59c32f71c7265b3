import type { Reporter, TestModule } from 'vitest/node';

/**
 * Ends the output with the line `N passed, N failed` (and `, N skipped` where there are any). A file
 * that could not be run counts as one failure.
 */
export default class CountReporter implements Reporter {
  readonly #notRun: readonly string[];

  /** `notRun` names what this machine lacks the programs for. */
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
    // Behind everything that the other reporters still have to say.
    process.once('exit', () => process.stdout.write(`\n${missing}${line}`));
  }
}
