import { createConnection } from 'node:net';

/**
 * A load of HTTP/1.1 requests in a closed loop: each connection sends its next request when the answer
 * to the last one has come. It reads no more of an answer than its status and its length, so that it
 * takes little of the two cores from what is measured. It runs in a process of its own, one slice a
 * message, so that its code is warm for both sides.
 */

export interface LoadRequest {
  readonly head: string;
  readonly body: string;
  /** Sent after its answer, with the answer's id for `{id}` in the head; both count as one. */
  readonly followUp?: { readonly head: string; readonly body: string };
}

/** What the load process is told in a message. */
export interface Load {
  readonly ports: readonly number[];
  readonly connections: number;
  readonly seconds: number;
  /** The request's lines up to its own headers, in rotation over the connections. */
  readonly requests: readonly LoadRequest[];
  /** Begins each request's Idempotency-Key; undefined: none is sent. */
  readonly idempotencyPrefix?: string;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Half of the answers were whole within this many milliseconds. */
  readonly medianMs: number;
  /** Processor time of the load itself. */
  readonly cpuSeconds: number;
}

/** What the load process answers. */
export type LoadMessage = { readonly result: LoadResult } | { readonly error: string };

const LONGEST_READ = 16 * 1_024;
/** No answer of either side takes this long. */
const STALL_MS = 15_000;
const HEAD_END = '\r\n\r\n';
const LENGTH = '\r\ncontent-length: ';
const ID = /"id":"([^"]+)"/;

async function run(load: Load): Promise<LoadResult> {
  const { ports, idempotencyPrefix } = load;
  const beginningOf = (head: string) =>
    idempotencyPrefix === undefined ? head : `${head}Idempotency-Key: ${idempotencyPrefix}`;
  const prepared = load.requests.map(({ head, body, followUp }) => ({
    beginning: beginningOf(head),
    ending: HEAD_END + body,
    followUp: followUp && {
      beginning: beginningOf(followUp.head),
      ending: HEAD_END + followUp.body,
    },
  }));
  let answered = 0;
  let turns = 0;
  let sent = 0;
  const latencies: number[] = [];

  const textOf = ({ beginning, ending }: { beginning: string; ending: string }): string => {
    sent += 1;
    return beginning + (idempotencyPrefix === undefined ? '' : sent.toString(36)) + ending;
  };
  const nextRequest = () => {
    const request = prepared[turns % prepared.length];
    turns += 1;
    if (!request) throw new Error('a load has no request');
    return request;
  };

  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  const endAt = startedAt + load.seconds * 1_000;

  const connect = (port: number) =>
    new Promise<void>((resolve, reject) => {
      let received = '';
      let isDone = false;
      let request = nextRequest();
      let isFollowing = false;
      let askedAt = 0;
      const hear = (piece: string) => {
        received += piece;
        const size = sizeOf(received);
        if (size === undefined || received.length < size) return;
        if (received.length > size || received.charAt(9) !== '2') {
          socket.destroy(new Error(received));
          return;
        }
        const answer = received;
        received = '';
        if (request.followUp && !isFollowing) {
          isFollowing = true;
          const { beginning, ending } = request.followUp;
          const [, id = ''] = ID.exec(answer) ?? [];
          socket.write(textOf({ beginning: beginning.replace('{id}', id), ending }), 'latin1');
          return;
        }
        isFollowing = false;
        answered += 1;
        const now = performance.now();
        latencies.push(now - askedAt);
        askedAt = now;
        isDone = now >= endAt;
        if (isDone) {
          socket.end();
          return;
        }
        request = nextRequest();
        socket.write(textOf(request), 'latin1');
      };
      const buffer = Buffer.alloc(LONGEST_READ);
      const callback = (length: number) => {
        hear(buffer.toString('latin1', 0, length));
        return true;
      };
      const options = { port, host: '127.0.0.1', noDelay: true, onread: { buffer, callback } };
      const socket = createConnection(options);
      socket.setTimeout(STALL_MS, () => socket.destroy(new Error('an answer does not come')));
      socket.once('connect', () => {
        askedAt = performance.now();
        socket.write(textOf(request), 'latin1');
      });
      socket.once('error', reject);
      socket.once('close', () => {
        if (isDone) resolve();
        else reject(new Error(`a connection was closed after: ${received}`));
      });
    });

  await Promise.all(
    Array.from({ length: load.connections }, (_, n) => connect(ports[n % ports.length] ?? 0)),
  );
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    requests: answered,
    seconds: (performance.now() - startedAt) / 1_000,
    medianMs: latencies.sort((a, b) => a - b)[latencies.length >> 1] ?? 0,
    cpuSeconds: (user + system) / 1_000_000,
  };
}

/** How many bytes an answer has, head and body; undefined while its head is incomplete. */
function sizeOf(received: string): number | undefined {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd === -1) return undefined;
  const lengthAt = received.indexOf(LENGTH);
  const start = lengthAt + LENGTH.length;
  const length = lengthAt === -1 ? 0 : Number(received.slice(start, received.indexOf('\r', start)));
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
