import pino from 'pino';

export type Log = pino.Logger;

/** What must never reach a log, wherever an object carries it. */
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
  // Of an upstream's answer, what could not be parsed.
  'err.data',
];

/**
 * The process's log: JSON lines on standard error, so that standard output belongs to people and to
 * `--json`. A server's lines are written without making a request wait; call `flush` before an exit.
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
