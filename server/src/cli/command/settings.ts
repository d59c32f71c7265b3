import { CURES } from '../../config.ts';

/** Settings come from the environment only, so that the server and every command work on the same. */

/** The details and the cure for an option that is a setting, such as `unknown option '--port'`. */
export function fromEnvironment(
  error: string,
  command: string,
): { readonly details: string; readonly solution: string } | undefined {
  const [, option = ''] = /^unknown option '--([a-z-]+)/.exec(error) ?? [];
  const word = option.toUpperCase().replaceAll('-', '_');
  const variable = Object.keys(CURES).find((name) => name === word || name === `PURSER_${word}`);
  if (variable === undefined) return undefined;
  return {
    details: 'Purser takes its settings from the environment, for the server and for commands.',
    solution: `Set the environment variable ${variable}: \`${variable}=… ${command}\`.`,
  };
}

/** For the help of `start`. */
export const SETTINGS_HELP = `
Settings come from the environment:
${Object.values(CURES)
  .map((cure) => `  ${cure}`)
  .join('\n')}`;
