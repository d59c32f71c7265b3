import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Asked, CHAT, type Format, MESSAGES, PAUSE_AT, RESPONSES } from './model-formats.ts';
import type { SeenRequest, TestUpstream } from './upstream.ts';

/** The APIs of OpenAI and Anthropic, as far as the example price book sells them (see `act`). */
export interface ModelProviders extends TestUpstream {
  /** Resumes every answer that waits. */
  goOn(): void;
}

/** The operator's secret, the same as in `rig.ts`. */
const SECRET = 'secret-of-the-upstream';

/** Starts the APIs at one address. */
export async function startModelProviders(): Promise<ModelProviders> {
  const requests: SeenRequest[] = [];
  const waiting = new Set<() => void>();
  let aborted = 0;
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    const seen: SeenRequest = { method, url, headers, body: '' };
    response.on('close', () => {
      if (!response.writableEnded) aborted += 1;
    });
    request.setEncoding('utf8').on('data', (piece) => {
      seen.body += piece;
    });
    request.on('end', () => {
      requests.push(seen);
      const attempts = requests.filter(({ body }) => body === seen.body).length;
      const untilGoOn = () => new Promise<void>((resolve) => waiting.add(resolve));
      void act(seen, response, { attempts, untilGoOn });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    aborted: () => aborted,
    goOn: () => {
      for (const go of waiting) go();
      waiting.clear();
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** One API at its path. */
interface Api {
  readonly format: Format;
  /** Whether a request has the operator's secret and no other credential. */
  readonly isAllowed: (headers: IncomingHttpHeaders) => boolean;
  /** The reason to refuse the request; undefined: it is valid. */
  readonly refusalOf: (asked: Asked, headers: IncomingHttpHeaders) => string | undefined;
  readonly requestIdHeader: string;
}

const OPENAI = {
  isAllowed: ({ authorization, 'x-api-key': other }: IncomingHttpHeaders) =>
    authorization === `Bearer ${SECRET}` && other === undefined,
  refusalOf: ({ stream, stream_options: options }: Asked) =>
    options && !stream
      ? "The 'stream_options' parameter is only allowed when 'stream' is enabled."
      : undefined,
  requestIdHeader: 'x-request-id',
};

const APIS: Readonly<Record<string, Api>> = {
  '/v1/chat/completions': { ...OPENAI, format: CHAT },
  '/v1/responses': { ...OPENAI, format: RESPONSES },
  '/v1/messages': {
    format: MESSAGES,
    isAllowed: ({ authorization: other, 'x-api-key': key }) =>
      key === SECRET && other === undefined,
    refusalOf: (_asked, headers) =>
      headers['anthropic-version'] ? undefined : 'anthropic-version: header is required',
    requestIdHeader: 'request-id',
  },
};

interface Turn {
  /** The number of requests with this body so far, including this one. */
  readonly attempts: number;
  untilGoOn(): Promise<void>;
}

/**
 * Answers as the first word of the prompt says. `fail N`: 500 for the first N attempts.
 * `overloaded`: always 529. `wait`: pauses before the answer, or in the middle of a stream, until
 * `goOn`. `late`: answers after 300 ms. `error`: sends an error event in the middle and leaves the
 * stream open. Any other prompt gets its answer.
 */
async function act({ url, headers, body }: SeenRequest, response: ServerResponse, turn: Turn) {
  const api = APIS[url];
  const json = (status: number, value: object, more: object = {}) =>
    response
      .writeHead(status, { 'content-type': 'application/json', ...more })
      .end(JSON.stringify(value));
  if (!api) return json(404, { error: { message: 'Not found' } });
  const { format } = api;
  const ids = { [api.requestIdHeader]: 'req_1' };
  if (!api.isAllowed(headers)) {
    return json(401, format.error('authentication_error', 'invalid key'), ids);
  }
  const asked = JSON.parse(body) as Asked;
  const refusal = api.refusalOf(asked, headers);
  if (refusal) return json(400, format.error('invalid_request_error', refusal), ids);
  const [does, times = '0'] = (asked.input ?? asked.messages?.at(-1)?.content ?? '').split(' ');
  // The SDKs obey `retry-after-ms`, so their retries come soon.
  const soon = { ...ids, 'retry-after-ms': '10' };
  if (does === 'fail' && turn.attempts <= Number(times)) {
    return json(500, format.error('api_error', 'It broke'), soon);
  }
  if (does === 'overloaded') return json(529, format.error('overloaded_error', 'Overloaded'), soon);
  if (!asked.stream) {
    if (does === 'wait') await turn.untilGoOn();
    if (does === 'late') await delay(300);
    return json(200, format.answer(asked), ids);
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...ids });
  for (const [index, event] of format.events(asked).entries()) {
    if (index === PAUSE_AT && does === 'wait') await turn.untilGoOn();
    if (index === PAUSE_AT && does === 'error') return response.write(format.errorEvent);
    response.write(event);
  }
  return response.end();
}
