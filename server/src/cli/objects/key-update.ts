import type { Command } from 'commander';
import { type ApiRequest, allOf, call, pathOf } from '../command/api.ts';
import { apiCommand, askForOne, type JsonOption } from '../command/command.ts';
import type { Context } from '../command/context.ts';
import { parseId, parseScopes, parseTimeOrNever, timeOrNull } from '../command/options.ts';
import { showResource } from '../command/show.ts';

interface UpdateOptions extends JsonOption {
  readonly account?: string;
  readonly name?: string;
  readonly scopes?: string[];
  readonly expiresAt?: string;
}

/** `purser key update`: one key by its id, or all keys of an account. */
export function updateCommand(context: Context): Command {
  return apiCommand(
    'update',
    'change the name, the scopes or the expiry of a key, or of all keys of an account',
    'purser key update key_… --scopes balance:read,search',
    'purser key update key_… --expires-at never',
    'purser key update --account 5f2c… --scopes balance:read,search',
  )
    .addHelpText('after', '\nAn option that is left out stays as it is.')
    .argument('[id]', 'the key, by its id', parseId)
    .option('--account <id>', 'all keys of this account that are not revoked', parseId)
    .option('--scopes <a,b>', 'all that it may do from now on', parseScopes)
    .option('--name <name>', 'the purpose of the key')
    .option('--expires-at <time>', 'the time at which it ends, or never', parseTimeOrNever)
    .action(async (id: string | undefined, options: UpdateOptions, self: Command) => {
      const { account, name, scopes, expiresAt } = options;
      if ((id === undefined) === (account === undefined)) {
        self.error("error: give either a key's id or --account");
      }
      if (name === undefined && scopes === undefined && expiresAt === undefined) {
        self.error('error: give at least one of --scopes, --name and --expires-at');
      }
      const body = { name, scopes, expires_at: timeOrNull(expiresAt) };
      if (account !== undefined) return updateAll(context, options, account, body);
      const request = { method: 'PATCH', path: pathOf('api_keys', id ?? ''), body } as const;
      await askForOne(context, options, request, (resource) => {
        context.terminal.line('The key was changed.');
        showResource(context.terminal, resource);
      });
    });
}

/** Updates each key by itself; a second run changes the rest. With `json` each key's answer is a line. */
async function updateAll(
  { withApi, terminal }: Context,
  { json }: JsonOption,
  account: string,
  body: ApiRequest['body'] & object,
): Promise<void> {
  let changed = 0;
  let revoked = 0;
  await withApi(async (api) => {
    for await (const key of allOf(api, pathOf('accounts', account, 'api_keys'))) {
      if (key.attributes['revoked_at'] !== null) {
        revoked += 1;
        continue;
      }
      const request = { method: 'PATCH', path: pathOf('api_keys', key.id), body } as const;
      const answer = await call(api, request);
      changed += 1;
      if (json) terminal.line(answer.text);
    }
  });
  const summary = `${changed} changed, ${revoked} revoked and left as they were`;
  if (json) terminal.errorLine(summary);
  else terminal.line(summary);
}
