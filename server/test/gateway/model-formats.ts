import type Anthropic from '@anthropic-ai/sdk';
import type OpenAI from 'openai';

/** The answers of OpenAI and Anthropic, typed by their own SDKs. */

/** The text of every answer. */
export const TEXT = 'Hello, customer!';

/** The text in pieces, as models stream it. */
const PIECES = ['Hello', ', ', 'customer', '!'];

/** A stream sends this many events, with part of the text, before it pauses or fails. */
export const PAUSE_AT = 4;

/** The members of a request's body that the answers depend on. */
export interface Asked {
  readonly model: string;
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly messages?: readonly { readonly content: string }[];
  readonly input?: string;
}

/** The format of an API's answers. */
export interface Format {
  answer(asked: Asked): object;
  /** The events of a stream, as text. */
  events(asked: Asked): readonly string[];
  /** The event that reports a failure in the middle of a stream. */
  readonly errorEvent: string;
  error(type: string, message: string): object;
}

/** A server-sent event with its data, and with its type if the data has one. */
function sse(value: object): string {
  const { type } = value as { type?: string };
  return `${type === undefined ? '' : `event: ${type}\n`}data: ${JSON.stringify(value)}\n\n`;
}

const openAiError = (type: string, message: string) => ({
  error: { message, type, param: null, code: null },
});

export const CHAT_USAGE: OpenAI.CompletionUsage = {
  prompt_tokens: 1_000,
  completion_tokens: 500,
  total_tokens: 1_500,
  prompt_tokens_details: { cached_tokens: 600, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 100, audio_tokens: 0 },
};

export const CHAT: Format = {
  answer: ({ model }): OpenAI.ChatCompletion => ({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_764_000_000,
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: TEXT, refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: CHAT_USAGE,
    service_tier: 'default',
  }),
  events: ({ model, stream_options: options }) => {
    const withUsage = options?.include_usage === true;
    const chunk = (
      choices: OpenAI.ChatCompletionChunk.Choice[],
      usage: OpenAI.CompletionUsage | null = null,
    ) => {
      const said: OpenAI.ChatCompletionChunk = {
        id: 'chatcmpl-1',
        object: 'chat.completion.chunk',
        created: 1_764_000_000,
        model,
        service_tier: 'default',
        choices,
        ...(withUsage && { usage }),
      };
      return sse(said);
    };
    const choice = (
      delta: OpenAI.ChatCompletionChunk.Choice.Delta,
      finish_reason: 'stop' | null = null,
    ) => chunk([{ index: 0, delta, logprobs: null, finish_reason }]);
    return [
      choice({ role: 'assistant', content: '', refusal: null }),
      ...PIECES.map((content) => choice({ content })),
      choice({}, 'stop'),
      ...(withUsage ? [chunk([], CHAT_USAGE)] : []),
      'data: [DONE]\n\n',
    ];
  },
  errorEvent: sse(openAiError('server_error', 'The server had an error')),
  error: openAiError,
};

const MESSAGE: OpenAI.Responses.ResponseOutputMessage = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text: TEXT, annotations: [] }],
};

function responseOf(
  model: string,
  status: 'in_progress' | 'completed' | 'failed',
): Omit<OpenAI.Responses.Response, 'output_text'> {
  const isCompleted = status === 'completed';
  return {
    id: 'resp_1',
    object: 'response',
    created_at: 1_764_000_000,
    status,
    error:
      status === 'failed' ? { code: 'server_error', message: 'The server had an error' } : null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    model,
    output: isCompleted ? [MESSAGE] : [],
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    ...(isCompleted && {
      usage: {
        input_tokens: 1_000,
        input_tokens_details: { cached_tokens: 200, cache_write_tokens: 0 },
        output_tokens: 500,
        output_tokens_details: { reasoning_tokens: 100 },
        total_tokens: 1_500,
      },
    }),
  };
}

export const RESPONSES: Format = {
  answer: ({ model }) => responseOf(model, 'completed'),
  events: ({ model }) => {
    const place = { item_id: 'msg_1', output_index: 0, content_index: 0 };
    const part = { type: 'output_text', text: '', annotations: [] };
    const events = [
      { type: 'response.created', response: responseOf(model, 'in_progress') },
      {
        type: 'response.output_item.added',
        output_index: 0,
        item: { ...MESSAGE, status: 'in_progress', content: [] },
      },
      { type: 'response.content_part.added', ...place, part },
      ...PIECES.map((delta) => ({
        type: 'response.output_text.delta',
        ...place,
        delta,
        logprobs: [],
      })),
      { type: 'response.output_text.done', ...place, text: TEXT, logprobs: [] },
      { type: 'response.content_part.done', ...place, part: { ...part, text: TEXT } },
      { type: 'response.output_item.done', output_index: 0, item: MESSAGE },
      { type: 'response.completed', response: responseOf(model, 'completed') },
    ];
    return events.map((event, sequence_number) => sse({ ...event, sequence_number }));
  },
  errorEvent: sse({
    type: 'response.failed',
    sequence_number: PAUSE_AT,
    response: responseOf('gpt-4.1', 'failed'),
  }),
  error: openAiError,
};

const ANTHROPIC_USAGE: Anthropic.Usage = {
  input_tokens: 1_000,
  cache_read_input_tokens: 2_000,
  cache_creation_input_tokens: 400,
  cache_creation: { ephemeral_5m_input_tokens: 300, ephemeral_1h_input_tokens: 100 },
  output_tokens: 500,
  output_tokens_details: null,
  server_tool_use: null,
  service_tier: 'standard',
  inference_geo: 'global',
  speed: 'standard',
};

const anthropicError = (type: string, message: string) => ({
  type: 'error',
  error: { type, message },
  request_id: 'req_1',
});

function messageOf(model: string, isWhole: boolean): Anthropic.Message {
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model,
    content: isWhole ? [{ type: 'text', text: TEXT, citations: null }] : [],
    container: null,
    diagnostics: null,
    stop_details: null,
    stop_reason: isWhole ? 'end_turn' : null,
    stop_sequence: null,
    usage: { ...ANTHROPIC_USAGE, output_tokens: isWhole ? ANTHROPIC_USAGE.output_tokens : 1 },
  };
}

export const MESSAGES: Format = {
  answer: ({ model }) => messageOf(model, true),
  events: ({ model }) => {
    const { cache_creation: _, ...usage } = ANTHROPIC_USAGE;
    const events: (Anthropic.RawMessageStreamEvent | { type: 'ping' })[] = [
      { type: 'message_start', message: messageOf(model, false) },
      {
        type: 'content_block_start',
        index: 0,
        content_block: { type: 'text', text: '', citations: null },
      },
      { type: 'ping' },
      ...PIECES.map((text) => ({
        type: 'content_block_delta' as const,
        index: 0,
        delta: { type: 'text_delta' as const, text },
      })),
      { type: 'content_block_stop', index: 0 },
      {
        type: 'message_delta',
        delta: {
          container: null,
          stop_details: null,
          stop_reason: 'end_turn',
          stop_sequence: null,
        },
        usage,
      },
      { type: 'message_stop' },
    ];
    return events.map(sse);
  },
  errorEvent: sse(anthropicError('overloaded_error', 'Overloaded')),
  error: anthropicError,
};
