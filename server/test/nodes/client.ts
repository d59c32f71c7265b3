import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';

/** One answer of the server; status 0: none came. */
export interface Answer {
  /** The status; 0: the connection broke before an answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/** Sends a request. Resolves with its answer, whatever it is, and never rejects. */
export function call(
  method: string,
  url: string,
  options: { key?: string; body?: unknown; idempotencyKey?: string; timeoutMs?: number } = {},
): Promise<Answer> {
  const { key, body, idempotencyKey, timeoutMs = 20_000 } = options;
  const headers = {
    ...(key !== undefined && { 'x-api-key': key }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
  };
  return new Promise((resolve) => {
    const none = () => resolve({ status: 0, headers: {}, body: '' });
    const sent = request(url, { method, agent, headers, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => {
        text += piece;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
      response.on('error', none);
    });
    sent.on('error', none);
    sent.on('timeout', () => sent.destroy());
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The `attributes` of an answer's `data`, which must have the status. */
export function attributesOf(answer: Answer, status: number): Record<string, unknown> {
  if (answer.status !== status) {
    throw new Error(`expected ${status}, got ${answer.status}: ${answer.body}`);
  }
  const { data } = JSON.parse(answer.body);
  return { id: data.id, ...data.attributes };
}

/** The client's own record of a charge. */
export interface Attempt {
  readonly idempotencyKey: string;
  readonly account: string;
  readonly amount: string;
  /** The last status that the client got; 0: it got no answer. */
  status: number;
  /** The number of requests for this charge. */
  tries: number;
}

/**
 * A client that charges until `isOver`, on the nodes in turn. It retries a charge with its
 * idempotency key until it knows the outcome, and records everything in `journal`.
 */
export async function chargeUntil(
  isOver: () => boolean,
  journal: Attempt[],
  options: { urls: readonly string[]; accounts: readonly string[]; key: string; amount: string },
): Promise<void> {
  for (let turn = Math.floor(Math.random() * 1_000); !isOver(); turn += 1) {
    const attempt: Attempt = {
      idempotencyKey: randomUUID(),
      account: options.accounts[turn % options.accounts.length] ?? '',
      amount: options.amount,
      status: 0,
      tries: 0,
    };
    journal.push(attempt);
    await chargeOnce(attempt, options, isOver);
  }
}

/** Sends a charge until its outcome is known, or the test is over. */
export async function chargeOnce(
  attempt: Attempt,
  options: { urls: readonly string[]; key: string },
  isOver: () => boolean = () => false,
): Promise<void> {
  do {
    const url = options.urls[attempt.tries % options.urls.length];
    attempt.tries += 1;
    const answer = await call('POST', `${url}/v1/charges`, {
      key: options.key,
      idempotencyKey: attempt.idempotencyKey,
      body: {
        account: attempt.account,
        amount: attempt.amount,
        description: attempt.idempotencyKey,
      },
    });
    if (answer.status > 0 && answer.status < 500) attempt.status = answer.status;
  } while (attempt.status === 0 && !isOver());
}
