import { createConnection, type Socket } from 'node:net';

/**
 * A load of HTTP/1.1 requests in a closed loop: each connection sends its next request when the answer
 * to the last one has come. It reads no more of an answer than its status and its length, so that it
 * takes little of the two cores from what is measured. It runs in a process of its own.
 */

/** What the load process is told, as JSON in its argument. */
export interface Load {
  readonly ports: readonly number[];
  readonly connections: number;
  readonly seconds: number;
  /** The request's lines up to its own headers, in rotation over the connections. */
  readonly requests: readonly { readonly head: string; readonly body: string }[];
  /** Begins each request's Idempotency-Key; undefined: none is sent. */
  readonly idempotencyPrefix?: string;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
}

async function run(load: Load): Promise<LoadResult> {
  let requests = 0;
  let next = 0;
  const startedAt = performance.now();
  const endAt = startedAt + load.seconds * 1_000;

  const text = (): string => {
    const { head, body } = load.requests[next % load.requests.length] ?? { head: '', body: '' };
    next += 1;
    const key = load.idempotencyPrefix;
    const idempotency = key === undefined ? '' : `Idempotency-Key: ${key}${next.toString(36)}\r\n`;
    return `${head}${idempotency}\r\n${body}`;
  };

  const connect = (port: number) =>
    new Promise<void>((resolve, reject) => {
      const socket: Socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
      let received = '';
      socket.setEncoding('latin1');
      socket.on('connect', () => socket.write(text()));
      socket.on('error', reject);
      socket.on('data', (piece: string) => {
        received += piece;
        const headEnd = received.indexOf('\r\n\r\n');
        if (headEnd === -1) return;
        const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
        if (received.length < headEnd + 4 + length) return;
        if (received.charAt(9) !== '2') return reject(new Error(received));
        received = '';
        requests += 1;
        if (performance.now() < endAt) return void socket.write(text());
        socket.end();
        resolve();
      });
    });

  const { ports } = load;
  await Promise.all(
    Array.from({ length: load.connections }, (_, n) => connect(ports[n % ports.length] ?? 0)),
  );
  return { requests, seconds: (performance.now() - startedAt) / 1_000 };
}

process.once('message', (load: Load) => {
  run(load).then(
    (result) => process.send?.({ result }, () => process.exit(0)),
    (error: Error) => process.send?.({ error: error.message }, () => process.exit(1)),
  );
});
