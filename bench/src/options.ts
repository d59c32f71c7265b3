import { parseArgs } from 'node:util';
import { BY_DEFAULT, NAMES, type Name } from './comparisons.ts';

export const HELP = `npm run bench -- [--json] [--seconds N] [--only a,b]

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
Options:
  --json       print one JSON object (npm prints its own lines too, unless run with --silent)
  --seconds N  how long each side is measured (default 8)
  --only a,b   only these (default: all but charges_grown)
  --help       print this
`;

export interface Options {
  readonly json: boolean;
  readonly help: boolean;
  readonly seconds: number;
  readonly only: readonly Name[];
}

/** The options of the command line; throws an Error that says what is wrong with them. */
export function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '8' },
      only: { type: 'string', default: BY_DEFAULT.join(',') },
    },
  });
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new Error(`--seconds wants a number above 0, not "${values.seconds}".`);
  const asked = values.only.split(',');
  const unknown = asked.find((name) => !NAMES.some((known) => known === name));
  if (unknown !== undefined) {
    throw new Error(`--only knows ${NAMES.join(', ')}, not "${unknown}".`);
  }
  const only = NAMES.filter((name) => asked.includes(name));
  return { json: values.json, help: values.help, seconds, only };
}
