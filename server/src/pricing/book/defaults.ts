import type { ErrorFormat, Settlement } from './price-book.ts';

/** The default values of members, by the object that has the member. */
export const DEFAULTS = {
  upstream: {
    connect_timeout_s: 5,
    answer_timeout_s: 60,
    idle_timeout_s: 60,
    connections: 128,
  },
  secret: { prefix: '' },
  route: {
    largest_body_bytes: 65_536,
    longest_s: 120,
    metering_buffer_bytes: 1_048_576,
    replay_bytes: 262_144,
    concurrency: 64,
    error_format: 'purser' satisfies ErrorFormat,
    receipt_comment: false,
  },
  item: { units: 1, of: 'answer' },
  settlement: {
    upstream_unreachable: 'free',
    upstream_timeout: 'free',
    upstream_4xx: 'free',
    upstream_5xx: 'free',
    upstream_broke_off: 'free',
    upstream_rejected_operator: 'free',
    upstream_error_event: 'free',
    time_exceeded: 'maximum',
    answer_malformed: 'maximum',
    answer_too_large: 'maximum',
    above_maximum: 'counted',
    client_left_before_answer: 'maximum',
    client_left_midway: 'maximum',
  } satisfies Settlement,
} as const;
