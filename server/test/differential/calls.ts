import { type Members, pathOf, type Route } from './routes.ts';

/**
 * One call of the differential run: its request, and the behaviour of its upstream and its client.
 */
export interface Call {
  /** Unique in the run. The request carries it to the upstream, and the answer contains it. */
  readonly id: string;
  readonly request: Request;
  readonly answer: Answer;
  readonly leaves: Leaving;
  /** The request to send with the same idempotency key while this call is with the upstream. */
  readonly probe: 'same' | 'other' | null;
  /** Whether PostgreSQL is unreachable when the call ends. */
  readonly isAway: boolean;
  /** Whether its hold has expired when PostgreSQL is reachable again. */
  readonly isLate: boolean;
}

/** The request that an idempotency key identifies. */
export interface Request {
  readonly route: Route;
  readonly method: 'GET' | 'POST' | 'HEAD';
  readonly members: Members;
  readonly accept: string;
  /** The idempotency key; null: none. */
  readonly key: string | null;
}

/** The upstream's behaviour: its answer, or the reason why there is none. */
export interface Answer {
  readonly does: 'answers' | 'drops' | 'says nonsense' | 'keeps silent';
  readonly status: number;
  readonly form:
    | 'json'
    | 'events'
    | 'text'
    | 'encoded'
    | 'malformed'
    | 'uncounted'
    | 'events uncounted'
    | 'events with an error'
    | 'events with an early error';
  /** The quantity in the answer. */
  readonly count: number;
  /** The number of bytes to add to the body. */
  readonly padding: number;
  /** Whether the answer has no Content-Length. Streams of events never have one. */
  readonly isChunked: boolean;
  /** Whether the upstream disconnects or hangs after the first part. */
  readonly end: 'whole' | 'breaks off' | 'hangs';
}

/** The moment at which the client disconnects. */
export type Leaving =
  | 'never'
  /** The client never disconnects, but sends only half of its body. */
  | 'never, with half a body'
  | 'before its body'
  | 'in its body'
  /** As soon as the client has sent its request. */
  | 'at once'
  /** As soon as the upstream has the request. After that the upstream may answer. */
  | 'before the answer'
  /** At the moment at which the upstream answers. */
  | 'at the answer'
  /** As soon as the client has a part of the body. After that the upstream may send the rest. */
  | 'midway'
  | 'after the last byte';

/** Whether the gateway streams the body: it is large, and neither the price nor a key needs it. */
export const passesBodyOn = ({ route, key }: Request): boolean =>
  route.name === 'upload' && key === null;

/** The body of a POST request; null: the request has none. */
export function bodyOf({ route, method, members }: Request): string | null {
  if (method !== 'POST') return null;
  if (route.name === 'upload') return 'u'.repeat(300_000);
  return JSON.stringify({ ...members, question: 'why' });
}

export function urlOf({ route, method, members }: Request): string {
  const query = method === 'POST' ? {} : members;
  const search = new URLSearchParams(query as Record<string, string>).toString();
  return `${pathOf(route)}${search === '' ? '' : `?${search}`}`;
}

/** Whether an answer is a stream of events. */
export const isEvents = ({ form }: Answer): boolean => form.startsWith('events');

/** The two parts of the body of an answer. The second may be missing. */
export function partsOf({ id, answer }: Pick<Call, 'id' | 'answer'>): readonly [string, string] {
  const { form, count, padding, status } = answer;
  const pad = 'x'.repeat(padding);
  if (status === 204 || status === 304) return ['', ''];
  if (isEvents(answer)) {
    const usage = form === 'events uncounted' ? {} : { usage: { output: count } };
    const error = eventOf({ error: { message: 'no' } });
    const [early, late] = ['events with an early error', 'events with an error'].map((name) =>
      form === name ? error : '',
    );
    const last = eventOf({ n: 1, ...usage });
    return [`${eventOf({ id, pad })}${early}`, `${late}${last}data: [DONE]\n\n`];
  }
  const items = Array.from({ length: count }, () => 0);
  const json = JSON.stringify({ id, items, usage: { output: count }, pad });
  const texts: Partial<Record<Answer['form'], string>> = {
    text: `${id}: as many as ${count} ${pad}`,
    malformed: json.slice(0, -1),
    uncounted: JSON.stringify({ id, items: 'many', usage: { output: 'much' }, pad }),
  };
  const text = texts[form] ?? json;
  const half = Math.ceil(text.length / 2);
  return [text.slice(0, half), text.slice(half)];
}

const eventOf = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;

/** The whole body of an answer. */
export const textOf = (call: Pick<Call, 'id' | 'answer'>): string => partsOf(call).join('');
