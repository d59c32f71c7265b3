/** The members of a JSON Schema by which violations are found and explained. */
export interface Node {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Node[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: boolean;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly items?: Node;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** The names and indices that lead to a place in a value. */
export type Path = readonly (string | number)[];

/** Objects with it refuse members that their schema does not name. */
export const STRICT = { additionalProperties: false } as const;

/** The members that identify the alternatives of a node: the first required member of each. */
export function marksOf({ anyOf = [] }: Node): string[] {
  return anyOf.map(({ required }) => required?.[0] ?? '');
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
