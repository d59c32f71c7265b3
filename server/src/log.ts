import pino from 'pino';

export type Log = pino.Logger;

/** The paths of secrets, which must never reach a log. */
const SECRETS = [
  'key',
  'api_key',
  'password',
  '*.key',
  '*.api_key',
  '*.password',
  '*.headers["x-api-key"]',
  '*.headers.authorization',
  'headers["x-api-key"]',
  'headers.authorization',
  // The part of an upstream's answer that could not be parsed.
  'err.data',
];

/**
 * The process's log: JSON lines on standard error, so that standard output is free for people and for
 * `--json`. A server writes them asynchronously (`sync: false`); call `flush` before an exit.
 * `to` takes the lines in place of standard error.
 */
export function createLog(
  level: pino.LevelWithSilent,
  options: { readonly sync: boolean; readonly to?: pino.DestinationStream },
): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS, censor: '[redacted]' },
    },
    options.to ?? pino.destination({ dest: 2, sync: options.sync }),
  );
}
