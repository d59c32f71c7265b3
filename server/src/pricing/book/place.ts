import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type LineCounter,
  type Node,
  Parser,
} from 'yaml';
import type { Fault } from './judge.ts';

/** A position in a YAML text. The first line and the first column are 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/**
 * The deepest nesting: no price book needs more, and a deep text would overflow the parser's stack.
 */
const DEEPEST = 32;
/** The most members or items in one map or list: the parser compares each name with every other. */
const MOST_SIDE_BY_SIDE = 1_000;

/**
 * The place at which a text exceeds these bounds, with the reason; undefined: it may be parsed.
 * `lines` records the beginning of each line.
 */
export function excessOf(text: string, lines: LineCounter): (Place & { why: string }) | undefined {
  lines.addNewLine(0);
  const parser = new Parser(lines.addNewLine);
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    const { stack, offset } = parser;
    const top = stack.at(-1);
    const isLong = top && 'items' in top && top.items.length > MOST_SIDE_BY_SIDE;
    if (stack.length > DEEPEST || isLong) {
      const why = isLong
        ? `there are more than ${MOST_SIDE_BY_SIDE} members or items side by side`
        : 'this is nested too deeply';
      return { ...placeAt(lines, offset), why };
    }
  }
  return undefined;
}

export function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/**
 * The place of a fault: its value, or its name if the name is wrong. If the member is absent, the
 * place of the nearest value that contains it.
 */
export function placeOf(
  document: Document.Parsed,
  lines: LineCounter,
  text: string,
  { path, isOfName, offset }: Fault,
): Place {
  let name: Node | null = null;
  let value = resolved(document, document.contents);
  for (const step of path) {
    const next = stepInto(value, step);
    if (!next) break;
    name = next.name ?? next.value;
    value = resolved(document, next.value);
  }
  const isEmpty = value === null || value.range?.[0] === value.range?.[1];
  const node = (isOfName || isEmpty) && name ? name : value;
  const start = node?.range?.[0] ?? 0;
  return placeAt(
    lines,
    start +
      (isScalar(node) && offset !== undefined ? offsetIn(text, start, node.value, offset) : 0),
  );
}

/**
 * The offset within a scalar; 0 if the file spells the scalar in another way, with escapes or
 * folds.
 */
function offsetIn(text: string, start: number, value: unknown, offset: number): number {
  const [quoted, plain] = [start + 1, start].map((from) => text.startsWith(String(value), from));
  return plain ? offset : quoted ? offset + 1 : 0;
}

function stepInto(node: Node | null, step: string | number) {
  if (isMap(node)) {
    // If a name occurs twice, the last one counts.
    const pair = node.items.findLast(({ key }) => isScalar(key) && String(key.value) === step);
    return pair && { name: pair.key as Node, value: pair.value as Node | null };
  }
  if (isSeq(node)) return { name: undefined, value: node.items[Number(step)] as Node | null };
  return undefined;
}

function resolved(document: Document.Parsed, node: Node | null | undefined): Node | null {
  if (!isAlias(node)) return node ?? null;
  return node.resolve(document) ?? null;
}
