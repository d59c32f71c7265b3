import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** An upstream that behaves as the query of a request says. */
export interface TestUpstream {
  readonly url: string;
  /** The requests that came, newest last. */
  readonly requests: SeenRequest[];
  /** The number of requests whose connection was closed before the end of their answer. */
  aborted(): number;
  close(): Promise<void>;
}

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  body: string;
}

/**
 * Starts the upstream. `?do=` names its behaviour, `?after=` delays it by milliseconds, `?items=`
 * is the number of items in its JSON.
 */
export async function startUpstream(): Promise<TestUpstream> {
  const requests: SeenRequest[] = [];
  let aborted = 0;
  const server = createServer((request, response) => {
    const seen: SeenRequest = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: '',
    };
    requests.push(seen);
    request.setEncoding('utf8').on('data', (piece) => {
      seen.body += piece;
    });
    response.on('close', () => {
      if (!response.writableEnded) aborted += 1;
    });
    request.on('end', () => {
      const isFirst = requests.filter(({ url }) => url === seen.url).length === 1;
      const query = new URL(seen.url, 'http://upstream').searchParams;
      const after = Number(query.get('after') ?? 0);
      if (after === 0) act(query, response, isFirst);
      else setTimeout(() => act(query, response, isFirst), after);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    aborted: () => aborted,
    close: () => closeAll(server),
  };
}

function closeAll(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

function act(query: URLSearchParams, response: ServerResponse, isFirst: boolean): void {
  const items = Array.from({ length: Number(query.get('items') ?? 3) }, (_, item) => ({ item }));
  const json = JSON.stringify({ items });
  const status = Number(query.get('status') ?? 200);
  const head = { 'content-type': 'application/json', 'set-cookie': ['a=1', 'b=2'], 'x-own': 'yes' };
  switch (query.get('do')) {
    case 'silence':
      return;
    case 'silence-once':
      if (!isFirst) response.writeHead(status, head).end(json);
      return;
    case 'fail-once':
      response.writeHead(isFirst ? 503 : status, head).end(json);
      return;
    case 'late':
      setTimeout(() => response.writeHead(status, head).end(json), 600);
      return;
    case 'trickle':
      trickle(response, head, json);
      return;
    case 'break':
      response.writeHead(status, { ...head, 'content-length': json.length });
      response.write(json.slice(0, 5));
      setTimeout(() => response.destroy(), 50);
      return;
    case 'tear':
      response.writeHead(status, head);
      response.write(json.slice(0, 5));
      setTimeout(() => response.destroy(), 50);
      return;
    case 'snap':
      // Disconnects before the gateway can have acted on the beginning of the answer.
      response.writeHead(status, { 'content-type': query.get('type') ?? 'application/json' });
      response.write(json.slice(0, 5));
      response.socket?.destroySoon();
      return;
    case 'drop':
      response.destroy();
      return;
    case 'malformed':
      response.writeHead(status, head).end('{"items": [');
      return;
    case 'huge':
      response.writeHead(status, head);
      response.end(JSON.stringify({ items, text: 'x'.repeat(200_000) }));
      return;
    case 'text':
      response.writeHead(status, { 'content-type': 'text/plain' }).end('three items');
      return;
    case 'hang':
      response.writeHead(status, head);
      response.write('{"items": [');
      return;
    case 'pour':
      pour(response, Number(query.get('bytes')), query.get('then') === 'silence');
      return;
    case 'events':
      sendEvents(query, response);
      return;
    case 'cors':
      response.setHeader('access-control-allow-origin', '*');
      response.setHeader('access-control-allow-credentials', 'true');
      response.writeHead(status, { ...head, vary: 'Accept-Encoding' }).end(json);
      return;
    case 'redirect':
      response.writeHead(302, { location: 'http://elsewhere.example/' }).end();
      return;
    default:
      response.writeHead(status, head).end(json);
  }
}

/** Sends a JSON answer without Content-Length, in thirds. */
function trickle(response: ServerResponse, head: OutgoingHttpHeaders, json: string): void {
  response.writeHead(200, head);
  const pieces = [0, 1, 2].map((n) =>
    json.slice((n * json.length) / 3, ((n + 1) * json.length) / 3),
  );
  const next = () => {
    const piece = pieces.shift();
    if (piece === undefined) return response.end();
    response.write(piece);
    return setTimeout(next, 100);
  };
  next();
}

/** Sends so many bytes as fast as they are read; then ends, or stays silent. */
function pour(response: ServerResponse, bytes: number, isEndless: boolean): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  const piece = Buffer.alloc(65_536, 'x');
  let sent = 0;
  const more = () => {
    while (sent < bytes) {
      sent += piece.length;
      if (!response.write(piece)) return response.once('drain', more);
    }
    return isEndless || response.end();
  };
  more();
}

/**
 * Sends some events, one with `usage`. `?then=` chooses a fault: `break` or `silence` before the
 * last two, an `error` event, or a `late` end. `?open` leaves the stream open.
 */
function sendEvents(query: URLSearchParams, response: ServerResponse): void {
  const output = Number(query.get('items') ?? 3);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const then = query.get('then');
  const lines = [
    ...Array.from({ length: 3 }, (_, n) => JSON.stringify({ n, usage: null })),
    ...(query.get('usage') === 'none' ? [] : [JSON.stringify({ usage: { output } })]),
    ...(then === 'error' ? [JSON.stringify({ error: { message: 'failed' } })] : []),
    '[DONE]',
  ];
  const next = () => {
    const line = lines.shift();
    if (line === undefined) return query.has('open') || response.end();
    if (lines.length === 2 && then === 'break') return response.destroy();
    if (lines.length === 2 && then === 'silence') return undefined;
    response.write(`data: ${line}\n\n`);
    return setTimeout(next, lines.length === 0 && then === 'late' ? 200 : 10);
  };
  next();
}
