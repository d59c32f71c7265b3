import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { OperatorError } from '../db/operator-error.ts';
import { formatCents } from '../ledger/money.ts';
import type { Parsed } from '../pricing/parse.ts';
import type { Price, PriceBook, Route } from '../pricing/price-book.ts';
import { command, type JsonOption } from './command.ts';
import type { Context } from './context.ts';
import type { Terminal } from './terminal.ts';

/** `purser prices …`: what a price book file says; needs neither server nor database. */
export function priceCommands(context: Context): Command {
  const prices = command('prices', 'price books', 'purser prices check prices.yaml');
  prices
    .addCommand(
      command(
        'check',
        'say what a price book charges, or everything that is wrong with it',
        'purser prices check prices.yaml',
        'purser prices check prices.yaml --json',
      )
        .argument('<file>', 'the price book, a YAML file')
        .option('--json', 'print the result as JSON')
        .action((file: string, options: JsonOption) => check(context, file, options)),
    )
    .addCommand(
      command(
        'schema',
        'print the JSON Schema of a price book, for editors',
        'purser prices schema > price-book.schema.json',
      ).action(async () => {
        const { PriceBookSchema } = await import('../pricing/schema.ts');
        context.terminal.line(JSON.stringify(PriceBookSchema, null, 2));
      }),
    );
  return prices;
}

async function check({ terminal, fail }: Context, file: string, { json }: JsonOption) {
  const { formatProblems, parsePriceBook } = await import('../pricing/parse.ts');
  const parsed = parsePriceBook(await textOf(file));
  const problems = 'problems' in parsed ? parsed.problems : [];
  if (problems.length > 0) fail();
  if (json) return terminal.line(JSON.stringify({ problems, ...summaryOf(parsed) }));
  if ('book' in parsed) return show(terminal, parsed.book);
  terminal.text(formatProblems(file, problems));
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new OperatorError(
      `${file} cannot be read.`,
      (error as Error).message,
      'Name a file that this user may read.',
    );
  }
}

function summaryOf(parsed: Parsed) {
  if ('problems' in parsed) return {};
  const { routes, upstreams } = parsed.book;
  return {
    upstreams: [...upstreams.keys()],
    routes: routes.map((route) => ({
      name: route.name,
      methods: route.methods,
      path: route.path,
      scope: route.scope,
      upstream: route.upstream,
      price: priceOf(route),
    })),
  };
}

function show({ line, colors }: Terminal, { routes, upstreams }: PriceBook): void {
  line(
    `${colors.green('The price book is sound:')} ${counted(routes.length, 'route')}, ${counted(upstreams.size, 'upstream')}.`,
  );
  const rows = routes.map((route) => ({
    route: `${route.methods.join(',')} ${route.path}`,
    price: priceOf(route),
  }));
  const width = Math.max(0, ...rows.map(({ route }) => route.length));
  for (const { route, price } of rows) line(`  ${route.padEnd(width)}  ${price}`);
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** A route's price in one line. */
function priceOf({ price }: Route): string {
  return price.length === 0 ? 'free' : price.map(partOf).join(' + ');
}

function partOf(price: Price): string {
  switch (price.kind) {
    case 'call':
      return `${formatCents(price.amount)} cents a call`;
    case 'item': {
      const units = price.units === 1n ? '' : `${price.units} `;
      return `${formatCents(price.amount)} cents per ${units}${price.quantity} of the ${price.of}`;
    }
    case 'member': {
      const amounts = [...price.amounts].map(([value, amount]) => {
        const mark = value === price.default ? ' (default)' : '';
        return `${value}${mark} ${formatCents(amount)}`;
      });
      return `cents by ${price.member}: ${amounts.join(', ')}`;
    }
  }
}
