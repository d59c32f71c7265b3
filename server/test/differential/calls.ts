import { type Members, pathOf, type Route } from './routes.ts';

/** One call of the differential run: what is asked, what the upstream does, and what the client does. */
export interface Call {
  /** Nothing else of the run has it; it goes to the upstream and stands in its answer. */
  readonly id: string;
  readonly request: Request;
  readonly answer: Answer;
  readonly leaves: Leaving;
  /** Another request with the same idempotency key is sent while this one is with the upstream. */
  readonly probe: 'same' | 'other' | null;
  /** PostgreSQL cannot be reached when the call ends. */
  readonly isAway: boolean;
  /** Its hold has expired when PostgreSQL can be reached again. */
  readonly isLate: boolean;
}

/** The request that an idempotency key stands for. */
export interface Request {
  readonly route: Route;
  readonly method: 'GET' | 'POST' | 'HEAD';
  readonly members: Members;
  readonly accept: string;
  /** The idempotency key; null: none. */
  readonly key: string | null;
}

/** The upstream's behaviour: its answer, or why there is none. */
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
  /** How much there is to count. */
  readonly count: number;
  /** How many bytes there are beside. */
  readonly padding: number;
  /** Whether it does not say its length. Events never do. */
  readonly isChunked: boolean;
  /** After its first part it may break off, or hang. */
  readonly end: 'whole' | 'breaks off' | 'hangs';
}

/** When the client leaves. */
export type Leaving =
  | 'never'
  /** Never, but it does not send all of its body. */
  | 'never, with half a body'
  | 'before its body'
  | 'in its body'
  /** As soon as it has sent its request. */
  | 'at once'
  /** When the upstream has the request. The upstream goes on after that, if it is let. */
  | 'before the answer'
  /** In the moment in which the upstream answers. */
  | 'at the answer'
  /** When it has a part of the body. The upstream goes on after that, if it is let. */
  | 'midway'
  | 'after the last byte';

/** A body that is neither priced nor repeatable, and large, is passed on as it comes. */
export const passesBodyOn = ({ route, key }: Request): boolean =>
  route.name === 'upload' && key === null;

/** The body of a request with POST; null: there is none. */
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
