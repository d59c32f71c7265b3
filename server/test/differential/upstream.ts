import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Call, isEvents, partsOf } from './calls.ts';

/** An upstream that answers each request as its call says, when the test allows it. */
export interface ObedientUpstream {
  readonly url: string;
  /** Prepares for the request of a call. */
  expect(call: Call): Visit;
  close(): Promise<void>;
}

/** The upstream's view of a call, and the test's control over it. */
export class Visit {
  readonly call: Call;
  /** The number of times that the request came. */
  times = 0;
  /** Given when the head of the request has come. */
  readonly hasBegun = new Signal();
  /** Given when the whole request has come. */
  readonly hasCome = new Signal();
  /** The test gives this signal to let the upstream answer. */
  readonly mayAnswer = new Signal();
  /** The test gives this signal to let the upstream send the second part of its answer. */
  readonly mayGoOn = new Signal();

  constructor(call: Call) {
    this.call = call;
  }

  answer(): void {
    this.mayAnswer.give();
    this.mayGoOn.give();
  }
}

/** An event that happens once. */
export class Signal {
  readonly given: Promise<void>;
  #give: () => void = () => {};

  constructor() {
    this.given = new Promise((resolve) => {
      this.#give = resolve;
    });
  }

  give(): void {
    this.#give();
  }
}

/** The header with the id of a request's call. Idempotency keys do not depend on it. */
export const CALL_HEADER = 'x-call';
/** The header with the id of an answer's call. */
export const ANSWER_HEADER = 'x-answer';

export async function startObedientUpstream(): Promise<ObedientUpstream> {
  const visits = new Map<string, Visit>();
  const server = createServer((request, response) => {
    const visit = visits.get(`${request.headers[CALL_HEADER]}`);
    if (visit) void obey(visit, request, response);
    else response.destroy();
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    expect: (call) => {
      const visit = new Visit(call);
      visits.set(call.id, visit);
      return visit;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function obey(visit: Visit, request: IncomingMessage, response: ServerResponse) {
  visit.times += 1;
  visit.hasBegun.give();
  // The gateway may disconnect at any time.
  for (const side of [request, response]) side.on('error', () => {});
  request.resume().once('end', () => visit.hasCome.give());
  const { call } = visit;
  const { does, end } = call.answer;
  await Promise.all([visit.hasCome.given, visit.mayAnswer.given]);
  if (does === 'keeps silent') return;
  if (does === 'drops') return response.destroy();
  if (does === 'says nonsense') return response.socket?.end('this is no HTTP\r\n\r\n');
  const [first, second] = partsOf(call);
  response.writeHead(call.answer.status, headOf(call, first.length + second.length));
  if (first !== '') response.write(first);
  await visit.mayGoOn.given;
  if (end === 'whole') response.end(second);
  // destroySoon sends the written bytes before it disconnects.
  else if (end === 'breaks off') response.socket?.destroySoon();
}

function headOf({ id, answer }: Call, length: number) {
  const types = { text: 'text/plain', events: 'text/event-stream', json: 'application/json' };
  const form = isEvents(answer) ? 'events' : answer.form === 'text' ? 'text' : 'json';
  const hasLength = !answer.isChunked && form !== 'events' && ![204, 304].includes(answer.status);
  return {
    'content-type': types[form],
    [ANSWER_HEADER]: id,
    'set-cookie': ['a=1', 'b=2'],
    ...(answer.form === 'encoded' && { 'content-encoding': 'gzip' }),
    ...(hasLength && { 'content-length': length }),
  };
}
