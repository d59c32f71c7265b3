import { createParser, type EventSourceMessage } from 'eventsource-parser';
import {
  type Countable,
  CountingFailed,
  type PricePerItem,
  type Route,
} from '../../pricing/book/price-book.ts';
import { type Answer, type CostBefore, isOfAnswer, jsonAnswer } from '../../pricing/cost.ts';
import { countable } from '../../pricing/counting/countable.ts';
import { parseJson } from '../request/request-body.ts';

/** Counts an upstream's answer, with a bound on the memory for it. */

/** An answer that can be counted, or the ending of the call. */
export type Counted =
  | { readonly kind: 'countable'; readonly answer: Answer }
  | { readonly kind: 'answer_malformed' | 'answer_too_large' | 'upstream_error_event' };

/** Answers of these statuses are empty, whatever their headers say. */
export const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 304]);

/** An answer without a body: each count of it finds nothing. */
export const EMPTY: Counted = { kind: 'countable', answer: jsonAnswer(undefined) };

const MALFORMED: Counted = { kind: 'answer_malformed' };

/** A whole JSON answer, ready to be counted. */
export function countedJson(text: Buffer | string): Counted {
  const answer = readable(text);
  return answer === null ? MALFORMED : { kind: 'countable', answer: jsonAnswer(answer) };
}

/** A JSON text as counts read it; null: it is not JSON, or it has a number that counts cannot hold. */
function readable(text: Buffer | string): Countable | null {
  const value = parseJson(text);
  if (value === undefined) return null;
  try {
    return countable(value);
  } catch (error) {
    if (error instanceof CountingFailed) return null;
    throw error;
  }
}

/** The steps that an `each_event` count may take in one event; a stream has many events. */
const STEPS_AN_EVENT = 10_000;

/**
 * Counts a stream of events as it passes. It keeps the last event of each name that the price counts,
 * and the sums of the counts with `each_event`. The kept events fit into the metering buffer together.
 */
export class EventMeter {
  readonly #errorEvents: readonly string[];
  readonly #mostBytes: number;
  readonly #request: Countable;
  /** The last event of each name, or of all names, as JSON text; undefined: none has come. */
  readonly #last: Map<string | typeof ANY, string | undefined>;
  readonly #sums: Map<PricePerItem, Promise<bigint>>;
  #keptLength = 0;
  /** The ending of a stream that cannot be counted. */
  #failure: Counted | undefined;
  readonly #decoder = new TextDecoder();
  readonly #parser;

  /** The cost before the call has the request, which counts of the answer may read too. */
  constructor({ price, errorEvents, meteringBufferBytes }: Route, { request }: CostBefore) {
    this.#errorEvents = errorEvents;
    this.#mostBytes = meteringBufferBytes;
    this.#request = request;
    const parts = price.filter(isOfAnswer);
    const lasts = parts.filter(({ events }) => !events.isEach);
    const sums = parts.filter(({ events }) => events.isEach);
    this.#last = new Map(lasts.flatMap(namesIn).map((name) => [name, undefined]));
    this.#sums = new Map(sums.map((part) => [part, Promise.resolve(0n)]));
    this.#parser = createParser({
      // Only an unfinished event stays in the parser's buffer.
      maxBufferSize: meteringBufferBytes,
      onError: ({ type }) => {
        if (type === 'max-buffer-size-exceeded') this.#failure ??= { kind: 'answer_too_large' };
      },
      onEvent: (event) => {
        if (!this.#failure) this.#take(new StreamEvent(event));
      },
    });
  }

  /**
   * Takes the next piece of the stream. Counts need no I/O: they finish before the next turn of the
   * event loop, so that no work piles up between pieces.
   */
  feed(chunk: Buffer): void {
    if (!this.#failure) this.#parser.feed(this.#decoder.decode(chunk, { stream: true }));
  }

  /** Whether an error event has come. */
  get hasFailed(): boolean {
    return this.#failure?.kind === 'upstream_error_event';
  }

  /** Ends the count after the last piece. Call it once. */
  end(): Counted {
    // An upstream may leave out the blank line after its last event.
    if (!this.#failure) this.#parser.feed(`${this.#decoder.decode()}\n\n`);
    if (this.#failure) return this.#failure;
    const said = new Map<string | typeof ANY, Countable>();
    for (const [name, data] of this.#last) {
      const event = data === undefined ? null : readable(data);
      if (event === null) return MALFORMED;
      said.set(name, event);
    }
    const count: Answer['count'] = (part, request) => {
      const sum = this.#sums.get(part);
      if (sum !== undefined) return sum;
      const events = namesIn(part).map((name) => said.get(name));
      const answer = events.length === 1 ? events[0] : together(events);
      return part.count.count({ request, answer });
    };
    return { kind: 'countable', answer: { count } };
  }

  #take(event: StreamEvent): void {
    if (this.#errorEvents.some((name) => event.isCalled(name))) {
      this.#failure = { kind: 'upstream_error_event' };
      return;
    }
    for (const [name, before] of this.#last) {
      if (name === ANY ? !event.isJson : !event.isCalled(name)) continue;
      this.#last.set(name, event.data);
      this.#keptLength += event.data.length - (before?.length ?? 0);
    }
    if (this.#keptLength > this.#mostBytes) this.#failure = { kind: 'answer_too_large' };
    for (const [part, sum] of this.#sums) {
      const isCounted = part.events.names.some((name) => event.isCalled(name));
      if (isCounted) this.#sums.set(part, this.#added(sum, part, event));
    }
  }

  #added(sum: Promise<bigint>, part: PricePerItem, event: StreamEvent): Promise<bigint> {
    const added = sum.then(async (before) => {
      const answer = readable(event.data);
      if (answer === null) throw new CountingFailed('an event is not JSON');
      return before + (await part.count.count({ request: this.#request, answer }, STEPS_AN_EVENT));
    });
    // The count of the part gets the rejection.
    added.catch(() => {});
    return added;
  }
}

/** Stands for the name of events if a part of the price names none. */
const ANY = Symbol('any event');

function namesIn({ events: { names } }: PricePerItem): readonly (string | typeof ANY)[] {
  return names.length === 0 ? [ANY] : names;
}

/** The members of all events; a later event replaces members of the same name. */
function together(events: readonly Countable[]): Countable {
  return Object.fromEntries(events.flatMap((event) => Object.entries(event ?? {}))) as Countable;
}

/** One event. It parses its data only if that may matter. */
class StreamEvent {
  readonly data: string;
  readonly #name: string | undefined;
  #said: Readonly<Record<string, unknown>> | undefined;

  constructor({ data, event }: EventSourceMessage) {
    this.data = data;
    this.#name = event;
  }

  /** Whether its field `event`, its member `type`, or a member that is not null has this name. */
  isCalled(name: string): boolean {
    if (this.#name === name) return true;
    if (!mentions(this.data, name)) return false;
    this.#said ??= membersOf(this.data);
    const said = this.#said;
    return said['type'] === name || (Object.hasOwn(said, name) && said[name] !== null);
  }

  /** Many streams end with `[DONE]`, which looks like a list. */
  get isJson(): boolean {
    const { data } = this;
    return data.startsWith('{') || (data.startsWith('[') && parseJson(data) !== undefined);
  }
}

/** Whether a text may hold a member of a name that is not null, or a value that is the name. */
function mentions(json: string, name: string): boolean {
  const quoted = `"${name}"`;
  const at = json.indexOf(quoted);
  if (at < 0) return false;
  IS_NULL.lastIndex = at + quoted.length;
  return !IS_NULL.test(json) || json.indexOf(quoted, IS_NULL.lastIndex) >= 0;
}
const IS_NULL = /\s*:\s*null/y;

function membersOf(json: string): Readonly<Record<string, unknown>> {
  const value = parseJson(json);
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
}
