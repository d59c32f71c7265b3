import type { IncomingHttpHeaders } from 'node:http';
import type { UpstreamSecret } from '../pricing/price-book.ts';

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

/** What the gateway says itself, to the upstream or to the customer; nobody else may. */
const OWN_REQUEST = new Set([
  'host',
  'expect',
  'x-api-key',
  'forwarded',
  'x-forwarded-for',
  'x-request-id',
  'x-purser-account',
]);
/** What asks for a part of an answer, or for none: what is counted must come whole. */
const PARTIAL = new Set(['range', 'if-range', 'if-none-match', 'if-modified-since']);
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

/** Who calls, as the upstream is told. */
export interface Caller {
  /** The secret that the customer sent, which goes no further. */
  readonly key: string;
  readonly accountPublicId: string;
  readonly address: string;
  readonly requestId: string;
}

/** The headers that the upstream gets. */
export function upstreamHeaders(
  sent: IncomingHttpHeaders,
  caller: Caller,
  secret: { readonly of: UpstreamSecret; readonly value: string } | null,
  of: { readonly isCounted: boolean; readonly hasBody: boolean },
): Headers {
  const headers = passedOn(
    sent,
    (name, value) =>
      OWN_REQUEST.has(name) ||
      String(value).includes(caller.key) ||
      (of.isCounted && PARTIAL.has(name)),
  );
  const before = sent['x-forwarded-for'];
  headers['x-forwarded-for'] =
    before === undefined ? caller.address : `${before}, ${caller.address}`;
  if (sent.host !== undefined) headers['x-forwarded-host'] ??= sent.host;
  headers['x-forwarded-proto'] ??= 'http';
  headers['x-request-id'] = caller.requestId;
  headers['x-purser-account'] = caller.accountPublicId;
  if (!of.hasBody) delete headers['content-length'];
  // What is counted must be readable.
  if (of.isCounted) headers['accept-encoding'] = 'identity';
  if (secret) headers[secret.of.header] = `${secret.of.prefix}${secret.value}`;
  return headers;
}

/** The headers of the upstream's answer that the customer gets. Of several media types the first counts. */
export function answerHeaders(sent: SentHeaders): Headers {
  const headers = passedOn(sent, (name) => OWN_ANSWER.has(name));
  const { 'content-type': types } = headers;
  if (Array.isArray(types)) headers['content-type'] = types[0] ?? '';
  return headers;
}

/** Whether an answer is a stream of events. */
export function isEventStream(headers: SentHeaders): boolean {
  return /^text\/event-stream\b/i.test(String(headers['content-type']));
}

/** The headers that go further: those of the connection end here, and those that are kept back. */
function passedOn(
  sent: IncomingHttpHeaders,
  isKeptBack: (name: string, value: string | string[]) => boolean,
): Headers {
  const named = namedIn(sent.connection);
  const headers: Headers = {};
  for (const name in sent) {
    const value = sent[name];
    if (value === undefined || HOP_BY_HOP.has(name) || named?.includes(name)) continue;
    if (!isKeptBack(name, value)) headers[name] = value;
  }
  return headers;
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
