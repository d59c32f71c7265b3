import type { Command } from 'commander';
import {
  type ApiAnswer,
  type ApiRequest,
  ask,
  type Injectable,
  pathOf,
  type Resource,
  resourceOf,
} from '../command/api.ts';
import { apiCommand, askForOne, type JsonOption } from '../command/command.ts';
import type { Context } from '../command/context.ts';
import { detailOf } from '../command/failure.ts';
import { ACCOUNT_ID, parseId, parseScopes, parseTime } from '../command/options.ts';
import { showResource } from '../command/show.ts';
import { type KeyLine, readKeyFile } from './key-file.ts';

interface ImportOptions extends JsonOption {
  readonly account: string;
  readonly sha256?: string;
  readonly file?: string;
  readonly name?: string;
  readonly scopes?: string[];
  readonly expiresAt?: string;
}

/** Concurrent requests: as many as the pool has connections. */
const AT_ONCE = 8;

/** `purser key import`: imports keys by their hashes, so that customers keep them. */
export function importCommand(context: Context): Command {
  return apiCommand(
    'import',
    'let customers keep the keys they have, by the SHA-256 of each',
    'purser key import --account 5f2c… --sha256 "$(printf %s "$KEY" | sha256sum | head -c 64)"',
    'purser key import --account 5f2c… --file keys.csv --scopes balance:read,search',
  )
    .addHelpText('after', FILE_HELP)
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .option('--sha256 <hex>', 'the SHA-256 of one key, as 64 hex digits')
    .option('--file <path>', 'a CSV file with one key a line')
    .option('--name <name>', 'the purpose of the key')
    .option('--scopes <a,b>', 'the scopes of the key (default: balance:read)', parseScopes)
    .option('--expires-at <time>', 'the time at which it ends (default: never)', parseTime)
    .action(async (options: ImportOptions, self: Command) => {
      const { sha256, file } = options;
      if ((sha256 === undefined) === (file === undefined)) {
        self.error('error: give either --sha256 or --file');
      }
      if (file === undefined) await importOne(context, options);
      else await importFile(context, options, file);
    });
}

const FILE_HELP = `
The file: sha256[,name,scopes,expires_at], scopes separated by blanks. A first line may name the
columns. An option gives the value that a line leaves out. A key that the account has already stays as it is,
so a file may be imported again. With --json each line's answer is a line.`;

async function importOne(context: Context, options: ImportOptions): Promise<void> {
  const { terminal } = context;
  const request = importRequest(options, { sha256: options.sha256 });
  await askForOne(context, options, request, (resource, answer) => {
    if (answer.status === CREATED) {
      terminal.line('The key was imported.');
      return showResource(terminal, resource);
    }
    terminal.line('The account has this key already: nothing was changed.');
    showResource(terminal, resource);
    if (differs(resource, request)) {
      terminal.line(`To change it: purser key update ${resource.id}${optionsOf(request)}`);
    }
  });
}

/** The results of a file's lines. */
interface Counts {
  imported: number;
  existing: number;
  /** Existing keys whose terms differ from the file's. */
  different: number;
  refused: number;
}

async function importFile(context: Context, options: ImportOptions, path: string): Promise<void> {
  const counts = { imported: 0, existing: 0, different: 0, refused: 0 };
  const { terminal } = context;
  try {
    await context.withApi(async (api) => {
      for await (const lines of inGroups(readKeyFile(path))) {
        await importLines(context, api, options, lines, counts);
        terminal.progress(summaryOf(counts));
      }
    });
  } finally {
    terminal.progress(null);
    const say = options.json ? terminal.errorLine : terminal.line;
    say(summaryOf(counts));
    if (counts.different > 0) for (const line of differencesOf(counts, options)) say(line);
  }
  if (counts.refused > 0) context.fail();
}

function summaryOf({ imported, existing, refused }: Counts): string {
  return `${imported} imported, ${existing} already there, ${refused} refused`;
}

function differencesOf({ different }: Counts, { account, scopes }: ImportOptions): string[] {
  return [
    `Already there with another name, scopes or expiry than you gave: ${different}. Nothing of them was changed.`,
    'To change one: purser key update key_… --scopes a,b',
    `To change all: purser key update --account ${account} --scopes ${scopes?.join() ?? 'a,b'}`,
  ];
}

async function importLines(
  { terminal }: Context,
  api: Injectable,
  options: ImportOptions,
  lines: readonly KeyLine[],
  counts: Counts,
): Promise<void> {
  const answers = await Promise.all(
    lines.map(async ({ line, body }): Promise<[number, ApiRequest, ApiAnswer]> => {
      const request = importRequest(options, body);
      return [line, request, await ask(api, request)];
    }),
  );
  for (const [line, request, answer] of answers) {
    if (options.json) terminal.line(answer.text);
    if (answer.status === CREATED) {
      counts.imported += 1;
    } else if (answer.status < 400) {
      counts.existing += 1;
      if (differs(resourceOf(answer), request)) counts.different += 1;
    } else {
      counts.refused += 1;
      terminal.progress(null);
      terminal.errorLine(`line ${line}: ${detailOf(answer)}`);
    }
  }
}

/** The status of an import that made a key; 200 means that the account had it. */
const CREATED = 201;

function importRequest(
  { account, name, scopes, expiresAt }: ImportOptions,
  body: Readonly<Record<string, unknown>>,
): ApiRequest {
  return {
    method: 'POST',
    path: pathOf('accounts', account, 'api_keys'),
    body: { name, scopes, expires_at: expiresAt, ...body },
  };
}

/** Whether a key's name, scopes or expiry differ from the request's. */
function differs({ attributes }: Resource, { body }: ApiRequest): boolean {
  return TERMS.some(
    (member) =>
      body?.[member] !== undefined &&
      comparable(member, body[member]) !== comparable(member, attributes[member]),
  );
}
const TERMS = ['name', 'scopes', 'expires_at'] as const;

function comparable(member: (typeof TERMS)[number], value: unknown): unknown {
  if (Array.isArray(value)) return value.toSorted().join();
  return member === 'expires_at' && typeof value === 'string' ? Date.parse(value) : value;
}

/** The options of `purser key update` that would set the request's terms. */
function optionsOf({ body }: ApiRequest): string {
  const { name, scopes, expires_at: expiresAt } = body ?? {};
  return [
    ...(Array.isArray(scopes) ? [` --scopes ${scopes.join()}`] : []),
    ...(name === undefined ? [] : [` --name '${name}'`]),
    ...(expiresAt === undefined ? [] : [` --expires-at ${expiresAt}`]),
  ].join('');
}

async function* inGroups(lines: AsyncIterable<KeyLine>): AsyncGenerator<KeyLine[]> {
  let group: KeyLine[] = [];
  for await (const line of lines) {
    group.push(line);
    if (group.length < AT_ONCE) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
