import { CURES } from '../../config.ts';

/** Settings come from the environment alone, so that the server and commands have the same ones. */

/** The details and the cure for an unknown option that is a setting, such as `--port`. */
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

/** The settings, for the help of `start`. */
export const SETTINGS_HELP = `
Settings come from the environment:
${Object.values(CURES)
  .map((cure) => `  ${cure}`)
  .join('\n')}`;
