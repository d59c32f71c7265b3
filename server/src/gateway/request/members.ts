import { isUtf8 } from 'node:buffer';
import type { MemberNames } from '../../pricing/book/price-book.ts';
import { flattened, objectsIn, spellingOf } from '../../pricing/book/spelling.ts';
import { RequestNotPriced } from '../../pricing/cost.ts';
import { afterBlanks, endOfText } from './json-text.ts';
import { BodyNotJson, parseJson } from './request-body.ts';

/**
 * The members of a request, for its price. The price reads one place: the query of GET, HEAD and DELETE,
 * the JSON body of all other methods. It refuses a request that an upstream could read differently.
 */

type Members = Readonly<Record<string, unknown>>;

/** The parts of a request that can hold members. */
interface SentRequest {
  readonly method: string;
  /** The query with its question mark; empty if there is none. */
  readonly search: string;
  readonly body: Buffer | null;
  readonly contentType: string | undefined;
}

/** The methods whose price reads the query. */
const PRICED_BY_QUERY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE']);

/** The members of a request; `names` are those that the price reads. Throws BodyNotJson or RequestNotPriced. */
export function membersOf(names: MemberNames, sent: SentRequest): Members {
  const { method, search, body, contentType } = sent;
  const query = queryMembers(search);
  const inBody = bodyMembers(body, contentType);
  if (PRICED_BY_QUERY.has(method)) {
    judgeOtherPlace(names, inBody, 'query');
    return query;
  }
  judgeOtherPlace(names, query, 'body');
  return inBody;
}

/** Refuses a member that the price reads, if it stands in the place that the price does not read. */
function judgeOtherPlace(names: MemberNames, other: Members, right: 'query' | 'body'): void {
  const spelling = spellingOf(names);
  for (const members of objectsIn(other)) {
    const isPriced = (name: string) => spelling.meantBy(name, members === other) !== undefined;
    const misplaced = Object.keys(members).find(isPriced);
    if (misplaced === undefined) continue;
    throw new RequestNotPriced(`${misplaced} must be in the ${right}: the price reads it there`, [
      misplaced,
    ]);
  }
}

/** The members of a query; a repeated member becomes a list. */
function queryMembers(search: string): Members {
  if (search === '') return {};
  judgeQuery(search);
  const members: Record<string, unknown> = Object.create(null);
  const taken = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(search)) {
    const known = members[name];
    if (known === undefined) {
      const other = taken.get(flattened(name));
      if (other !== undefined) {
        const message = `${other} and ${name} are one name to some servers: send one of them`;
        throw new RequestNotPriced(message, [name]);
      }
      taken.set(flattened(name), name);
      members[name] = value;
    } else members[name] = Array.isArray(known) ? [...known, value] : [known, value];
  }
  return { ...members };
}

/** Refuses a query that servers split or decode differently. */
function judgeQuery(search: string): void {
  if (search.includes(';')) {
    throw new RequestNotPriced('the query has a ;, which separates members for some: write %3B');
  }
  if (!/^[!-~]*$/.test(search) || !isDecodable(search)) {
    throw new RequestNotPriced('the query must be percent-encoded UTF-8');
  }
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** The members of a JSON body. Throws if it is not a JSON object, or if two readings of it exist. */
function bodyMembers(body: Buffer | null, contentType: string | undefined): Members {
  if (body === null || body.length === 0) return {};
  judgeType(contentType);
  const text = isUtf8(body) ? body.toString() : '';
  const parsed = parseJson(text);
  if (parsed === undefined) throw new BodyNotJson();
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new RequestNotPriced('the body must be a JSON object: the price looks at its members');
  }
  const twice = repeatedName(text);
  if (twice !== undefined) {
    throw new RequestNotPriced(`${twice} is twice in one object: send it once`, [twice]);
  }
  return parsed as Members;
}

/** Refuses a media type other than JSON, and a charset other than UTF-8. */
function judgeType(contentType = ''): void {
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim());
  if (!/^application\/(?:[\w.-]+\+)?json$/i.test(type)) throw new BodyNotJson();
  for (const parameter of parameters.filter((part) => part !== '')) {
    const [, name, value] = /^([\w.-]+)=(?:"([^"]*)"|[\w.+-]+)$/.exec(parameter) ?? [];
    if (name === undefined) throw new BodyNotJson();
    const charset = value ?? parameter.slice(name.length + 1);
    if (name.toLowerCase() === 'charset' && !/^utf-?8$/i.test(charset)) {
      throw new RequestNotPriced('the body must be JSON in UTF-8: leave charset out');
    }
  }
}

/**
 * A name that one object of a JSON text has twice; undefined: there is none. Some readers take its first
 * value, others its last (RFC 8259 §4). The text must be JSON.
 */
function repeatedName(json: string): string | undefined {
  const open: Set<string>[] = [];
  const marks = /[{}"]/g;
  for (let mark = marks.exec(json); mark !== null; mark = marks.exec(json)) {
    const from = mark.index;
    if (json[from] === '{') open.push(new Set());
    else if (json[from] === '}') open.pop();
    else {
      const end = endOfText(json, from);
      marks.lastIndex = end;
      if (json[afterBlanks(json, end)] !== ':') continue;
      const name: string = JSON.parse(json.slice(from, end));
      const names = open.at(-1);
      if (names?.has(name)) return name;
      names?.add(name);
    }
  }
  return undefined;
}
