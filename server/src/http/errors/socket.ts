import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { ApiError, JSON_TYPE } from './api-error.ts';
import type { ErrorCode } from './codes.ts';

/**
 * Answers errors below a request: malformed HTTP, headers that are too large, a request that times out.
 * Then closes the connection, because its state is unknown.
 */
export function socketErrorHandler(
  newRequestId: () => string,
  onAnswer: (status: number) => void,
): (error: Error & { code?: string }, socket: Socket) => void {
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    // A client could not read an answer behind a part of another one.
    if (!socket.writable || socket.bytesWritten > 0) {
      socket.destroy();
      return;
    }
    const answer = new ApiError(codeOf(error));
    onAnswer(answer.status);
    socket.end(
      [
        `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}`,
        `Content-Type: ${JSON_TYPE}`,
        `Content-Length: ${Buffer.byteLength(answer.body)}`,
        `X-Request-Id: ${newRequestId()}`,
        'Connection: close',
        '',
        answer.body,
      ].join('\r\n'),
      () => socket.destroy(),
    );
  };
}

function codeOf(error: { code?: string }): ErrorCode {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return 'headers_too_large';
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request_timeout';
    default:
      return 'malformed_request';
  }
}
