import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { closest, distance } from 'fastest-levenshtein';
import { parseIntoClientConfig } from 'pg-connection-string';
import { OperatorError } from './operator-error.ts';

/**
 * The configuration. Only this file reads `process.env`, once, and checks all of it. A wrong value stops
 * the start with the variable's name and the cure. An empty variable counts as unset.
 */

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Config {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Absolute. */
  readonly dataDir: string;
  /** The operator's PostgreSQL; undefined: the embedded one in `dataDir`. May contain a password. */
  readonly databaseUrl: string | undefined;
  /** The URL with the tables' owner; undefined: `databaseUrl`. May contain a password. */
  readonly migrationUrl: string | undefined;
  /** The variables whose URL connects to another machine without encryption. */
  readonly plainText: readonly string[];
  /** The most open HTTP connections of a server. */
  readonly maxConnections: number;
  /** Undefined: the command's default. */
  readonly logLevel: LogLevel | undefined;
  /** Whether an empty embedded database gets the demo accounts. */
  readonly demo: boolean;
  /** The Bearer token for `/metrics`; undefined: it needs none. */
  readonly metricsToken: string | undefined;
  /** The price book's file, absolute; undefined: there is no gateway. */
  readonly gatewayFile: string | undefined;
  /** A stopping server lets calls under way go on for this long. */
  readonly drainMs: number;
  /** Addresses and CIDRs of the proxies whose `X-Forwarded-*` headers are trusted. */
  readonly trustedProxies: readonly string[];
  /** The origins whose web pages may call (CORS); `['*']`: all. */
  readonly corsOrigins: readonly string[];
  /** Rate limits of a key for its balance and other own data, and of an address for refused keys. Null: none. */
  readonly rateLimits: Readonly<Record<'balance' | 'billing' | 'failedKeys', RateSetting | null>>;
  /** Unknown variables that begin with `PURSER_`, such as Kubernetes' service links. */
  readonly unknown: readonly string[];
}

export interface RateSetting {
  readonly perSecond: number;
  /** Requests that may come at once. */
  readonly burst: number;
}

/**
 * Default rate limits. The balance endpoint's is a quarter of a node's capacity: public clients poll it,
 * and no key may occupy a whole node.
 */
const RATES = {
  PURSER_RATE_LIMIT_BALANCE: '10000:20000',
  PURSER_RATE_LIMIT_BILLING: '100:1000',
  PURSER_RATE_LIMIT_FAILED_KEYS: '20:200',
} as const;

/** Every variable, with the cure that its error names. The help of `start` lists them. */
export const CURES = {
  PURSER_HOST: 'Set PURSER_HOST to an address of this machine, or unset it for 127.0.0.1.',
  PURSER_PORT: 'Set PURSER_PORT to a number from 0 (any free port) to 65535, or unset it for 8080.',
  PURSER_DATA_DIR: 'Set PURSER_DATA_DIR to a directory, or unset it for .purser.',
  PURSER_LOG_LEVEL: `Set PURSER_LOG_LEVEL to one of ${LOG_LEVELS.join(', ')}, or unset it.`,
  PURSER_DEMO: 'Set PURSER_DEMO to off for no demo data, or unset it.',
  PURSER_METRICS_TOKEN: 'Set PURSER_METRICS_TOKEN to printable ASCII without blanks, or unset it.',
  PURSER_GATEWAY: 'Set PURSER_GATEWAY to the file of a price book, or unset it for no gateway.',
  PURSER_DRAIN_S: 'Set PURSER_DRAIN_S to a number of seconds from 0 to 3600, or unset it for 30.',
  PURSER_TRUSTED_PROXIES:
    'Set PURSER_TRUSTED_PROXIES to CIDRs with commas between them, such as 10.0.0.0/8,fd00::/8, or unset it to trust none.',
  PURSER_CORS_ORIGINS:
    'Set PURSER_CORS_ORIGINS to origins with commas between them, such as https://app.example.com, or to * for all, or unset it for none.',
  PURSER_MAX_CONNECTIONS:
    'Set PURSER_MAX_CONNECTIONS to a number from 1 to 1000000, or unset it for 10000.',
  PURSER_MIGRATION_URL:
    'Set PURSER_MIGRATION_URL to postgres://owner:password@host:port/database, the database of DATABASE_URL with the login that owns the tables; or unset it.',
  PURSER_RATE_LIMIT_BALANCE: cureOfRate('PURSER_RATE_LIMIT_BALANCE'),
  PURSER_RATE_LIMIT_BILLING: cureOfRate('PURSER_RATE_LIMIT_BILLING'),
  PURSER_RATE_LIMIT_FAILED_KEYS: cureOfRate('PURSER_RATE_LIMIT_FAILED_KEYS'),
  DATABASE_URL:
    'Set DATABASE_URL to postgres://user:password@host:port/database, or unset it to use the embedded PostgreSQL.',
} as const;

const URLS = ['DATABASE_URL', 'PURSER_MIGRATION_URL'] as const;
/** The variables of secrets, which `NAME_FILE` may give as a file instead. */
const SECRETS: readonly Variable[] = [...URLS, 'PURSER_METRICS_TOKEN'];

type Variable = keyof typeof CURES;

function cureOfRate(variable: keyof typeof RATES): string {
  return `Set ${variable} to requests a second, perhaps with a colon and how many may come at once, such as 100:1000; or to off for no limit; or unset it for ${RATES[variable]}.`;
}

const LARGEST_PORT = 65_535;
const LONGEST_DRAIN_S = 3_600;
const MOST_CONNECTIONS = 1_000_000;
/** An unknown name within this distance of a known one is a typing error. */
const TYPO_DISTANCE = 3;

/** Reads the configuration from the environment. Throws OperatorError for an invalid value. */
export function readConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  const set = (name: Variable) => env[name] || undefined;
  const databaseUrl = readUrl('DATABASE_URL', env);
  const migrationUrl = readUrl('PURSER_MIGRATION_URL', env);
  if (migrationUrl !== undefined && databaseUrl === undefined) {
    throw invalid(
      'PURSER_MIGRATION_URL',
      'DATABASE_URL is not set: the embedded PostgreSQL needs none.',
    );
  }
  const rate = (name: keyof typeof RATES) => readRate(name, set(name) ?? RATES[name]);
  return {
    unknown: readUnknown(env),
    host: readHost(set('PURSER_HOST') ?? '127.0.0.1'),
    port: readPort(set('PURSER_PORT') ?? '8080'),
    dataDir: readDataDir(set('PURSER_DATA_DIR') ?? '.purser'),
    databaseUrl,
    migrationUrl,
    plainText: URLS.filter((name) => isPlainText(readUrl(name, env)) && !env['PGSSLMODE']),
    maxConnections: readMaxConnections(set('PURSER_MAX_CONNECTIONS') ?? '10000'),
    logLevel: readLogLevel(set('PURSER_LOG_LEVEL')),
    demo: readDemo(set('PURSER_DEMO')),
    metricsToken: readMetricsToken(readSecret('PURSER_METRICS_TOKEN', env)),
    gatewayFile: readGatewayFile(set('PURSER_GATEWAY')),
    drainMs: readDrain(set('PURSER_DRAIN_S') ?? '30'),
    corsOrigins: readCorsOrigins(set('PURSER_CORS_ORIGINS')),
    trustedProxies: readTrustedProxies(set('PURSER_TRUSTED_PROXIES')),
    rateLimits: {
      balance: rate('PURSER_RATE_LIMIT_BALANCE'),
      billing: rate('PURSER_RATE_LIMIT_BILLING'),
      failedKeys: rate('PURSER_RATE_LIMIT_FAILED_KEYS'),
    },
  };
}

function readHost(text: string): string {
  if (/[\s/]/.test(text)) throw invalid('PURSER_HOST', `"${text}" is not an address.`);
  return text;
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= LARGEST_PORT) return port;
  throw invalid('PURSER_PORT', `"${text}" is not a port.`);
}

function readDataDir(text: string): string {
  if (text.includes('\0')) throw invalid('PURSER_DATA_DIR', 'The path holds a NUL character.');
  return resolve(text);
}

/** Reads a URL. Its error never shows the URL, which may contain a password. */
function readUrl(
  name: (typeof URLS)[number],
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const text = readSecret(name, env);
  if (text === undefined) return undefined;
  if (!/^postgres(ql)?:\/\//.test(text)) {
    throw invalid(name, 'It does not begin with postgres:// or postgresql://.');
  }
  // The standard parser refuses a socket's directory as the host.
  const isSocket = /^postgres(ql)?:\/\/([^/@]*@)?(%2f|\/)/i.test(text);
  if (!isSocket && !URL.canParse(text)) {
    throw invalid(name, 'It is not a URL; special characters need percent-encoding.');
  }
  try {
    parseIntoClientConfig(text);
  } catch (error) {
    // For example a bad port, or an unreadable certificate.
    throw invalid(name, (error as Error).message);
  }
  return text;
}

/** Whether a URL connects to another machine and asks for no encryption. */
function isPlainText(url: string | undefined): boolean {
  if (url === undefined) return false;
  const { host = '', ssl } = parseIntoClientConfig(url);
  const isHere = host === '' || host.startsWith('/') || isLoopback(host);
  return !isHere && ssl === undefined;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function readMaxConnections(text: string): number {
  const count = Number(text);
  if (/^\d{1,7}$/.test(text) && count >= 1 && count <= MOST_CONNECTIONS) return count;
  throw invalid('PURSER_MAX_CONNECTIONS', `"${text}" is not such a number.`);
}

function readLogLevel(text: string | undefined): LogLevel | undefined {
  const level = LOG_LEVELS.find((known) => known === text);
  if (text !== undefined && level === undefined) {
    throw invalid('PURSER_LOG_LEVEL', `"${text}" is not a log level.`);
  }
  return level;
}

function readDemo(text: string | undefined): boolean {
  if (text === undefined || text === 'on') return true;
  if (text === 'off') return false;
  throw invalid('PURSER_DEMO', `"${text}" is neither on nor off.`);
}

function readMetricsToken(text: string | undefined): string | undefined {
  if (text === undefined || /^[!-~]+$/.test(text)) return text;
  throw invalid('PURSER_METRICS_TOKEN', 'It holds characters that no HTTP header can carry.');
}

function readGatewayFile(text: string | undefined): string | undefined {
  if (text?.includes('\0')) throw invalid('PURSER_GATEWAY', 'The path holds a NUL character.');
  return text === undefined ? undefined : resolve(text);
}

function readDrain(text: string): number {
  const seconds = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && seconds <= LONGEST_DRAIN_S) return seconds * 1_000;
  throw invalid('PURSER_DRAIN_S', `"${text}" is not a number of seconds.`);
}

function readTrustedProxies(text: string | undefined): string[] {
  const proxies = listIn(text);
  for (const proxy of proxies) {
    const [address = '', prefix, ...more] = proxy.split('/');
    const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
    const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : 0;
    if (more.length === 0 && length > 0 && length <= bits) continue;
    throw invalid('PURSER_TRUSTED_PROXIES', `"${proxy}" is neither an address nor a CIDR.`);
  }
  return proxies;
}

/** Reads `rate` or `rate:burst`: 0.01 to 1000000 a second; the default burst is the rate, rounded up. */
function readRate(variable: keyof typeof RATES, text: string): RateSetting | null {
  if (text === 'off') return null;
  const [, rate, given] = /^(\d{1,7}(?:\.\d{1,2})?)(?::(\d{1,7}))?$/.exec(text) ?? [];
  const perSecond = Number(rate);
  const burst = given === undefined ? Math.ceil(perSecond) : Number(given);
  if (perSecond > 0 && burst > 0) return { perSecond, burst };
  throw invalid(variable, `"${text}" is not a rate.`);
}

/** Reads origins, which are compared exactly with the browser's. Apps have origins with schemes of their own. */
function readCorsOrigins(text: string | undefined): string[] {
  const origins = listIn(text);
  for (const origin of origins) {
    const isAll = origin === '*' && origins.length === 1;
    const isOfWeb = /^https?:/.test(origin);
    const isOrigin = isOfWeb
      ? URL.canParse(origin) && new URL(origin).origin === origin
      : /^[a-z][a-z0-9+.-]*:\/\/[\w.-]+$/.test(origin);
    if (isAll || isOrigin) continue;
    throw invalid('PURSER_CORS_ORIGINS', `"${origin}" is not an origin as browsers send it.`);
  }
  return origins;
}

/** The items of a comma-separated list, without blanks around them. */
function listIn(text = ''): string[] {
  return text === '' ? [] : text.split(',').map((item) => item.trim());
}

/**
 * Reads a secret from its variable, or from the file that `NAME_FILE` names, without a final line break.
 * Throws OperatorError if both are set, or if the file is empty or unreadable.
 */
export function readSecret(
  variable: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  const value = env[variable] || undefined;
  const file = env[`${variable}_FILE`] || undefined;
  if (file === undefined) return value;
  const cure = `Set one of ${variable} and ${variable}_FILE; the file must be one that this user may read.`;
  const what = `The environment variable ${variable}_FILE cannot be used.`;
  if (value !== undefined) throw new OperatorError(what, `${variable} is set too.`, cure);
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trimEnd();
  } catch (cause) {
    throw new OperatorError(what, (cause as Error).message, cure, { cause });
  }
  if (text === '') throw new OperatorError(what, `${file} is empty.`, cure);
  return text;
}

/**
 * The unknown `PURSER_…` names. Refuses a name close to a known one: after a typing error the default
 * would silently apply. Others pass: Kubernetes sets `PURSER_SERVICE_HOST` and the like for a service
 * named `purser`.
 */
function readUnknown(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = [...Object.keys(CURES), ...SECRETS.map((name) => `${name}_FILE`)];
  const unknown = Object.keys(env).filter(
    (name) => name.startsWith('PURSER_') && !known.includes(name),
  );
  for (const name of unknown) {
    const nearest = closest(name, known);
    if (distance(name, nearest) > TYPO_DISTANCE) continue;
    throw new OperatorError(
      `The environment variable ${name} is not known.`,
      `It looks like ${nearest}.`,
      `Rename ${name} to ${nearest}, or unset it.`,
    );
  }
  return unknown;
}

function invalid(variable: Variable, details: string): OperatorError {
  return new OperatorError(
    `The environment variable ${variable} cannot be used.`,
    details,
    CURES[variable],
  );
}
