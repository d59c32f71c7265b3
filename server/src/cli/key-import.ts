import type { Command } from 'commander';
import { type ApiAnswer, type ApiRequest, ask, type Injectable } from './api.ts';
import { apiCommand, askForOne, type JsonOption, parseList } from './command.ts';
import type { Context } from './context.ts';
import { detailOf } from './failure.ts';
import { type KeyLine, readKeyFile } from './key-file.ts';
import { showResource } from './show.ts';

interface ImportOptions extends JsonOption {
  readonly account: string;
  readonly sha256?: string;
  readonly file?: string;
  readonly name?: string;
  readonly scopes?: string[];
  readonly expiresAt?: string;
}

/** Requests under way at once: as many as the connections that serve them. */
const AT_ONCE = 8;

/** `purser key import`: customers keep the keys they have. */
export function importCommand(context: Context): Command {
  return apiCommand(
    'import',
    'let customers keep the keys they have, by the SHA-256 of each',
    'purser key import --account 5f2c… --sha256 9f86d081884c7d65…',
    'purser key import --account 5f2c… --file keys.csv',
  )
    .addHelpText('after', FILE_HELP)
    .requiredOption('--account <id>', 'the account')
    .option('--sha256 <hex>', 'the SHA-256 of one key, as 64 hex digits')
    .option('--file <path>', 'a CSV file with one key a line')
    .option('--name <name>', 'what the key is for')
    .option('--scopes <a,b>', 'what it may do (default: balance:read)', parseList)
    .option('--expires-at <time>', 'when it ends, such as 2027-01-31T00:00:00.000Z')
    .action(async (options: ImportOptions, self: Command) => {
      const { sha256, file } = options;
      if ((sha256 === undefined) === (file === undefined)) {
        self.error('error: give either --sha256 or --file', { exitCode: 2 });
      }
      if (file === undefined) await importOne(context, options);
      else await importFile(context, options, file);
    });
}

const FILE_HELP = `
The file: sha256[,name,scopes,expires_at], scopes separated by blanks. A first line may name the
columns. An option gives what a line leaves out. A hash that exists answers its key, so a file may be
imported again. With --json each line's answer is a line.`;

async function importOne(context: Context, options: ImportOptions): Promise<void> {
  const request = importRequest(options, { sha256: options.sha256 });
  await askForOne(context, options, request, (resource) => {
    context.terminal.line('The key was imported.');
    showResource(context.terminal, resource);
  });
}

async function importFile(context: Context, options: ImportOptions, path: string): Promise<void> {
  const counts = { imported: 0, refused: 0 };
  const { terminal } = context;
  try {
    await context.withApi(async (api) => {
      for await (const lines of inGroups(readKeyFile(path))) {
        await importLines(context, api, options, lines, counts);
        terminal.progress(`${counts.imported} imported, ${counts.refused} refused`);
      }
    });
  } finally {
    terminal.progress(null);
    const summary = `${counts.imported} imported, ${counts.refused} refused`;
    if (options.json) terminal.errorLine(summary);
    else terminal.line(summary);
  }
  if (counts.refused > 0) context.fail();
}

async function importLines(
  { terminal }: Context,
  api: Injectable,
  options: ImportOptions,
  lines: readonly KeyLine[],
  counts: { imported: number; refused: number },
): Promise<void> {
  const answers = await Promise.all(
    lines.map(async ({ line, body }): Promise<[number, ApiAnswer]> => {
      return [line, await ask(api, importRequest(options, body))];
    }),
  );
  for (const [line, answer] of answers) {
    if (options.json) terminal.line(answer.text);
    if (answer.status < 400) {
      counts.imported += 1;
    } else {
      counts.refused += 1;
      terminal.progress(null);
      terminal.errorLine(`line ${line}: ${detailOf(answer)}`);
    }
  }
}

function importRequest(
  { account, name, scopes, expiresAt }: ImportOptions,
  body: Readonly<Record<string, unknown>>,
): ApiRequest {
  return {
    method: 'POST',
    path: `/v1/accounts/${encodeURIComponent(account)}/api_keys`,
    body: { name, scopes, expires_at: expiresAt, ...body },
  };
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
