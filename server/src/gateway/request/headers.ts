import type { IncomingHttpHeaders } from 'node:http';
import type { UpstreamSecret } from '../../pricing/book/price-book.ts';
import { holdsKey, holdsKeyInBasic } from './key-in-text.ts';

/** Headers as they pass through the gateway: what belongs to one connection ends at it (RFC 9110 §7.6.1). */

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

/** Headers of a request that the gateway writes itself, and that nobody else may. */
const OWN_REQUEST = ['expect', 'x-api-key', 'x-request-id'];
/** Headers by which many servers take another method, path, host, session or proxy than the request has. */
const OVERRIDES = [
  ...['x-http-method-override', 'x-http-method', 'x-method-override'],
  ...['x-original-url', 'x-original-uri', 'x-rewrite-url', 'x-original-host', 'x-host'],
  ...['cookie', 'cookie2', 'x-real-ip', 'proxy'],
];
const NEVER: ReadonlySet<string> = new Set([...HOP_BY_HOP, ...OWN_REQUEST, ...OVERRIDES]);
/** Headers that tell where a request came from, besides `X-Forwarded-*`: only a proxy can know. */
const OF_PROXIES: ReadonlySet<string> = new Set([
  ...['forwarded', 'client-ip', 'x-client-ip', 'x-cluster-client-ip', 'true-client-ip'],
  ...['cf-connecting-ip', 'fastly-client-ip'],
]);
/** What asks for a part of an answer, or for none: what is counted must come whole. */
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
/** As node:http and undici read them. */
export type SentHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** How a request came, as far as its headers depend on it. */
export interface Sender {
  /** The secret of the customer. */
  readonly key: string;
  /** Whether it came by a proxy that is trusted. */
  readonly isByTrustedProxy: () => boolean;
}

/**
 * The headers of a request that may go on. Left out are those of the connection, those that hold a key,
 * those by which an upstream would take the request for another, and those that only a trusted proxy may
 * write. A name with `_` counts as with `-`, as CGI and its successors read it; `secretHeader` is the
 * upstream's.
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

/** Whether a header changes which bytes a body or an answer is: such a one has only its own spelling. */
function isMeaningful(name: string): boolean {
  return name.startsWith('content-') || name === 'accept-encoding' || PARTIAL.includes(name);
}

/** Who calls, as the upstream is told. */
export interface Caller {
  readonly accountPublicId: string;
  readonly address: string;
  readonly requestId: string;
}

/** The headers that the upstream gets, of those that may go on. */
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
    // What is counted must be readable.
    headers['accept-encoding'] = 'identity';
  }
  if (secret) headers[secret.of.header] = `${secret.of.prefix}${secret.value}`;
  return headers;
}

/** The headers of the upstream's answer that the customer gets. Of several media types the first counts. */
export function answerHeaders(sent: SentHeaders): Headers {
  const named = namedIn(sent['connection']);
  const headers: Headers = {};
  for (const name in sent) {
    const value = sent[name];
    if (value === undefined || HOP_BY_HOP.has(name) || named?.includes(name)) continue;
    // Which pages may read an answer is for the gateway to say.
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

/** Headers that are for the upstream, so that `Connection` must not name them (RFC 9110 §7.6.1). */
const END_TO_END =
  /^(?:accept|authorization|cache-control|content-|cookie|date|forwarded|from|host|idempotency-key|if-|origin|pragma|range|referer|user-agent|x-api-key|x-forwarded-|x-request-id)/;

/** A header that `Connection` would remove though it is for the upstream; undefined: it names none. */
export function endToEndNamed(connection: string | undefined): string | undefined {
  return namedIn(connection)?.find((name) => END_TO_END.test(name));
}

/** The headers that `Connection` names, in one line or, of an upstream, in several. */
function namedIn(connection: string | string[] | undefined): string[] | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return;
  return String(connection)
    .split(',')
    .map((name) => name.trim().toLowerCase());
}
