import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { TEXT } from './model-formats.ts';
import { useModels } from './model-rig.ts';
import { CHAT_SDK, MESSAGES_SDK, SDKS, watched } from './model-sdks.ts';

/** The examples of docs/gateway.md for customers who use the official SDKs. */

const db = useDatabase();
const { gateway, newCustomer } = useModels(db);

const DOCS = readFileSync(new URL('../../../docs/gateway.md', import.meta.url), 'utf8');
const [SECTION = ''] = DOCS.split("### OpenAI's and Anthropic's SDKs").slice(1);

/** Runs a program as a customer who has the SDKs does. Resolves with its output. */
async function run(program: string, env: Readonly<Record<string, string>>): Promise<string> {
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const options = { cwd, env: { PATH: '/usr/bin:/bin', ...env } };
  const args = ['--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  return stdout;
}

test('the code in it runs unchanged, except for the address', async () => {
  const { key, balance } = await newCustomer();
  const blocks = [...SECTION.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code);
  const program = blocks.join('\n').replaceAll('https://api.example.com', gateway.url);
  const printed = await run(program, { EXAMPLE_KEY: key });
  expect(printed).toBe(`${TEXT}\n${TEXT}\n${TEXT}\n0.1115 cents\n`);
  expect(await balance()).toBe(String((1_000_000 - 1_205 - 4_275 - 1_115) / 10_000));
});

test('the variables that it names are enough', async () => {
  const { key } = await newCustomer();
  const program = `
    import OpenAI from 'openai';
    import Anthropic from '@anthropic-ai/sdk';
    const messages = [{ role: 'user', content: 'Hello' }];
    const chat = await new OpenAI().chat.completions.create({ model: 'gpt-5', messages });
    const asked = { model: 'claude-haiku-4-5', max_tokens: 9, messages };
    const message = await new Anthropic().messages.create(asked);
    console.log(chat.choices[0].message.content + message.content[0].text);
  `;
  const env = {
    OPENAI_BASE_URL: `${gateway.url}/v1`,
    OPENAI_API_KEY: key,
    ANTHROPIC_BASE_URL: gateway.url,
    ANTHROPIC_API_KEY: key,
  };
  expect(await run(program, env)).toBe(`${TEXT}${TEXT}\n`);
});

test('the errors that it lists are those that the SDKs throw', () => {
  const rows = [...SECTION.matchAll(/^\| (\d{3}) \| `(\w+)`.*? \| `(\w+)` \|/gm)];
  expect(rows.length).toBe(6);
  for (const [, status, ...classes] of rows) {
    const thrown = [CHAT_SDK, MESSAGES_SDK].map(({ errors }) => errors[Number(status)]?.name);
    expect(classes).toEqual(thrown);
  }
});

test.each(SDKS)('the option idempotencyKey sends no header: $name', async (sdk) => {
  const { key } = await newCustomer();
  const { fetch, sent } = watched();
  await sdk.ask({ url: gateway.url, key, fetch }, 'Hello', { idempotencyKey: 'order-1' });
  expect(sent.map((headers) => headers.has('idempotency-key'))).toEqual([false]);
});
