import { type Countable, CountingFailed } from '../book/price-book.ts';

/** The deepest request or answer: an expression that walks through it recurses as deep. */
const DEEPEST = 500;
/** Members by which JSONata mistakes data for a function, and then finds nothing in it. */
const DISGUISES = ['_jsonata_lambda', '_jsonata_function'];

/**
 * A request or an answer as expressions see it: without members that are null, because null counts
 * as absent. `value` itself is not changed. Throws CountingFailed if JSONata would misread it.
 */
export function countable(value: unknown): Countable {
  return (value === null ? undefined : withoutNulls(value, 0)) as Countable;
}

function withoutNulls(value: unknown, depth: number): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (depth > DEEPEST) throw new CountingFailed(`nested deeper than ${DEEPEST}`);
  if (Array.isArray(value)) return listWithoutNulls(value, depth);
  if (DISGUISES.some((name) => Object.hasOwn(value, name))) {
    throw new CountingFailed(`a member may not be named ${DISGUISES.join(' or ')}`);
  }
  const members = value as Readonly<Record<string, unknown>>;
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(members)) {
    const inner = members[name];
    const kept = withoutNulls(inner, depth + 1);
    if (kept === inner && inner !== null) continue;
    copy ??= { ...members };
    if (inner === null) delete copy[name];
    else copy[name] = kept;
  }
  return copy ?? value;
}

/** The items of a list keep their places, so null items stay. */
function listWithoutNulls(list: readonly unknown[], depth: number): unknown {
  let copy: unknown[] | undefined;
  for (const [index, inner] of list.entries()) {
    const kept = withoutNulls(inner, depth + 1);
    if (kept === inner) continue;
    copy ??= [...list];
    copy[index] = kept;
  }
  return copy ?? list;
}
