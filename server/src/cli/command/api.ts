import type { InjectOptions } from 'fastify';

/**
 * The HTTP API in this process. A command calls the same routes as a client, so its `--json` is the API's
 * answer, and no rule is written twice.
 */

/** A request to the API. It omits undefined members of `query` and `body`. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly idempotencyKey?: string;
}

export interface ApiAnswer {
  readonly status: number;
  /** The body, byte for byte; empty for 204. */
  readonly text: string;
  /** Whether it replays the answer of an earlier request with the same idempotency key. */
  readonly isReplay: boolean;
}

/** Answers requests without a socket; a Fastify instance. */
export interface Injectable {
  inject(options: InjectOptions): PromiseLike<{
    statusCode: number;
    headers: Readonly<Record<string, unknown>>;
    body: string;
  }>;
}

/** The API refused a request with `answer`. */
export class ApiError extends Error {
  readonly answer: ApiAnswer;
  readonly request: ApiRequest;

  constructor(request: ApiRequest, answer: ApiAnswer) {
    super(`${request.method} ${request.path} answered ${answer.status}`);
    this.name = 'ApiError';
    this.answer = answer;
    this.request = request;
  }
}

/** The path of one resource, or of an action on it. */
export function pathOf(things: string, id: string, action?: string): string {
  const path = `/v1/${things}/${encodeURIComponent(id)}`;
  return action === undefined ? path : `${path}/${action}`;
}

/** Sends a request; the answer may be a refusal. */
export async function ask(api: Injectable, request: ApiRequest): Promise<ApiAnswer> {
  const { method, path, query, body, idempotencyKey } = request;
  const response = await api.inject({
    method,
    url: path + queryText(query ?? {}),
    ...(body && { payload: body }),
    ...(idempotencyKey !== undefined && { headers: { 'idempotency-key': idempotencyKey } }),
  });
  const isReplay = response.headers['idempotency-replayed'] === 'true';
  return { status: response.statusCode, text: response.body, isReplay };
}

/** Sends a request. Throws ApiError if it is refused. */
export async function call(api: Injectable, request: ApiRequest): Promise<ApiAnswer> {
  const answer = await ask(api, request);
  if (answer.status >= 400) throw new ApiError(request, answer);
  return answer;
}

/** A resource of an answer. */
export interface Resource {
  readonly type: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** The one resource of an answer. */
export function resourceOf(answer: Pick<ApiAnswer, 'text'>): Resource {
  return (JSON.parse(answer.text) as { data: Resource }).data;
}

/** A page of a list, and the cursor of the next one. */
export function pageOf(answer: Pick<ApiAnswer, 'text'>): {
  resources: Resource[];
  next: string | null;
} {
  const { data, links } = JSON.parse(answer.text) as {
    data: Resource[];
    links: { next: string | null };
  };
  const next = links.next && new URL(links.next, 'http://localhost').searchParams.get('cursor');
  return { resources: data, next };
}

/** All resources of a list, fetched page by page. */
export async function* allOf(api: Injectable, path: string): AsyncGenerator<Resource> {
  let cursor: string | undefined;
  do {
    const query = { limit: '500', cursor };
    const { resources, next } = pageOf(await call(api, { method: 'GET', path, query }));
    yield* resources;
    cursor = next ?? undefined;
  } while (cursor !== undefined);
}

function queryText(query: Readonly<Record<string, string | undefined>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, value);
  }
  return parameters.size === 0 ? '' : `?${parameters}`;
}
