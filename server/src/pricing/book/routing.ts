import type FindMyWay from 'find-my-way';

/**
 * The store of the route that takes a method and a path; undefined if none does. A parameter such as
 * `:id` takes a segment and not the lack of one: `/v1/items/` is no item. The router alone would match it.
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
