import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startUpstream } from './upstream.mjs';

/**
 * `npm run demo:gateway`: a search API over this project's own pages, and Purser's gateway with the
 * example price book in front of it. Everything it makes is gone when it ends.
 */

const PURSER = fileURLToPath(new URL('../../server/bin/purser.js', import.meta.url));
const PRICES = fileURLToPath(new URL('../you-prices.yaml', import.meta.url));
const SCOPES = ['balance:read', 'billing:read', 'search', 'contents'];
/** $100.00. */
const CREDIT = '10000';
/** Of what the gateway printed, where nothing of it says that it is an error. */
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

/** What the gateway has printed, without the lines of its log where there are others. */
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
  say(`
The gateway sells two routes of a search API, at the prices of examples/you-prices.yaml.
This key belongs to an account with $100.00 of promotional credit.

Search, for 0.5 cents (see X-Credits-Charged and X-Credits-Remaining):

  curl -i '${url}/v1/search?query=burn+order' ${header}

Search with the contents of the pages that are found, for 0.1 cents a page more:

  curl -i '${url}/v1/search?query=hold&livecrawl=all&count=3' ${header}

Contents of a page, for 0.1 cents:

  curl -i '${url}/v1/contents' ${json} -d '{"urls":["${page}"],"format":"markdown"}'

What a call would cost at most, and who would pay:

  curl '${url}/v1/quotes' ${json} -d '{"route":"contents","request":{"urls":["${page}"]}}'

What is left, what was charged for what (a receipt each, which is also found alone by the X-Charge-Id
of its answer, at /v1/billing/charges/{id}), and the sums by route:

  curl '${url}/v1/billing/account_balance' ${header}
  curl '${url}/v1/billing/charges' ${header}
  curl '${url}/v1/billing/usage?group_by=day,route' ${header}

End it with Ctrl-C; nothing of it stays.`);
}

async function main() {
  if (!existsSync(new URL('../../server/dist/main.js', import.meta.url))) {
    return fail(
      'Error: Purser has not been built.\nTo solve it: Run `npm ci` at the root of the checkout.',
    );
  }
  const secret = randomBytes(16).toString('hex');
  const upstream = await startUpstream(secret);
  let isEnding = false;
  // A start that is broken off would leave its PostgreSQL behind, so it is waited for. The same signal
  // comes twice where npm hands on what its terminal has sent to all.
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
    // Nothing is waited for that a gateway which has ended could not answer.
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
