import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readConfig, readSecret } from '../src/config.ts';

describe('a variable with a name close to one of Purser’s', () => {
  test.each([
    ['PURSER_PRT', 'PURSER_PORT'],
    ['PURSER_HOTS', 'PURSER_HOST'],
    ['PURSER_DATADIR', 'PURSER_DATA_DIR'],
    ['PURSER_LOGLEVEL', 'PURSER_LOG_LEVEL'],
  ])('%s is refused, and %s is offered', (name, meant) => {
    expect(() => readConfig({ [name]: '1' })).toThrow(
      expect.objectContaining({ solution: `Rename ${name} to ${meant}, or unset it.` }),
    );
  });

  test('is ignored if its name is far from all of Purser’s', () => {
    expect(readConfig({ PURSER_SERVICE_ADDRESS: 'x' }).unknown).toEqual(['PURSER_SERVICE_ADDRESS']);
  });
});

describe('an invalid value', () => {
  test.each([
    ['PURSER_PORT', '80800'],
    ['PURSER_PORT', 'http'],
    ['PURSER_HOST', 'a b'],
    ['PURSER_LOG_LEVEL', 'loud'],
    ['PURSER_DEMO', 'no'],
    ['PURSER_METRICS_TOKEN', 'a token'],
    ['DATABASE_URL', 'mysql://x'],
    ['PURSER_TRUSTED_PROXIES', '10.0.0.0/8,'],
    ['PURSER_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['PURSER_TRUSTED_PROXIES', '10.0.0.0/0'],
    ['PURSER_TRUSTED_PROXIES', '10.0.0/8'],
    ['PURSER_TRUSTED_PROXIES', '10.0.0.0/8/8'],
    ['PURSER_TRUSTED_PROXIES', 'fd00::/129'],
    ['PURSER_TRUSTED_PROXIES', 'fd00::/x'],
    ['PURSER_TRUSTED_PROXIES', 'loopback'],
    ['PURSER_RATE_LIMIT_BALANCE', '0'],
    ['PURSER_RATE_LIMIT_BALANCE', '-1'],
    ['PURSER_RATE_LIMIT_BILLING', '10:0'],
    ['PURSER_RATE_LIMIT_BILLING', '10/s'],
    ['PURSER_RATE_LIMIT_FAILED_KEYS', '10:20:30'],
    ['PURSER_RATE_LIMIT_FAILED_KEYS', 'none'],
    ['PURSER_CORS_ORIGINS', 'https://app.example.com/'],
    ['PURSER_CORS_ORIGINS', 'https://app.example.com:443'],
    ['PURSER_CORS_ORIGINS', 'https://App.example.com'],
    ['PURSER_CORS_ORIGINS', 'app.example.com'],
    ['PURSER_CORS_ORIGINS', 'null'],
    ['PURSER_CORS_ORIGINS', '*, https://app.example.com'],
    ['DATABASE_URL', 'postgres://db/purser?sslrootcert=/no/such/file'],
    ['PURSER_MIGRATION_URL', 'mysql://x'],
    ['PURSER_MIGRATION_URL', 'postgres://owner@db/purser'],
    ['PURSER_MAX_CONNECTIONS', '0'],
    ['PURSER_MAX_CONNECTIONS', 'many'],
  ])('%s=%s stops the start with its name', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(name);
  });

  test('counts as unset if it is empty', () => {
    expect(readConfig({ PURSER_PORT: '', DATABASE_URL: '' })).toMatchObject({
      port: 8080,
      databaseUrl: undefined,
    });
  });
});

test('proxies are addresses and CIDRs, with blanks or without', () => {
  const { trustedProxies } = readConfig({
    PURSER_TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.1,fd00::/8 ,::1',
  });
  expect(trustedProxies).toEqual(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::1']);
});

test('origins are those of the web and of apps, or all', () => {
  const originsIn = (text: string) => readConfig({ PURSER_CORS_ORIGINS: text }).corsOrigins;
  expect(originsIn('https://app.example.com:8443, capacitor://localhost')).toEqual([
    'https://app.example.com:8443',
    'capacitor://localhost',
  ]);
  expect(originsIn('*')).toEqual(['*']);
  expect(originsIn('')).toEqual([]);
});

describe('a secret', () => {
  const directory = mkdtempSync(join(tmpdir(), 'purser-config-'));
  const file = join(directory, 'secret');
  afterAll(() => rmSync(directory, { recursive: true }));

  test.each([
    ['DATABASE_URL', 'databaseUrl', 'postgres://u:p@localhost/purser'],
    ['PURSER_MIGRATION_URL', 'migrationUrl', 'postgres://o:p@localhost/purser'],
    ['PURSER_METRICS_TOKEN', 'metricsToken', 'a-token'],
  ] as const)('%s may come from a file', (name, member, value) => {
    writeFileSync(file, `${value}\n`);
    const others =
      name === 'PURSER_MIGRATION_URL' ? { DATABASE_URL: 'postgres://u@localhost' } : {};
    const config = readConfig({ ...others, [`${name}_FILE`]: file });
    expect(config[member]).toBe(value);
    expect(config.unknown).toEqual([]);
  });

  test('for an upstream may come from a file too', () => {
    writeFileSync(file, 'the-secret\n');
    expect(readSecret('UPSTREAM_KEY', { UPSTREAM_KEY_FILE: file })).toBe('the-secret');
  });

  test('is refused if it is given twice, or its file is empty or unreadable', () => {
    const twice = { PURSER_METRICS_TOKEN: 'a', PURSER_METRICS_TOKEN_FILE: file };
    expect(() => readConfig(twice)).toThrow('PURSER_METRICS_TOKEN_FILE');
    expect(() => readConfig({ DATABASE_URL_FILE: '/no/such/file' })).toThrow('DATABASE_URL_FILE');
    writeFileSync(file, '\n');
    expect(() => readConfig({ DATABASE_URL_FILE: file })).toThrow('DATABASE_URL_FILE');
  });
});

describe('a URL to another machine', () => {
  test.each([
    ['postgres://u@db.internal/purser', true],
    ['postgres://u@10.0.0.7:5433/purser', true],
    ['postgres://u@db.internal/purser?application_name=x', true],
    ['postgres://u@db.internal/purser?sslmode=verify-full', false],
    ['postgres://u@db.internal/purser?sslmode=disable', false],
    ['postgres://u@db.internal/purser?ssl=true', false],
    ['postgres://u@localhost/purser', false],
    ['postgres://u@127.0.0.1/purser', false],
    ['postgres://u@[::1]/purser', false],
    ['postgres://u@/purser?host=/var/run/postgresql', false],
    ['postgres:///purser', false],
  ])('%s is in plain text: %s', (url, isPlain) => {
    expect(readConfig({ DATABASE_URL: url }).plainText).toEqual(isPlain ? ['DATABASE_URL'] : []);
    expect(readConfig({ DATABASE_URL: url, PGSSLMODE: 'require' }).plainText).toEqual([]);
  });

  test('is checked for the migrations too', () => {
    const DATABASE_URL = 'postgres://u@localhost/purser';
    const PURSER_MIGRATION_URL = 'postgres://o@db.internal/purser';
    expect(readConfig({ DATABASE_URL, PURSER_MIGRATION_URL }).plainText).toEqual([
      'PURSER_MIGRATION_URL',
    ]);
  });
});

test('a rate is a number a second, with or without a burst, or `off`', () => {
  const rateOf = (text: string) => readConfig({ PURSER_RATE_LIMIT_BILLING: text }).rateLimits;
  expect(rateOf('5:30').billing).toEqual({ perSecond: 5, burst: 30 });
  expect(rateOf('0.5').billing).toEqual({ perSecond: 0.5, burst: 1 });
  expect(rateOf('off')).toMatchObject({ billing: null, balance: { burst: 20_000 } });
});
