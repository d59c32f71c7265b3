import type FindMyWay from 'find-my-way';

/**
 * The store of the route that matches a method and a path; undefined: none does. A parameter such
 * as `:id` must not be empty, so `/v1/items/` is no item, although find-my-way would match it.
 */
export function storeOf(
  router: FindMyWay.Instance<FindMyWay.HTTPVersion.V1>,
  method: string,
  path: string,
): unknown {
  const found = router.find(method as FindMyWay.HTTPMethod, path);
  if (!found) return undefined;
  for (const name in found.params) {
    if (found.params[name] === '' && name !== '*') return undefined;
  }
  return found.store;
}
