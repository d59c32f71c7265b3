/**
 * An error for the operator at the terminal, in three parts: what went wrong, the details, and how
 * to solve it. The command line prints the parts and exits with 1; nothing else is printed.
 */
export class OperatorError extends Error {
  readonly details: string;
  readonly solution: string;

  constructor(what: string, details: string, solution: string, options?: ErrorOptions) {
    super(what, options);
    this.name = 'OperatorError';
    this.details = details;
    this.solution = solution;
  }
}
