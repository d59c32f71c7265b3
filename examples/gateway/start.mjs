import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startUpstream } from './upstream.mjs';

/**
 * `npm run demo:gateway`: a search API over this project's own pages, and Purser's gateway with the
 * example price book in front of it. At its end it removes everything that it made.
 */

const PURSER = fileURLToPath(new URL('../../server/bin/purser.js', import.meta.url));
const PRICES = fileURLToPath(new URL('../you-prices.yaml', import.meta.url));
const SCOPES = ['balance:read', 'billing:read', 'search', 'contents'];
/** $100.00. */
const CREDIT = '10000';
/** So many last lines of the gateway's output are shown if no line says that it is an error. */
const MOST_LINES = 20;

const say = (text) => process.stdout.write(`${text}\n`);

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}

/**
 * Starts the gateway; `started` resolves with its URL and its operator key, as it prints them. It has a
 * process group of its own: Ctrl-C reaches all of a group, and a second signal would end it at once,
 * before its PostgreSQL.
 */
function startPurser(environment) {
  const child = spawn(process.execPath, [PURSER, 'start'], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  const started = new Promise((resolve, reject) => {
    const hear = (piece) => {
      output += piece;
      const url = /listening on (\S+)\n/.exec(output)?.[1];
      const operatorKey = /prso_\w+/.exec(output)?.[0];
      if (url && operatorKey) resolve({ url, operatorKey });
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('close', () => reject(new Error('the gateway has ended')));
  });
  const ended = new Promise((resolve) => {
    child.once('close', resolve);
    child.once('error', resolve);
  });
  return { child, started, ended, errors: () => errorsIn(output) };
}

/** The gateway's output from its first error on; without one, the last lines. */
function errorsIn(output) {
  const lines = output.split('\n').filter((line) => line !== '');
  const from = lines.findIndex((line) => line.startsWith('Error: '));
  return lines.slice(from < 0 ? -MOST_LINES : from).join('\n');
}

async function post(url, key, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'x-api-key': key,
      'content-type': 'application/json',
      'idempotency-key': crypto.randomUUID(),
    },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${answer.detail}`);
  return answer.data;
}

/** An account with promotional credit, and a key for it. */
async function makeCustomer(url, operatorKey) {
  const account = await post(`${url}/v1/accounts`, operatorKey, {
    kind: 'organization',
    name: 'Demo',
  });
  const path = `${url}/v1/accounts/${account.id}`;
  await post(`${path}/grants`, operatorKey, { amount: CREDIT, category: 'promotional' });
  const key = await post(`${path}/api_keys`, operatorKey, { name: 'demo', scopes: SCOPES });
  return key.attributes.key;
}

function showCalls(url, key) {
  const header = `-H 'X-API-Key: ${key}'`;
  const json = `${header} -H 'Content-Type: application/json'`;
  const page = 'https://purser.example/docs/price-book.md';
  // An answer may fill screens, so its headers and its beginning are shown.
  const begun = '| cut -c -300';
  say(`
The gateway runs at ${url}, in front of a small search API that
knows the pages of this project. It sells at the prices of examples/you-prices.yaml.
The key in these lines belongs to an account with $100.00 of promotional credit.
Copy them into another terminal.

Search, for 0.5 cents. The headers of the answer tell what it cost (X-Credits-Charged), what the
account has left (X-Credits-Remaining), and its receipt (X-Charge-Id):

  curl -si '${url}/v1/search?query=burn+order' ${header} ${begun}

Search with the contents of the pages that it finds, for 0.1 cents more a page:

  curl -si '${url}/v1/search?query=hold&livecrawl=all&count=3' ${header} ${begun}

Get the contents of one page, for 0.1 cents:

  curl -si '${url}/v1/contents' ${json} -d '{"urls":["${page}"],"format":"markdown"}' ${begun}

Send a call with an idempotency key. Send it again: the kept answer comes, and costs nothing:

  curl -si '${url}/v1/search?query=ledger' ${header} -H 'Idempotency-Key: demo-1' ${begun}

Ask what a call would cost at most, and which grants would pay. Nothing is charged:

  curl -s '${url}/v1/quotes' ${json} -d '{"route":"contents","request":{"urls":["${page}"]}}'

Read the balance in cents, a receipt for each call, and the sums of each day and route. A receipt
alone is at /v1/billing/charges/{X-Charge-Id}:

  curl -s '${url}/v1/billing/account_balance' ${header}
  curl -s '${url}/v1/billing/charges' ${header}
  curl -s '${url}/v1/billing/usage?group_by=day,route' ${header}

Press Ctrl-C here to end it. Everything that it made is removed then.`);
}

async function main() {
  if (!existsSync(new URL('../../server/dist/main.js', import.meta.url))) {
    return fail(
      'Error: Purser has not been built.\nTo solve it: Run `npm ci` at the root of the checkout.',
    );
  }
  say('Starting a PostgreSQL, the gateway and an API behind it …');
  const secret = randomBytes(16).toString('hex');
  const upstream = await startUpstream(secret);
  let isEnding = false;
  // An aborted start would leave its PostgreSQL behind, so the end waits for the start. The same signal
  // comes twice if npm forwards a signal that the terminal has sent to the whole group.
  const end = () => {
    if (isEnding) return;
    isEnding = true;
    const stop = () => purser.child.kill('SIGTERM');
    purser.started.then(stop, stop);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end);
  const folder = mkdtempSync(join(tmpdir(), 'purser-gateway-demo-'));
  const prices = join(folder, 'prices.yaml');
  const text = readFileSync(PRICES, 'utf8');
  writeFileSync(prices, text.replaceAll(/base_url: \S+/g, `base_url: ${upstream.url}`));
  const purser = startPurser({
    PURSER_GATEWAY: prices,
    PURSER_DATA_DIR: join(folder, 'data'),
    DATABASE_URL: '',
    PURSER_DEMO: 'on',
    UPSTREAM_KEY: secret,
  });
  try {
    const { url, operatorKey } = await purser.started;
    const shown = makeCustomer(url, operatorKey).then((key) => showCalls(url, key));
    // If the gateway ends first, no answer will come: stop waiting for the customer.
    await Promise.race([shown, purser.ended]);
    await purser.ended;
    if (!isEnding) fail(`The gateway has ended. It printed:\n${purser.errors()}`);
  } catch (error) {
    if (!isEnding)
      fail(`The demonstration failed: ${error.message}. It printed:\n${purser.errors()}`);
    end();
    await purser.ended;
  } finally {
    upstream.server.closeAllConnections();
    upstream.server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
