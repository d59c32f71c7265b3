import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

/** The official SDKs as customers use them, behind one interface. */

/** The URL and the key of a customer's calls. `fetch` lets a test watch them. */
export interface Place {
  readonly url: string;
  readonly key: string;
  readonly fetch?: typeof fetch;
}

/** Options of one request that both SDKs have. */
export interface AskOptions {
  readonly model?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly maxRetries?: number;
  readonly idempotencyKey?: string;
}

/** An answer whose text is streamed. */
export interface Streamed {
  readonly texts: AsyncIterable<string>;
  readonly response: Response;
  abort(): void;
}

export interface ModelSdk {
  readonly name: string;
  /** The route of the example price book. */
  readonly route: string;
  /** The cost of an answer in cents, by model. The first model is the default. */
  readonly costs: Readonly<Record<string, string>>;
  /** The quantities on the receipt, without the call. */
  readonly quantities: Readonly<Record<string, string>>;
  /** The members besides the model that chose the price, with their values. */
  readonly choices: Readonly<Record<string, string>>;
  /** The request that `ask` sends. */
  bodyOf(prompt: string, model?: string): object;
  ask(place: Place, prompt: string, options?: AskOptions): Promise<Said>;
  stream(place: Place, prompt: string, options?: AskOptions): Promise<Streamed>;
  /** Reads a stream with the SDK's own reader. Resolves with the whole answer. */
  gather(place: Place, prompt: string): Promise<string>;
  /** The classes of the SDK's errors, by status. */
  readonly errors: Readonly<Record<number, ErrorClass>>;
  /** The error of reading a stream that fails in the middle. */
  readonly streamError: object;
  readonly abortError: unknown;
  /** The message in an error's body. */
  messageOf(error: unknown): string | null;
}

type ErrorClass = abstract new (...args: never[]) => Error;

export interface Said {
  readonly text: string | null;
  readonly response: Response;
}

const clientOf = ({ url, key, ...more }: Place) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: key, ...more });

const OPENAI_ERRORS = {
  401: OpenAI.AuthenticationError,
  402: OpenAI.APIError,
  403: OpenAI.PermissionDeniedError,
  404: OpenAI.NotFoundError,
  422: OpenAI.UnprocessableEntityError,
  429: OpenAI.RateLimitError,
  500: OpenAI.InternalServerError,
  503: OpenAI.InternalServerError,
  529: OpenAI.InternalServerError,
};

const messageOfOpenAi = (error: unknown) => (error as Error).message.replace(/^\d+ /, '');

const chatBody = (prompt: string, model = 'gpt-5') => ({
  model,
  messages: [{ role: 'user' as const, content: prompt }],
});

export const CHAT_SDK: ModelSdk = {
  name: "OpenAI's chat",
  route: 'chat',
  costs: { 'gpt-5': '0.5575', 'gpt-5-mini': '0.1115', 'gpt-4.1': '0.51' },
  quantities: { input_tokens: '400', cached_input_tokens: '600', output_tokens: '500' },
  choices: { service_tier: 'auto' },
  bodyOf: chatBody,
  ask: async (place, prompt, { model, ...options } = {}) => {
    const asked = clientOf(place).chat.completions.create(chatBody(prompt, model), options);
    const { data, response } = await asked.withResponse();
    return { text: data.choices[0]?.message.content ?? null, response };
  },
  stream: async (place, prompt, { model, ...options } = {}) => {
    const body = { ...chatBody(prompt, model), stream: true as const };
    const asked = clientOf(place).chat.completions.create(body, options);
    const { data, response } = await asked.withResponse();
    const texts = textsOf(data, ({ choices }) => choices[0]?.delta.content);
    return { texts, response, abort: () => data.controller.abort() };
  },
  gather: async (place, prompt) => {
    const stream = clientOf(place).chat.completions.stream(chatBody(prompt));
    return (await stream.finalContent()) ?? '';
  },
  errors: OPENAI_ERRORS,
  streamError: { constructor: OpenAI.APIError, message: 'The server had an error' },
  abortError: OpenAI.APIUserAbortError,
  messageOf: messageOfOpenAi,
};

const responsesBody = (prompt: string, model = 'gpt-5') => ({ model, input: prompt });

export const RESPONSES_SDK: ModelSdk = {
  ...CHAT_SDK,
  name: "OpenAI's responses",
  route: 'responses',
  costs: { 'gpt-5': '0.6025', 'gpt-5-mini': '0.1205', 'gpt-4.1': '0.57' },
  quantities: {
    input_tokens: '800',
    cached_input_tokens: '200',
    output_tokens: '500',
    web_searches: '0',
    unsold_tools: '0',
  },
  choices: { service_tier: 'auto', background: 'false' },
  bodyOf: responsesBody,
  ask: async (place, prompt, { model, ...options } = {}) => {
    const asked = clientOf(place).responses.create(responsesBody(prompt, model), options);
    const { data, response } = await asked.withResponse();
    return { text: data.output_text, response };
  },
  stream: async (place, prompt, { model, ...options } = {}) => {
    const body = { ...responsesBody(prompt, model), stream: true as const };
    const asked = clientOf(place).responses.create(body, options);
    const { data, response } = await asked.withResponse();
    const texts = textsOf(data, (event) => {
      // The SDK does not throw for this event.
      if (event.type === 'response.failed') throw new Error(event.response.error?.message);
      return event.type === 'response.output_text.delta' ? event.delta : undefined;
    });
    return { texts, response, abort: () => data.controller.abort() };
  },
  gather: async (place, prompt) => {
    const stream = clientOf(place).responses.stream(responsesBody(prompt));
    return (await stream.finalResponse()).output_text;
  },
  streamError: { message: 'The server had an error' },
};

const anthropicOf = ({ url, key, ...more }: Place) =>
  new Anthropic({ baseURL: url, apiKey: key, ...more });

const messagesBody = (prompt: string, model = 'claude-opus-4-8') => ({
  model,
  max_tokens: 1_000,
  messages: [{ role: 'user' as const, content: prompt }],
});

export const MESSAGES_SDK: ModelSdk = {
  name: "Anthropic's messages",
  route: 'messages',
  costs: {
    'claude-opus-4-8': '2.1375',
    'claude-sonnet-4-6': '1.2825',
    'claude-haiku-4-5': '0.4275',
  },
  quantities: {
    input_tokens: '1000',
    cache_read_tokens: '2000',
    cache_write_tokens: '400',
    cache_hour_tokens: '100',
    output_tokens: '500',
    web_searches: '0',
    unsold_tools: '0',
  },
  choices: {
    service_tier: 'auto',
    speed: 'standard',
    inference_geo: 'global',
    fallbacks: 'none',
  },
  bodyOf: messagesBody,
  ask: async (place, prompt, { model, ...options } = {}) => {
    const asked = anthropicOf(place).messages.create(messagesBody(prompt, model), options);
    const { data, response } = await asked.withResponse();
    const [block] = data.content;
    return { text: block?.type === 'text' ? block.text : null, response };
  },
  stream: async (place, prompt, { model, ...options } = {}) => {
    const body = { ...messagesBody(prompt, model), stream: true as const };
    const asked = anthropicOf(place).messages.create(body, options);
    const { data, response } = await asked.withResponse();
    const texts = textsOf(data, (event) =>
      event.type === 'content_block_delta' && event.delta.type === 'text_delta'
        ? event.delta.text
        : undefined,
    );
    return { texts, response, abort: () => data.controller.abort() };
  },
  gather: (place, prompt) => anthropicOf(place).messages.stream(messagesBody(prompt)).finalText(),
  errors: {
    401: Anthropic.AuthenticationError,
    402: Anthropic.PaymentRequiredError,
    403: Anthropic.PermissionDeniedError,
    404: Anthropic.NotFoundError,
    422: Anthropic.UnprocessableEntityError,
    429: Anthropic.RateLimitError,
    500: Anthropic.InternalServerError,
    503: Anthropic.ServiceUnavailableError,
    529: Anthropic.OverloadedError,
  },
  streamError: { constructor: Anthropic.APIError, type: 'overloaded_error' },
  abortError: Anthropic.APIUserAbortError,
  messageOf: (error) => (error as InstanceType<typeof Anthropic.APIError>).apiMessage,
};

export const SDKS: readonly ModelSdk[] = [CHAT_SDK, RESPONSES_SDK, MESSAGES_SDK];

async function* textsOf<Event>(
  events: AsyncIterable<Event>,
  textOf: (event: Event) => string | null | undefined,
): AsyncGenerator<string> {
  for await (const event of events) yield textOf(event) ?? '';
}

/** Reads all text of a stream. */
export async function whole({ texts }: Streamed): Promise<string> {
  let text = '';
  for await (const piece of texts) text += piece;
  return text;
}

/** A `fetch` that records the requests of an SDK and the answers to them. */
export function watched() {
  const statuses: number[] = [];
  const sent: Headers[] = [];
  const seen: { onStatus: (status: number) => void } = { onStatus: () => {} };
  const watching: typeof fetch = async (input, init) => {
    sent.push(new Headers(init?.headers));
    const response = await fetch(input, init);
    statuses.push(response.status);
    seen.onStatus(response.status);
    return response;
  };
  return { fetch: watching, statuses, sent, seen };
}
