import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '../src/http/errors/codes.ts';

const PAGES = new URL('../../docs/errors/', import.meta.url);
const codes = Object.keys(ERRORS) as ErrorCode[];

describe('the registry of error codes', () => {
  test('has a page for each code, and no page for another', () => {
    const pages = readdirSync(PAGES).map((file) => file.replace(/\.md$/, ''));
    expect(pages.sort()).toEqual([...codes].sort());
  });

  test.each(codes)('%s has a page with its status, an example of its body and a cure', (code) => {
    const page = readFileSync(new URL(`${code}.md`, PAGES), 'utf8');
    expect(page).toContain(`# ${code}\n\nStatus ${ERRORS[code].status}.`);
    const example = /```json\n([\s\S]*?)\n```/.exec(page)?.[1] ?? '';
    // For this code, SDKs of product APIs expect a list as `detail`.
    const detail = expect.any(code === 'request_not_priced' ? Array : String);
    expect(JSON.parse(example)).toMatchObject({ code, detail });
    expect(page).toMatch(/\*\*To solve it:\*\* \S/);
  });
});
