import type { AddToRequest } from '../../pricing/book/price-book.ts';
import { afterBlanks, endOfText } from './json-text.ts';

/** Sets members in the JSON bodies of customers' requests, as the price book says (`add_to_request`). */

/**
 * The body with the members set, or unchanged if its member `when` is not true. Every other byte stays:
 * a parse and a new write would change numbers that JavaScript cannot hold. `body` must be a JSON
 * object without repeated names.
 */
export function withAdded(body: Buffer, { when, members }: AddToRequest): Buffer {
  // Latin-1 has one character a byte, so that each byte stays as it is. JSON's syntax is ASCII.
  const json = body.toString('latin1');
  const from = json.search(/\S/);
  if (json[from] !== '{') return body;
  const object = readObject(json, from);
  if (when !== null && object.values.get(when)?.text !== 'true') return body;
  const edits = editsOf(json, object, members).sort((a, b) => a.from - b.from);
  let at = 0;
  const parts = edits.flatMap((edit) => {
    const kept = json.slice(at, edit.from);
    at = edit.to;
    return [kept, edit.text];
  });
  return Buffer.from([...parts, json.slice(at)].join(''), 'latin1');
}

/** A part of a text, or the replacement that an edit inserts. */
interface Piece {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

interface JsonObject {
  /** The index of its closing brace. */
  readonly end: number;
  readonly values: ReadonlyMap<string, Piece>;
}

function editsOf(
  json: string,
  { end, values }: JsonObject,
  members: Readonly<Record<string, unknown>>,
): Piece[] {
  const edits: Piece[] = [];
  let isEmpty = values.size === 0;
  for (const [name, value] of Object.entries(members)) {
    const present = values.get(name);
    if (!present) {
      const text = `${isEmpty ? '' : ','}${jsonOf(name)}:${jsonOf(value)}`;
      edits.push({ from: end, to: end, text });
      isEmpty = false;
    } else if (isObject(value) && present.text.startsWith('{')) {
      edits.push(...editsOf(json, readObject(json, present.from), value));
    } else {
      edits.push({ ...present, text: jsonOf(value) });
    }
  }
  return edits;
}

/** Reads the members of the object whose opening brace is at `from`. */
function readObject(json: string, from: number): JsonObject {
  const values = new Map<string, Piece>();
  let at = afterBlanks(json, from + 1);
  while (json[at] === '"') {
    const nameEnd = endOfValue(json, at);
    const start = afterBlanks(json, afterBlanks(json, nameEnd) + 1);
    const to = endOfValue(json, start);
    values.set(nameOf(json.slice(at, nameEnd)), { from: start, to, text: json.slice(start, to) });
    at = afterBlanks(json, to);
    if (json[at] !== ',') break;
    at = afterBlanks(json, at + 1);
  }
  return { end: at, values };
}

/** The index behind the value that begins at `from`. */
function endOfValue(json: string, from: number): number {
  let depth = 0;
  let at = from;
  do {
    const char = json[at];
    if (char === '"') at = endOfText(json, at);
    else if (char === '{' || char === '[') {
      depth += 1;
      at += 1;
    } else if (char === '}' || char === ']') {
      depth -= 1;
      at += 1;
    } else if (depth > 0) at += 1;
    else while (at < json.length && !END_OF_WORD.has(json[at] ?? '')) at += 1;
  } while (depth > 0 && at < json.length);
  return at;
}
const END_OF_WORD: ReadonlySet<string> = new Set([',', '}', ']', ' ', '\t', '\n', '\r']);

function nameOf(quoted: string): string {
  return JSON.parse(Buffer.from(quoted, 'latin1').toString());
}

/** A value as JSON, one character a byte. */
function jsonOf(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('latin1');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
