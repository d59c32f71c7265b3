import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  ASKED_KINDS,
  KINDS,
  type KindFacts,
  kindsThat,
  type OperationKind,
} from '../../src/ledger/operations/kinds.ts';
import { subjectOf } from '../../src/ledger/operations/operations.ts';
import { asked } from './account.ts';

const README = new URL('../../src/ledger/README.md', import.meta.url);
const SCHEMA = new URL('../../schema.sql', import.meta.url);
const schema = readFileSync(SCHEMA, 'utf8');

const SUMS: Readonly<Record<KindFacts['entries'], string>> = {
  '+amount': '+amount',
  '+amount if in effect': '+amount if it takes effect at once, else nothing',
  '-amount': '−amount',
  amount: 'amount, which has a sign',
  none: 'nothing',
};

const BOOKS = {
  revenue: '`revenue`',
  adjustment: '`adjustment`',
  grant: "the grant's",
  ending: "`breakage` if the grant expired, else the grant's",
};

function rowOf(kind: OperationKind): string {
  const { prefix, arises, entries, book, subject, actors }: KindFacts = KINDS[kind];
  const cells = [
    `\`${kind}\``,
    `\`${prefix}_\``,
    arises.join(', '),
    SUMS[entries],
    book === undefined ? '' : BOOKS[book],
    subject === undefined ? '' : `a ${subject}`,
    actors.map((actor) => `\`${actor}\``).join(', '),
  ];
  return `| ${cells.join(' | ')} |`;
}

// `npx vitest run --root server test/ledger/kinds.test.ts --update` updates the table.
test("the README's table of kinds is the one in the code", async () => {
  const table = [
    '| kind | id | arises | its entries sum to | their book | subject | actors |',
    '|---|---|---|---|---|---|---|',
    ...kindsThat(() => true).map(rowOf),
  ].join('\n');
  const readme = readFileSync(README, 'utf8');
  const marked = /(?<=<!-- kinds -->\n)[\s\S]*?(?=\n<!-- \/kinds -->)/;
  expect(readme).toMatch(marked);
  await expect(readme.replace(marked, () => table)).toMatchFileSnapshot(README.pathname);
});

/** The words of the list that follows a text in the schema. */
function wordsAfter(text: string): string[] {
  const [, after = ''] = schema.split(text);
  const [list = ''] = after.split(/\]|;/);
  return [...list.matchAll(/'(\w+)'/g)].map(([, word = '']) => word).sort();
}

test('PostgreSQL knows the same kinds, and agrees on which repeat and which have a subject', () => {
  const sorted = (fulfil: (facts: KindFacts) => boolean) => [...kindsThat(fulfil)].sort();
  expect(wordsAfter('CREATE TYPE public.operation_kind')).toEqual(sorted(() => true));
  expect(wordsAfter('((idempotency_digest IS NULL) = ((kind)')).toEqual(
    sorted(({ isRepeatable }) => !isRepeatable),
  );
  expect(wordsAfter('((subject IS NULL) = ((kind)')).toEqual(
    sorted(({ subject }) => subject === undefined),
  );
});

test('an operation names its subject as the table has it', () => {
  const named = { hold: 1n, charge: 2n, grant: 3n };
  for (const kind of ASKED_KINDS) {
    const { subject: thing }: KindFacts = KINDS[kind];
    const subject = subjectOf(asked(kind, named));
    expect([kind, subject]).toEqual([kind, thing && { thing, number: named[thing] }]);
  }
});

test('the sweeper does what becomes due, and nothing else', () => {
  expect(kindsThat(({ actors }) => actors.includes('sweeper'))).toEqual(
    kindsThat(({ arises }) => arises.includes('due')),
  );
});

test('an operation has entries exactly if they have a book', () => {
  expect(kindsThat(({ entries }) => entries !== 'none')).toEqual(
    kindsThat(({ book }) => book !== undefined),
  );
});
