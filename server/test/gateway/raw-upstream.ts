import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll } from 'vitest';

/** An upstream that answers with any bytes, as soon as it has the head of a request. */
export interface RawUpstream {
  readonly url: string;
  /** The heads of the requests that came. */
  readonly heads: string[];
}

/**
 * Starts the upstream. The query of a request contains the bytes of its answer in base64url (see
 * `answering`). The connection stays open. Call it at the top level.
 */
export function useRawUpstream(): RawUpstream {
  const heads: string[] = [];
  const server = createServer((socket) => {
    let head = '';
    socket.on('error', () => {});
    socket.on('data', (piece) => {
      head += piece.toString('latin1');
      const bytes = /[?&]raw=([\w-]*)/.exec(head)?.[1];
      if (bytes === undefined || !head.includes('\r\n\r\n')) return;
      heads.push(head);
      head = '';
      socket.write(Buffer.from(bytes, 'base64url'));
    });
  });
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => void server.close());
  return {
    get url() {
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    heads,
  };
}

/** The query that makes the upstream answer with these header lines and this body. */
export function answering(head: readonly string[], body = ''): string {
  return `?raw=${Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`).toString('base64url')}`;
}
