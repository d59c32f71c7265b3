import type { Measured } from './sides.ts';

/** The report of a run, as a table and as JSON. */

export interface Comparison {
  readonly ours: number;
  readonly baseline: number;
  readonly ratio: number;
}

/** Medians in milliseconds. */
export interface Latency {
  readonly ours: number;
  readonly baseline: number;
  readonly added: number;
}

/** Resident memory in MB; `growth` is the part added after the warm-up. */
export interface Memory {
  readonly start: number;
  readonly after_warm_up: number;
  readonly highest: number;
  readonly end: number;
  readonly growth: number;
}

export type Report = Readonly<Record<string, Comparison | Latency | Memory | number>>;

/** The project's targets. */
const TARGETS: Readonly<Record<string, number>> = {
  balance_reads: 0.7,
  charges_hot: 8,
  charges_spread: 1.8,
  holds_hot: 0.4,
  charges_grown: 0.8,
  gateway: 0.45,
};
/** Rows of the table only. */
const NOT_IN_JSON = new Set(['two_to_one']);

export function compare(ours: Measured | undefined, baseline: Measured | undefined): Comparison {
  if (!ours || !baseline) throw new Error('a side was not measured');
  return {
    ours: Math.round(ours.rate),
    baseline: Math.round(baseline.rate),
    ratio: ratioOf(ours.rate, baseline.rate),
  };
}

/** A ratio rounded down: a target just missed must not look met. */
export function ratioOf(ours: number, baseline: number): number {
  return Math.floor((ours / baseline) * 100) / 100;
}

/** The report as one line of JSON. */
export function jsonOf(report: Report): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(report).filter(([name]) => !NOT_IN_JSON.has(name))),
  );
}

/** The report as a table. */
export function tableOf(report: Report): string {
  const rows = [['', 'ours/s', 'baseline/s', 'ratio', 'target']];
  const lines: string[] = [];
  for (const [name, value] of Object.entries(report)) {
    if (typeof value === 'number') {
      lines.push(`${name}: ${value}`);
      continue;
    }
    if (!('ratio' in value)) {
      const members = Object.entries(value).map(([member, number]) => `${member} ${number}`);
      lines.push(`${name}: ${members.join(', ')}`);
      continue;
    }
    const target = TARGETS[name];
    rows.push([
      name,
      String(value.ours),
      String(value.baseline),
      value.ratio.toFixed(2),
      target === undefined ? '' : `≥ ${target.toFixed(2)}`,
    ]);
  }
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const table = rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  '),
  );
  return [...(rows.length > 1 ? [...table, ''] : []), ...lines].join('\n');
}
