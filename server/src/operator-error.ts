/**
 * An error for the operator at the terminal, in three parts: the failure, its details, and the cure.
 * The command line prints the three parts alone and exits with 1.
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
