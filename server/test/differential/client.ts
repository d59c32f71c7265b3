import { type IncomingHttpHeaders, request } from 'node:http';
import { bodyOf, type Request, urlOf } from './calls.ts';
import { CALL_HEADER, Signal } from './upstream.ts';

/** A client of the gateway that can disconnect at any moment. */

/** An answer as a client got it. Status 0: it got none. */
export interface Sight {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  readonly isWhole: boolean;
  readonly hasLeft: boolean;
  readonly tookMs: number;
}

export interface Client {
  /** Resolves when everything to send was handed to the socket. */
  readonly hasSent: Promise<void>;
  /** Resolves when a part of the answer's body has come. */
  readonly hasPart: Promise<void>;
  /** The number of bytes of the body so far. */
  readonly received: () => number;
  /** Resolves at the end of the request. Never rejects. */
  readonly over: Promise<Sight>;
  leave(): void;
}

export interface Sent {
  readonly url: string;
  readonly apiKey: string;
  readonly request: Request;
  readonly id: string;
  /** The part of the body to send. */
  readonly part: 'none' | 'half' | 'whole';
  /** Runs at each chunk of the answer's body. */
  readonly onPart?: (client: Client) => void;
}

/** Sends one request over a connection of its own. */
export function send({ url, apiKey, request: asked, id, part, onPart }: Sent): Client {
  const { origin } = new URL(url);
  const body = bodyOf(asked);
  const [hasSent, hasPart] = [new Signal(), new Signal()];
  let [text, hasLeft] = ['', false];
  const since = performance.now();
  let end: (sight: Sight) => void = () => {};
  const over = new Promise<Sight>((resolve) => {
    end = resolve;
  });
  const sent = request(origin, {
    method: asked.method,
    agent: false,
    path: urlOf(asked),
    headers: {
      'x-api-key': apiKey,
      accept: asked.accept,
      [CALL_HEADER]: id,
      ...(body !== null && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      }),
      ...(asked.key !== null && { 'idempotency-key': asked.key }),
    },
  });
  const client: Client = {
    hasSent: hasSent.given,
    hasPart: hasPart.given,
    received: () => text.length,
    over,
    leave: () => {
      hasLeft = true;
      sent.destroy();
    },
  };
  let hasAnswer = false;
  sent.on('response', (answer) => {
    hasAnswer = true;
    const finish = (isWhole: boolean) => {
      const { statusCode: status = 0, headers, trailers } = answer;
      const seen = { status, headers, trailers, body: text, isWhole: isWhole && !hasLeft };
      end({ ...seen, hasLeft, tookMs: performance.now() - since });
    };
    answer.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
      hasPart.give();
      onPart?.(client);
    });
    answer.once('end', () => finish(answer.complete));
    answer.once('error', () => finish(false));
    answer.once('close', () => finish(false));
  });
  const none = { status: 0, headers: {}, trailers: {}, body: '', isWhole: false };
  sent.on('error', () => {});
  sent.on('close', () => {
    if (!hasAnswer) end({ ...none, hasLeft, tookMs: performance.now() - since });
  });
  if (part === 'whole' || body === null) sent.end(body ?? undefined, () => hasSent.give());
  else if (part === 'half') sent.write(body.slice(0, body.length / 2), () => hasSent.give());
  else {
    sent.flushHeaders();
    sent.once('socket', (socket) => socket.once('connect', () => hasSent.give()));
  }
  return client;
}
