import { describe, expect, test } from 'vitest';
import { sourcesIn } from './sources.ts';

const MOST_WORDS_OF_MEDIAN = 20;

/** A sentence of a comment or of a page, with its file. */
interface Sentence {
  readonly path: string;
  readonly text: string;
}

/** Blocks of comments, without their markers. A block begins a line, so texts in code do not count. */
const COMMENTS: Readonly<Record<string, RegExp>> = {
  ts: /^[ \t]*\/\*\*?([\s\S]*?)\*\/|^[ \t]*\/\/((?:.*\n[ \t]*\/\/)*.*)/gm,
  sql: /^[ \t]*--((?:.*\n[ \t]*--)*.*)/gm,
};

/** The paragraphs of a file: of its comments, or of a page without its code and its cells' borders. */
function paragraphsOf(ending: string, text: string): string[] {
  const comments = COMMENTS[ending];
  if (!comments) {
    const prose = text.replace(/```[\s\S]*?```/g, '').replace(/^(?: {4}|<!--).*$/gm, '');
    return prose.split(/\n\s*\n|\n(?=\s*(?:[-*#|]|\d+\.) ?)|(?<=\|) (?=\S)/);
  }
  return [...text.matchAll(comments)].flatMap(([, block = '', lines = '']) =>
    (block + lines).replace(/^[ \t]*(?:\*|\/\/|--)[ \t]?/gm, '').split(/\n[ \t]*\n/),
  );
}

function sentencesOf(ending: string): Sentence[] {
  return sourcesIn('', ending).flatMap(({ path, text }) =>
    paragraphsOf(ending, text).flatMap((paragraph) =>
      paragraph
        .replace(/\s+/g, ' ')
        .split(/(?<=[.!?]) (?=[A-Z`"(])/)
        .map((sentence) => ({ path, text: sentence.replace(/^[\s#*|`"(>-]+|[\s|*]+$/g, '') }))
        .filter(({ text }) => text !== ''),
    ),
  );
}

/** The sentences that begin with a relative word instead of their subject. Questions may. */
function oblique(sentences: readonly Sentence[]): Sentence[] {
  return sentences.filter(
    ({ text }) => /^(?:What|Who|Whose|Whom|Where|Of)\b/.test(text) && !text.endsWith('?'),
  );
}

const sentences = ['ts', 'sql', 'md'].flatMap(sentencesOf);

describe('comments and pages', () => {
  test('are found', () => {
    expect(sentences.length).toBeGreaterThan(3_000);
  });

  test('have sentences that begin with their subject', () => {
    expect(oblique(sentences)).toEqual([]);
  });

  test('have short sentences', () => {
    const words = sentences.map(({ text }) => text.split(' ').length).sort((a, b) => a - b);
    expect(words[words.length >> 1]).toBeLessThanOrEqual(MOST_WORDS_OF_MEDIAN);
  });

  test('would be found with a sentence that does not', () => {
    const found = paragraphsOf(
      'ts',
      '/** Reads it.\n *\n * Of a key, the hash. */\nconst a = 1;\n',
    );
    expect(oblique(found.map((text) => ({ path: 'a.ts', text })))).toEqual([
      { path: 'a.ts', text: 'Of a key, the hash. ' },
    ]);
  });
});
