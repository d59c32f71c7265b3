import { parseArgs } from 'node:util';
import { BY_DEFAULT, NAMES, type Name, OF_GATEWAY } from './comparisons.ts';

export const HELP = `npm run bench -- [gateway] [--json] [--seconds N] [--only a,b]

Measures Purser and a baseline side by side, in slices that alternate, and prints the ratios.
  balance_reads            the balance endpoint, one organization's key from all connections, against
                           a bare route with a constant answer
  balance_reads_many_keys  the same with 256 keys in turn
  charges_hot              charges of one account, against a textbook transaction a charge
  charges_spread           charges over 10,000 accounts, against the same
  charges_two_nodes        the same on two servers at once
  holds_hot                pairs of a hold and its capture on one account, against charges of it
  charges_grown            charges over 10,000 accounts whose ledger holds 5,000,000 entries, against
                           an empty one; takes minutes, so only where --only names it
and, where the word gateway or --only names them:
  gateway                  calls of a route with a fixed price and an answer of 1 KB, one organization's
                           key from all connections (gateway_many_keys: those of 255 accounts in
                           turn), against @fastify/reply-from before the same upstream
  gateway_latency_ms       the same over one connection: median latencies, and what the gateway adds
  gateway_memory_mb        resident memory while 32 clients take answers of 10 MB at 2 MB/s each
Options:
  --json       print one JSON object (npm prints its own lines too, unless run with --silent)
  --seconds N  how long each side is measured (default 8)
  --memory-seconds N  how long the gateway's memory is watched (default 60)
  --only a,b   only these (default: all above the gateway's but charges_grown)
  --help       print this
`;

export interface Options {
  readonly json: boolean;
  readonly help: boolean;
  readonly seconds: number;
  readonly memorySeconds: number;
  readonly only: readonly Name[];
}

/** The options of the command line. Throws an Error that names the invalid one. */
export function readOptions(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '8' },
      'memory-seconds': { type: 'string', default: '60' },
      only: { type: 'string' },
    },
  });
  const [group, ...more] = positionals;
  if (more.length > 0 || (group ?? 'gateway') !== 'gateway') {
    throw new Error(`The bench knows the group gateway, not "${positionals.join(' ')}".`);
  }
  const { only = (group ? OF_GATEWAY : BY_DEFAULT).join(',') } = values;
  const asked = only.split(',');
  const unknown = asked.find((name) => !NAMES.some((known) => known === name));
  if (unknown !== undefined) {
    throw new Error(`--only knows ${NAMES.join(', ')}, not "${unknown}".`);
  }
  return {
    json: values.json,
    help: values.help,
    seconds: secondsIn('seconds', values.seconds),
    memorySeconds: secondsIn('memory-seconds', values['memory-seconds']),
    only: NAMES.filter((name) => asked.includes(name)),
  };
}

function secondsIn(option: string, text: string): number {
  const seconds = Number(text);
  if (seconds > 0) return seconds;
  throw new Error(`--${option} wants a number above 0, not "${text}".`);
}
