import { describe, expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';

describe('a variable whose name is nearly one of ours', () => {
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

  test('is somebody else’s where it is far from all of ours', () => {
    expect(readConfig({ PURSER_SERVICE_ADDRESS: 'x' }).unknown).toEqual(['PURSER_SERVICE_ADDRESS']);
  });
});

describe('a value that cannot be', () => {
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
  ])('%s=%s stops the start with its name', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(name);
  });

  test('counts as unset where it is empty', () => {
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

test('a rate is so many a second, with a burst or without, or off', () => {
  const rateOf = (text: string) => readConfig({ PURSER_RATE_LIMIT_BILLING: text }).rateLimits;
  expect(rateOf('5:30').billing).toEqual({ perSecond: 5, burst: 30 });
  expect(rateOf('0.5').billing).toEqual({ perSecond: 0.5, burst: 1 });
  expect(rateOf('off')).toMatchObject({ billing: null, balance: { burst: 20_000 } });
});
