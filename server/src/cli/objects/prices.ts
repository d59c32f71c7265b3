import type { Command } from 'commander';
import type { PriceVersion } from '../../gateway/routes/price-books.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import { OperatorError } from '../../operator-error.ts';
import type { Price, PriceBook, Route } from '../../pricing/book/price-book.ts';
import { command, type JsonOption } from '../command/command.ts';
import type { Context } from '../command/context.ts';
import { parseWhole } from '../command/options.ts';
import type { Terminal } from '../command/terminal.ts';

interface ShowOptions extends JsonOption {
  readonly text?: true;
}

/** `purser prices …`: checks price-book files, loads them, and shows the versions. */
export function priceCommands(context: Context): Command {
  const prices = command(
    'prices',
    'the cost of calls: check, load and show price books',
    'purser prices check prices.yaml',
    'purser prices load prices.yaml',
  );
  prices
    .addCommand(loadCommand(context))
    .addCommand(showCommand(context))
    .addCommand(
      command(
        'check',
        'show the prices of a price book, or everything that is wrong with it',
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
        const { PriceBookSchema } = await import('../../pricing/book/schema.ts');
        context.terminal.line(JSON.stringify(PriceBookSchema, null, 2));
      }),
    );
  return prices;
}

function loadCommand(context: Context): Command {
  return command(
    'load',
    'put a price book into effect as a new version, on all running servers within seconds',
    'purser prices load prices.yaml',
  )
    .argument('<file>', 'the price book, a YAML file')
    .option('--json', 'print the result as JSON')
    .action((file: string, options: JsonOption) => load(context, file, options));
}

function showCommand(context: Context): Command {
  return command(
    'show',
    'show the price book in effect, or an earlier version',
    'purser prices show',
    'purser prices show 3 --text > prices.yaml',
  )
    .argument('[version]', 'this version (default: the one in effect)', parseWhole)
    .option('--text', 'print the file as it was loaded')
    .option('--json', 'print the result as JSON')
    .action((version: number | undefined, options: ShowOptions) =>
      showVersion(context, version, options),
    );
}

async function load({ terminal, withDatabase }: Context, file: string, { json }: JsonOption) {
  const { expectPriceBook, loadPriceBook, readPriceBookFile } = await import(
    '../../gateway/routes/price-books.ts'
  );
  const text = await readPriceBookFile(file);
  const book = expectPriceBook(file, text);
  const made = await withDatabase(({ database }) => loadPriceBook(database, file, text));
  if (json) return terminal.line(JSON.stringify({ ...describe(made), is_new: made.isNew }));
  terminal.line(
    made.isNew
      ? `${terminal.colors.green('In effect')} as version ${made.version}.`
      : `Nothing to do: version ${made.version}, which is in effect, says the same.`,
  );
  const variables = [...book.upstreams.values()].flatMap(({ secret }) => secret?.env ?? []);
  if (variables.length === 0) return;
  terminal.line(`Each server needs ${[...new Set(variables)].join(', ')} in its environment.`);
}

async function showVersion(
  { terminal, withDatabase }: Context,
  version: number | undefined,
  { text, json }: ShowOptions,
) {
  const { expectPriceBook, readPriceVersion } = await import('../../gateway/routes/price-books.ts');
  const found = await withDatabase(({ database }) => readPriceVersion(database, version));
  if (!found) {
    throw new OperatorError(
      version === undefined ? 'There is no price book.' : `There is no version ${version}.`,
      'No such price book was put into effect on this database.',
      'Load one with `purser prices load FILE`, or start the server with PURSER_GATEWAY=FILE.',
    );
  }
  if (text) return terminal.text(found.text);
  const book = expectPriceBook(`version ${found.version}`, found.text);
  if (json) return terminal.line(JSON.stringify({ ...describe(found), ...summaryOf(book) }));
  terminal.line(`Version ${found.version}, in effect since ${describe(found).effective_at}.`);
  showRoutes(terminal, book);
}

function describe({ version, effectiveAt }: PriceVersion) {
  return { version, effective_at: new Date(effectiveAt).toISOString() };
}

async function check({ terminal, fail }: Context, file: string, { json }: JsonOption) {
  const { formatProblems, parsePriceBook } = await import('../../pricing/parse.ts');
  const { readPriceBookFile } = await import('../../gateway/routes/price-books.ts');
  const parsed = parsePriceBook(await readPriceBookFile(file));
  if ('problems' in parsed) {
    fail();
    if (json) terminal.line(JSON.stringify({ problems: parsed.problems, warnings: [] }));
    else terminal.text(formatProblems(file, parsed.problems));
    return;
  }
  const { book, warnings } = parsed;
  if (json) return terminal.line(JSON.stringify({ problems: [], warnings, ...summaryOf(book) }));
  show(terminal, book);
  if (warnings.length > 0) terminal.line(terminal.colors.yellow('Warnings:'));
  terminal.text(formatProblems(file, warnings));
}

function summaryOf({ routes, upstreams }: PriceBook) {
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

function show(terminal: Terminal, book: PriceBook): void {
  const { line, colors } = terminal;
  const { routes, upstreams } = book;
  line(
    `${colors.green('The price book is sound:')} ${counted(routes.length, 'route')}, ${counted(upstreams.size, 'upstream')}.`,
  );
  showRoutes(terminal, book);
}

function showRoutes({ line }: Terminal, { routes }: PriceBook): void {
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
      const per = `per ${units}${price.quantity} of the ${price.of}`;
      if (typeof price.amount === 'bigint') return `${formatCents(price.amount)} cents ${per}`;
      const { member, amounts, default: other } = price.amount;
      const any = other === null ? [] : [`any other ${formatCents(other)}`];
      return `cents ${per} by ${member}: ${[...amountsOf(amounts), ...any].join(', ')}`;
    }
    case 'member':
      return `cents by ${price.member}: ${amountsOf(price.amounts, price.default).join(', ')}`;
  }
}

function amountsOf(amounts: ReadonlyMap<string, bigint>, marked: string | null = null): string[] {
  return [...amounts].map(([value, amount]) => {
    const mark = value === marked ? ' (default)' : '';
    return `${value}${mark} ${formatCents(amount)}`;
  });
}
