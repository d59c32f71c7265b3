import { createServer, type ServerResponse } from 'node:http';

/**
 * The API behind the gateway and its baseline. It has a constant answer of 1 KB, and one of 10 MB
 * that streams as fast as the client reads.
 */
const SMALL = Buffer.from(JSON.stringify({ results: 'r'.repeat(1_024 - 14) }));
const PIECE = Buffer.alloc(64 * 1_024, 'p');
const PIECES = 160;
/** Longer than any run: the upstream must not close a connection between two requests. */
const KEEP_ALIVE_MS = 600_000;

const server = createServer((request, response) => {
  if (request.url === '/v1/export') {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    stream(response, PIECES);
    return;
  }
  const headers = { 'content-type': 'application/json', 'content-length': SMALL.length };
  response.writeHead(200, headers);
  response.end(SMALL);
});

function stream(response: ServerResponse, left: number): void {
  if (response.destroyed) return;
  if (left === 0) response.end();
  else if (response.write(PIECE)) stream(response, left - 1);
  else response.once('drain', () => stream(response, left - 1));
}

server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : '';
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`);
});
