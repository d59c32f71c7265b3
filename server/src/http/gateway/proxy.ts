import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type CallAnswer, NoAnswer } from '../../gateway/call/call-answer.ts';
import type { CallRequest } from '../../gateway/call/call-request.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Payment } from '../../gateway/payment/payment.ts';
import { accountIdOf, operationId } from '../../ledger/operations/ids.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import { balanceOf, customerOf } from '../door/audiences.ts';
import { optionalIdempotencyKey } from '../input/idempotency.ts';
import { HttpClient } from './client.ts';
import type { Asked } from './entrance.ts';
import { callError } from './errors.ts';

/** Answers an admitted request of a priced route. */
export async function proxy(
  gateway: Gateway,
  request: FastifyRequest,
  asked: Asked,
  reply: FastifyReply,
): Promise<FastifyReply> {
  // If the client disconnected during authentication, `close` has fired already: stop.
  if (reply.raw.destroyed) return reply.hijack();
  // A pipelined request has no socket before its turn, and so no `close`.
  if (reply.raw.socket === null) await once(reply.raw, 'socket');
  const client = new HttpClient(request.raw, reply.raw, asked.priced.route.longestMs);
  try {
    const answer = await gateway.call(asked.priced, callOf(request, asked, client));
    if (client.hasLeft) return reply.hijack();
    if (answer.body instanceof Readable) client.follow(answer.body);
    return send(request, reply, answer);
  } catch (error) {
    if (error instanceof NoAnswer && error.payment) tellPayment(reply, error.payment);
    // An HTTP/1 connection cannot serve another request before this one is read.
    if (!request.raw.complete) reply.header('connection', 'close');
    throw callError(error, accountIdOf(customerOf(request).accountPublicId));
  }
}

function callOf(request: FastifyRequest, asked: Asked, client: HttpClient): CallRequest {
  const { method, target, headers } = asked;
  return {
    method,
    target,
    headers,
    body: (request.body as CallRequest['body'] | undefined) ?? null,
    principal: customerOf(request),
    balance: balanceOf(request),
    address: request.socket.remoteAddress ?? '',
    requestId: request.id,
    idempotencyKey: optionalIdempotencyKey(request.headers),
    client,
  };
}

function send(request: FastifyRequest, reply: FastifyReply, answer: CallAnswer): FastifyReply {
  const { status, headers, payment, settled, body, isReplay } = answer;
  reply.code(status).headers(headers);
  if (isReplay) reply.header('idempotency-replayed', 'true');
  if (payment) tellPayment(reply, payment);
  const canHaveTrailers = request.raw.httpVersion === '1.1' && request.method !== 'HEAD';
  if (settled !== null && canHaveTrailers) {
    reply.header('trailer', 'X-Credits-Charged, X-Credits-Remaining, X-Charge-Id');
    void settled.then((paid) => paid && reply.raw.addTrailers(creditsOf(paid)));
  }
  if (!request.raw.complete) reply.header('connection', 'close');
  reply.send(body);
  // Fastify delays the head until the first chunk. If the upstream aborted before it, Fastify would
  // answer 500 by itself, with headers of the lost answer.
  if (body instanceof Readable && request.method !== 'HEAD') reply.raw.flushHeaders();
  return reply;
}

/** Writes the payment, as it is known before the answer, into its headers. */
function tellPayment(reply: FastifyReply, payment: Payment): void {
  const { account, number, isHeld } = payment;
  if (isHeld) reply.header('x-hold-id', operationId('hld', account, number));
  else reply.headers(creditsOf(payment));
}

/** The cost of a call and the remaining balance: headers, or trailers of a streamed answer. */
function creditsOf({ account, charge, charged, available }: Payment): Record<string, string> {
  return {
    'x-credits-charged': formatCents(charged),
    'x-credits-remaining': formatCents(available),
    ...(charge !== null && { 'x-charge-id': operationId('chg', account, charge) }),
  };
}
