import { createParser } from 'eventsource-parser';
import type { Route } from '../pricing/price-book.ts';
import { parseJson } from './request-body.ts';

/** What of an upstream's answer can be counted, without keeping more of it than a bound. */

/** The answer as it could be counted, or why it could not. */
export type Counted =
  | { readonly kind: 'countable'; readonly answer: unknown }
  | { readonly kind: 'answer_malformed' | 'answer_too_large' };

/** What a whole JSON answer says. */
export function countedJson(text: Buffer | string): Counted {
  const answer = parseJson(text);
  return answer === undefined ? { kind: 'answer_malformed' } : { kind: 'countable', answer };
}

/** Stands in for what counts events. */
export class EventMeter {
  readonly #decoder = new TextDecoder();
  readonly #parser;
  #last: string | undefined;
  #isTooLarge = false;

  constructor({ countEventWith, meteringBufferBytes }: Route) {
    this.#parser = createParser({
      maxBufferSize: meteringBufferBytes,
      onError: ({ type }) => {
        if (type === 'max-buffer-size-exceeded') this.#isTooLarge = true;
      },
      onEvent: ({ data }) => {
        if (hasMember(data, countEventWith)) this.#last = data;
      },
    });
  }

  feed(piece: Buffer): void {
    if (!this.#isTooLarge) this.#parser.feed(this.#decoder.decode(piece, { stream: true }));
  }

  end(): Counted {
    if (!this.#isTooLarge) this.#parser.feed(`${this.#decoder.decode()}\n\n`);
    return countedOf(this.#last, this.#isTooLarge);
  }
}

function hasMember(data: string, member: string | null): boolean {
  // Many streams end with `[DONE]`, which looks like a list.
  if (member === null) {
    return data.startsWith('{') || (data.startsWith('[') && parseJson(data) !== undefined);
  }
  if (!data.includes(`"${member}"`)) return false;
  const said = parseJson(data) as Readonly<Record<string, unknown>> | undefined;
  return said?.[member] !== undefined && said[member] !== null;
}

function countedOf(last: string | undefined, isTooLarge: boolean): Counted {
  if (isTooLarge) return { kind: 'answer_too_large' };
  return last === undefined ? { kind: 'answer_malformed' } : countedJson(last);
}
