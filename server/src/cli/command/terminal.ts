import { isatty } from 'node:tty';
import picocolors from 'picocolors';

/**
 * The only writer to the standard streams. Results go to standard output, everything else to standard
 * error. Colours appear on a terminal only, and never with NO_COLOR.
 */

const ESCAPE = '\u001b[';
const CLEAR_LINE = `\r${ESCAPE}2K`;

type Colors = ReturnType<typeof picocolors.createColors>;

export interface Terminal {
  /** Colours for standard output. */
  readonly colors: Colors;
  /** Colours for standard error. */
  readonly errorColors: Colors;
  /** Writes a line to standard output. */
  line(text?: string): void;
  /** Writes text that has its own line ends to standard output. */
  text(text: string): void;
  /** Writes a line to standard error. */
  errorLine(text?: string): void;
  /** Shows the progress of long work on standard error, if that is a terminal; `null` clears it. */
  progress(text: string | null): void;
}

/** The terminal or pipes of this process. */
export function openTerminal(): Terminal {
  // `purser account list | head` closes the pipe early, which is no error.
  process.stdout.on('error', ignoreClosedPipe);
  process.stderr.on('error', ignoreClosedPipe);
  return {
    colors: colorsFor(1),
    errorColors: colorsFor(2),
    line: (text = '') => void process.stdout.write(`${text}\n`),
    text: (text) => void process.stdout.write(text),
    errorLine: (text = '') => void process.stderr.write(`${text}\n`),
    progress: (text) => {
      if (isatty(2)) process.stderr.write(`${CLEAR_LINE}${text ?? ''}`);
    },
  };
}

function colorsFor(descriptor: 1 | 2): Colors {
  return picocolors.createColors(isatty(descriptor) && picocolors.isColorSupported);
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}
