import { PriceBookSchema } from '../../src/pricing/book/schema.ts';

/** The tables of docs/price-book.md, made from the schema: a default and its bounds are written once. */

interface Member {
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Member>>;
  readonly patternProperties?: Readonly<Record<string, Member>>;
  readonly required?: readonly string[];
  readonly items?: Member;
  readonly anyOf?: readonly Member[];
}

/** The sections of the page that say more about a member, by their titles. */
const SECTIONS: Readonly<Record<string, string>> = {
  path: 'Neighbours',
  count_event_with: 'Streams',
  error_event: 'Streams',
  event: 'Streams',
  each_event: 'Streams',
  count: 'Counting',
  error_format: 'Errors for other SDKs',
  add_to_request: 'Members that the gateway sets',
  settlement: 'Endings',
};
const MIB = 1_048_576;

const { upstreams, routes } = PriceBookSchema.properties as unknown as Record<string, Member>;
const upstream = namedIn(upstreams);
const route = namedIn(routes);
const [, item, choice] = route.properties?.['price']?.items?.anyOf ?? [];

/** The tables by the name in their markers, `<!-- table: upstream -->` … `<!-- end -->`. */
const TABLES: Readonly<Record<string, string>> = {
  upstream: membersTable(upstream),
  route: membersTable(route),
  item: membersTable(item),
  choice: membersTable(choice),
  endings: table(
    ['ending', 'default', 'when'],
    Object.entries(route.properties?.['settlement']?.properties ?? {}).map(([name, member]) => [
      `\`${name}\``,
      `\`${member.default}\``,
      textOf(member),
    ]),
  ),
};

/** The page with its tables made anew. Throws for a marker of a table that there is none of. */
export function withTables(page: string): string {
  return page.replaceAll(
    /(<!-- table: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, from, name, to) => {
      const made = TABLES[name];
      if (made === undefined) throw new Error(`the page has a marker of no table: ${name}`);
      return `${from}\n${made}\n${to}`;
    },
  );
}

/** The schema of the values in an object of named ones. */
function namedIn(named: Member | undefined): Member {
  return Object.values(named?.patternProperties ?? {})[0] ?? {};
}

function membersTable(object: Member | undefined): string {
  return table(['member', 'default', ''], rowsOf(object ?? {}, ''));
}

/** A row for each member, those of inner objects included; endings have a table of their own. */
function rowsOf({ properties = {}, required = [] }: Member, prefix: string): string[][] {
  return Object.entries(properties).flatMap(([name, member]) => {
    const section = prefix === '' ? SECTIONS[name] : undefined;
    const row = [
      `\`${prefix}${name}\``,
      required.includes(name) ? 'required' : defaultOf(member),
      textOf(member) + (section === undefined ? '' : ` See ${linkTo(section)}.`),
    ];
    return [row, ...(name === 'settlement' ? [] : rowsOf(member, `${prefix}${name}.`))];
  });
}

function linkTo(title: string): string {
  return `[${title}](#${anchorOf(title)})`;
}

/** The anchor that Markdown gives a heading. */
export function anchorOf(title: string): string {
  return title.toLowerCase().replaceAll(' ', '-');
}

/** As a value, or in the words of the description: `Default: the last event.` */
function defaultOf({ default: value, description = '' }: Member): string {
  if (value !== undefined && value !== '') return `\`${value}\``;
  return /Default: ([^.]*)\./.exec(description)?.[1] ?? 'none';
}

/** The description without its default, which has a cell of its own, and with large sizes in MiB too. */
function textOf({ description = '' }: Member): string {
  return description
    .replace(/ Default: [^.]*\./, '')
    .replace(/; default [^;]*\.$/, '.')
    .replace(/(\d+) bytes/, (text, bytes) =>
      Number(bytes) % MIB === 0 ? `${text} (${Number(bytes) / MIB} MiB)` : text,
    );
}

function table(head: readonly string[], rows: readonly string[][]): string {
  const lines = [head, ...rows].map((cells) => `| ${cells.join(' | ')} |\n`);
  lines.splice(1, 0, `|${'---|'.repeat(head.length)}\n`);
  return lines.join('').replaceAll('|  |', '| |');
}
