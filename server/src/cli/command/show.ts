import type { Resource } from './api.ts';
import type { Terminal } from './terminal.ts';

/** Shows answers to people. Amounts and times stay in the API's form. */

const NOTHING = '-';

/** Shows a resource, one member a line. */
export function showResource({ line, colors }: Terminal, { id, attributes }: Resource): void {
  const members = Object.entries({ id, ...attributes });
  const width = Math.max(...members.map(([name]) => name.length));
  for (const [name, value] of members) {
    line(`  ${colors.dim(name.padEnd(width))}  ${textOf(value)}`);
  }
}

/** Shows a new key, with a note that its secret is shown once. */
export function showNewKey(terminal: Terminal, resource: Resource): void {
  const { key, ...attributes } = resource.attributes;
  showResource(terminal, { ...resource, attributes });
  if (typeof key !== 'string') return;
  terminal.line();
  terminal.line(`  ${terminal.colors.bold(key)}`);
  terminal.line('  Store this key now: it is not shown again.');
}

/** Shows resources as a table; a column is `id` or the name of an attribute. */
export async function showTable(
  { line, colors }: Terminal,
  resources: readonly Resource[],
  columns: readonly string[],
): Promise<void> {
  if (resources.length === 0) return line('None.');
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: columns.map((name) => colors.dim(name)),
    chars: BORDERLESS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  });
  for (const { id, attributes } of resources) {
    table.push(columns.map((name) => textOf(name === 'id' ? id : attributes[name])));
  }
  line(table.toString());
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return NOTHING;
  if (Array.isArray(value)) return value.map(textOf).join(',') || NOTHING;
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

const BORDERLESS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};
