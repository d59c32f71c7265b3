import { createConnection, type Socket } from 'node:net';

/**
 * A closed loop of HTTP/1.1 requests: each connection sends its next request when the answer to the
 * last one has come. It parses only the status and the length of an answer, to leave the two cores to
 * the servers. One process runs all loads, so that its code is warm for both sides.
 */

interface Message {
  /** The request line and the headers, without the empty line after them. */
  readonly head: string;
  readonly body: string;
}

export interface LoadRequest extends Message {
  /** Sent after the answer, with the answer's id for `{id}` in the head; the pair counts as one. */
  readonly followUp?: Message;
}

/** Message to the load process: one slice. */
export interface Load {
  /** Connections take the ports in turn. */
  readonly ports: readonly number[];
  readonly connections: number;
  readonly seconds: number;
  /** Sent in rotation over all connections. */
  readonly requests: readonly LoadRequest[];
  /** Prefix of the Idempotency-Key, unique to each request; undefined: the load sends none. */
  readonly idempotencyPrefix?: string;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly medianMs: number;
  /** Processor time of the load process. */
  readonly cpuSeconds: number;
}

/** Answer of the load process. */
export type LoadMessage = { readonly result: LoadResult } | { readonly error: string };

/** Both sides answer well within this time. */
const STALL_MS = 15_000;
const HEAD_END = '\r\n\r\n';
const LENGTH = '\r\ncontent-length: ';
const ID = /"id":"([^"]+)"/;

async function run(load: Load): Promise<LoadResult> {
  const { ports, requests, idempotencyPrefix } = load;
  let turns = 0;
  let sent = 0;
  const latencies: number[] = [];
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endAt = startedAt + load.seconds * 1_000;

  const textOf = ({ head, body }: Message): string => {
    sent += 1;
    if (idempotencyPrefix === undefined) return head + HEAD_END + body;
    return `${head}\r\nIdempotency-Key: ${idempotencyPrefix}${sent.toString(36)}${HEAD_END}${body}`;
  };
  const askUntilEnd = async (port: number) => {
    const connection = new Connection(port);
    for (let now = performance.now(); now < endAt; ) {
      const askedAt = now;
      const request = requests[turns % requests.length];
      turns += 1;
      if (!request) throw new Error('a load has no request');
      const answer = await connection.ask(textOf(request));
      if (request.followUp) {
        const [, id = ''] = ID.exec(answer) ?? [];
        await connection.ask(textOf(request.followUp).replace('{id}', id));
      }
      now = performance.now();
      latencies.push(now - askedAt);
    }
    connection.close();
  };

  await Promise.all(
    Array.from({ length: load.connections }, (_, n) => askUntilEnd(ports[n % ports.length] ?? 0)),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    requests: latencies.length,
    seconds,
    medianMs: latencies.sort((a, b) => a - b)[latencies.length >> 1] ?? 0,
    cpuSeconds: (user + system) / 1_000_000,
  };
}

/** A connection with one request at a time. */
class Connection {
  readonly #socket: Socket;
  #received = '';
  #resolve: (answer: string) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(port: number) {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    socket.setEncoding('latin1').on('data', (piece: string) => this.#hear(piece));
    socket.setTimeout(STALL_MS, () => socket.destroy(new Error('the answer timed out')));
    socket.once('error', (error) => this.#reject(error));
    socket.once('close', () => {
      this.#reject(new Error(`the server closed the connection after: ${this.#received}`));
    });
    this.#socket = socket;
  }

  /** The whole answer. Rejects if the answer is not a 2xx or does not come. */
  ask(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(text, 'latin1');
    });
  }

  close(): void {
    this.#socket.end();
  }

  #hear(piece: string): void {
    const received = this.#received + piece;
    const size = sizeOf(received);
    if (size === undefined || received.length < size) {
      this.#received = received;
      return;
    }
    this.#received = '';
    const isSuccess = received.length === size && received.charAt(9) === '2';
    if (isSuccess) this.#resolve(received);
    else this.#reject(new Error(received));
  }
}

/** Length of an answer, head and body, in bytes; undefined while its head is incomplete. */
function sizeOf(received: string): number | undefined {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd === -1) return undefined;
  const start = received.indexOf(LENGTH) + LENGTH.length;
  const length = Number(received.slice(start, received.indexOf('\r', start)));
  return headEnd + HEAD_END.length + length;
}

const tell = (message: LoadMessage) => process.send?.(message);

process.on('message', (load: Load) => {
  run(load).then(
    (result) => tell({ result }),
    (error: unknown) => tell({ error: error instanceof Error ? error.message : String(error) }),
  );
});
process.once('disconnect', () => process.exit());
