import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type CallAnswer, type CallRequest, NoAnswer } from '../../gateway/calls.ts';
import { Cancel } from '../../gateway/cancel.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Payment } from '../../gateway/settlement.ts';
import { operationId } from '../../ledger/ids.ts';
import { formatCents } from '../../ledger/money.ts';
import { customerOf } from '../entry.ts';
import { optionalIdempotencyKey } from '../idempotency.ts';
import type { App } from '../parts.ts';
import { type Asked, enter, type GatewayParts } from './entrance.ts';
import { callError } from './errors.ts';
import { Pace } from './pace.ts';

/**
 * Every path that is not Purser's own: the routes of the price book. Who asks, for what, and how often
 * is judged before the body is read; the body passes as a stream.
 */
export function addGateway(app: App, parts: GatewayParts): void {
  const { gateway, unmatched, cors } = parts;
  app.decorateRequest('call', null);
  app.decorateRequest('asked', null);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.addHook('onRoute', (route) => {
    route.onRequest = (request, reply, done) => {
      enter(app, parts, request, reply).then(done, done);
    };
  });
  cors.share(app, ({ call }) => call !== null);
  app.all('/*', { schema: { hide: true } }, (request, reply) =>
    request.asked
      ? proxy(gateway, request, request.asked, reply)
      : unmatched.answer(request, reply),
  );
}

async function proxy(
  gateway: Gateway,
  request: FastifyRequest,
  asked: Asked,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { priced } = asked;
  const cancel = new Cancel();
  const connection = reply.raw;
  const pace = new Pace(request.raw, connection, priced.route.longestMs);
  // Who left while the key was read waits for nothing, and closes no more.
  if (connection.destroyed) return reply.hijack();
  // A pipelined request is not begun before its turn: until then nobody would tell that the client left.
  if (connection.socket === null) await once(connection, 'socket');
  let answer: CallAnswer | undefined;
  let isClosed = false;
  connection.once('close', () => {
    isClosed = true;
    // What a lost connection had still to write counts as written.
    const isWhole = connection.writableFinished && !request.raw.socket.destroyed;
    if (!isWhole) cancel.because('client_left');
    answer?.delivered(isWhole ? 'whole' : 'in part');
  });
  try {
    answer = await gateway.call(priced, callOf(request, asked, cancel, pace));
  } catch (error) {
    if (error instanceof NoAnswer && error.payment) tellPayment(reply, error.payment);
    // An HTTP/1 connection cannot be used again before its request has been read.
    if (!request.raw.complete) reply.header('connection', 'close');
    throw callError(error);
  }
  if (isClosed) answer.delivered('not at all');
  // A client that takes nothing would keep an answer that has ended for as long as it likes.
  cancel.once('abort', () => connection.writableFinished || connection.destroy());
  if (answer.body instanceof Readable) pace.follow(answer.body);
  return send(request, reply, answer);
}

function callOf(request: FastifyRequest, asked: Asked, cancel: Cancel, pace: Pace): CallRequest {
  const { method, target, headers } = asked;
  return {
    method,
    target,
    headers,
    body: (request.body as CallRequest['body'] | undefined) ?? null,
    principal: customerOf(request),
    address: request.socket.remoteAddress ?? '',
    requestId: request.id,
    idempotencyKey: optionalIdempotencyKey(request.headers),
    cancel,
    isClientSlow: () => pace.isSlow,
  };
}

function send(request: FastifyRequest, reply: FastifyReply, answer: CallAnswer): FastifyReply {
  const { status, headers, payment, settled, body } = answer;
  reply.code(status).headers(headers);
  if (payment) tellPayment(reply, payment);
  const canHaveTrailers = request.raw.httpVersion === '1.1' && request.method !== 'HEAD';
  if (settled !== null && canHaveTrailers) {
    reply.header('trailer', 'X-Credits-Charged, X-Credits-Remaining, X-Charge-Id');
    void settled.then((paid) => paid && reply.raw.addTrailers(creditsOf(paid)));
  }
  if (!request.raw.complete) reply.header('connection', 'close');
  return reply.send(body);
}

/** What is known of a call's payment before its answer goes out. */
function tellPayment(reply: FastifyReply, payment: Payment): void {
  const { account, number, isHeld } = payment;
  if (isHeld) reply.header('x-hold-id', operationId('hld', account, number));
  else reply.headers(creditsOf(payment));
}

/** What a call has cost, and what there is left: headers, or trailers of an answer that streams. */
function creditsOf({ account, charge, charged, available }: Payment): Record<string, string> {
  return {
    'x-credits-charged': formatCents(charged),
    'x-credits-remaining': formatCents(available),
    ...(charge !== null && { 'x-charge-id': operationId('chg', account, charge) }),
  };
}
