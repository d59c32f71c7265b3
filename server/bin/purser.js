#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main);
} else {
  process.stderr.write(
    'Error: Purser has not been built.\nDetails: dist/main.js is missing.\nTo solve it: Run `npm ci` at the root of the checkout, and look for errors in what it prints.\n',
  );
  process.exitCode = 1;
}
