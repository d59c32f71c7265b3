import type { IncomingHttpHeaders } from 'node:http';
import type { UpstreamSecret } from '../../pricing/book/price-book.ts';
import { holdsKey, holdsKeyInBasic } from './key-in-text.ts';

/** The headers that the gateway forwards; those of one connection never are (RFC 9110 §7.6.1). */

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Headers of a request that only the gateway writes. */
const OWN_REQUEST = ['expect', 'x-api-key', 'x-request-id'];
/** Headers that make many servers see another method, path, host, session or proxy. */
const OVERRIDES = [
  ...['x-http-method-override', 'x-http-method', 'x-method-override'],
  ...['x-original-url', 'x-original-uri', 'x-rewrite-url', 'x-original-host', 'x-host'],
  ...['cookie', 'cookie2', 'x-real-ip', 'proxy'],
];
const NEVER: ReadonlySet<string> = new Set([...HOP_BY_HOP, ...OWN_REQUEST, ...OVERRIDES]);
/** Headers with the address of the client, besides `X-Forwarded-*`: only a trusted proxy may send them. */
const OF_PROXIES: ReadonlySet<string> = new Set([
  ...['forwarded', 'client-ip', 'x-client-ip', 'x-cluster-client-ip', 'true-client-ip'],
  ...['cf-connecting-ip', 'fastly-client-ip'],
]);
/** Headers that ask for a part of an answer or for none. A counted answer must come whole. */
const PARTIAL = ['range', 'if-range', 'if-none-match', 'if-modified-since'];
const OWN_ANSWER = new Set([
  'x-credits-charged',
  'x-credits-remaining',
  'x-charge-id',
  'x-hold-id',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-request-id',
]);

export type Headers = Record<string, string | string[]>;
/** Headers in the form of node:http and undici. */
export type SentHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The facts about a request's sender that decide which headers are forwarded. */
export interface Sender {
  /** The secret of the customer. */
  readonly key: string;
  /** Whether the request came from a trusted proxy. */
  readonly isByTrustedProxy: () => boolean;
}

/**
 * The headers of a request that are forwarded. It leaves out headers of the connection, headers that
 * hold a key, overrides, and headers that only a trusted proxy may write. A name with `_` counts as with
 * `-`, as CGI reads it. `secretHeader` names the header of the upstream's secret.
 */
export function requestHeaders(
  sent: IncomingHttpHeaders,
  { key, isByTrustedProxy }: Sender,
  secretHeader: string | undefined,
): IncomingHttpHeaders {
  const named = namedIn(sent.connection);
  const headers: IncomingHttpHeaders = {};
  for (const name in sent) {
    const value = sent[name];
    const read = name.includes('_') ? name.replaceAll('_', '-') : name;
    if (value === undefined || NEVER.has(read) || named?.includes(name)) continue;
    if (read !== name && (isMeaningful(read) || read === secretHeader)) continue;
    if (read.startsWith('x-purser-') || holdsKey(String(value), key)) continue;
    if (name === 'authorization' && holdsKeyInBasic(String(value), key)) continue;
    if ((OF_PROXIES.has(read) || read.startsWith('x-forwarded-')) && !isByTrustedProxy()) continue;
    headers[name] = value;
  }
  return headers;
}

/** Whether a header changes how a body is read: then only its own spelling is forwarded. */
function isMeaningful(name: string): boolean {
  return name.startsWith('content-') || name === 'accept-encoding' || PARTIAL.includes(name);
}

/** The caller, as the upstream learns of it. */
export interface Caller {
  readonly accountPublicId: string;
  readonly address: string;
  readonly requestId: string;
}

/** The headers for the upstream, made from those that `requestHeaders` left. */
export function upstreamHeaders(
  sent: IncomingHttpHeaders,
  caller: Caller,
  secret: { readonly of: UpstreamSecret; readonly value: string } | null,
  of: { readonly isCounted: boolean; readonly keepsLength: boolean },
): Headers {
  const { host, ...headers } = sent as Headers;
  const before = sent['x-forwarded-for'];
  headers['x-forwarded-for'] =
    before === undefined ? caller.address : `${before}, ${caller.address}`;
  if (host !== undefined) headers['x-forwarded-host'] ??= host;
  headers['x-forwarded-proto'] ??= 'http';
  headers['x-request-id'] = caller.requestId;
  headers['x-purser-account'] = caller.accountPublicId;
  if (!of.keepsLength) delete headers['content-length'];
  if (of.isCounted) {
    for (const name of PARTIAL) if (name in headers) delete headers[name];
    // The count reads the answer, so the answer must not be compressed.
    headers['accept-encoding'] = 'identity';
  }
  if (secret) headers[secret.of.header] = `${secret.of.prefix}${secret.value}`;
  return headers;
}

/** The headers of the upstream's answer that the customer gets. The first of several media types counts. */
export function answerHeaders(sent: SentHeaders): Headers {
  const named = namedIn(sent['connection']);
  const headers: Headers = {};
  for (const name in sent) {
    const value = sent[name];
    if (value === undefined || HOP_BY_HOP.has(name) || named?.includes(name)) continue;
    // The gateway decides which web pages may read an answer (CORS).
    if (OWN_ANSWER.has(name) || name.startsWith('access-control-')) continue;
    headers[name] = value;
  }
  const { 'content-type': types } = headers;
  if (Array.isArray(types)) headers['content-type'] = types[0] ?? '';
  return headers;
}

/** Whether an answer is a stream of events. */
export function isEventStream(headers: SentHeaders): boolean {
  return /^text\/event-stream\b/i.test(String(headers['content-type']));
}

/** Headers for the upstream, which `Connection` must not name (RFC 9110 §7.6.1). */
const END_TO_END =
  /^(?:accept|authorization|cache-control|content-|cookie|date|forwarded|from|host|idempotency-key|if-|origin|pragma|range|referer|user-agent|x-api-key|x-forwarded-|x-request-id)/;

/** A header for the upstream that `Connection` names; undefined: it names none. */
export function endToEndNamed(connection: string | undefined): string | undefined {
  return namedIn(connection)?.find((name) => END_TO_END.test(name));
}

/** The headers that `Connection` names, in one line or in several. */
function namedIn(connection: string | string[] | undefined): string[] | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return;
  return String(connection)
    .split(',')
    .map((name) => name.trim().toLowerCase());
}
