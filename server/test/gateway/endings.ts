/**
 * A case for each ending of a call: its cause, and its cost by default and by a route's settlement.
 */

export interface Case {
  readonly path: string;
  readonly leaveAfter?: number;
  readonly status: number;
  readonly ending: string;
  /** The final cost of the call, in cents. */
  readonly cost: string;
}

/** The length of the upstream's default stream, in bytes. */
const EVENTS_LENGTH = 128;

export const CASES: Readonly<Record<string, Case>> = {
  'a fixed price that is delivered is paid': {
    path: '/fixed',
    status: 200,
    ending: 'delivered',
    cost: '0.5',
  },
  'an upstream that refuses the connection is free': {
    path: '/fixed-closed',
    status: 502,
    ending: 'upstream_unreachable',
    cost: '0',
  },
  'an upstream that drops the connection is free': {
    path: '/fixed?do=drop',
    status: 502,
    ending: 'upstream_unreachable',
    cost: '0',
  },
  'an upstream that drops the connection is paid where the route says so': {
    path: '/fixed-other?do=drop',
    status: 502,
    ending: 'upstream_unreachable',
    cost: '0.5',
  },
  'an upstream that does not begin to answer in time is free': {
    path: '/fixed?do=silence',
    status: 504,
    ending: 'upstream_timeout',
    cost: '0',
  },
  'an upstream that does not begin to answer in time is paid where the route says so': {
    path: '/fixed-other?do=silence',
    status: 504,
    ending: 'upstream_timeout',
    cost: '0.5',
  },
  'an upstream that breaks off in the middle of a stream is free': {
    path: '/fixed?do=tear',
    status: 200,
    ending: 'upstream_broke_off',
    cost: '0',
  },
  'an upstream that breaks off in the middle of a stream is paid where the route says so': {
    path: '/fixed-other?do=tear',
    status: 200,
    ending: 'upstream_broke_off',
    cost: '0.5',
  },
  'an upstream that breaks off midway is free': {
    path: '/fixed?do=break',
    status: 502,
    ending: 'upstream_broke_off',
    cost: '0',
  },
  'an upstream that breaks off midway is paid where the route says so': {
    path: '/fixed-other?do=break',
    status: 502,
    ending: 'upstream_broke_off',
    cost: '0.5',
  },
  'an upstream that falls silent midway is free': {
    path: '/fixed?do=hang',
    status: 200,
    ending: 'upstream_broke_off',
    cost: '0',
  },
  'an answer 4xx is free': {
    path: '/fixed?status=404',
    status: 404,
    ending: 'upstream_4xx',
    cost: '0',
  },
  'an answer 4xx is paid where the route says so': {
    path: '/fixed-other?status=404',
    status: 404,
    ending: 'upstream_4xx',
    cost: '0.5',
  },
  'an answer 5xx is free': {
    path: '/fixed?status=503',
    status: 503,
    ending: 'upstream_5xx',
    cost: '0',
  },
  'an answer 5xx is paid where the route says so': {
    path: '/fixed-other?status=503',
    status: 503,
    ending: 'upstream_5xx',
    cost: '0.5',
  },
  'a client that leaves before the answer pays a fixed price': {
    path: '/fixed?do=silence',
    leaveAfter: 0,
    status: 0,
    ending: 'client_left_before_answer',
    cost: '0.5',
  },
  'a client that leaves before the answer pays nothing where the route says so': {
    path: '/fixed-other?do=silence',
    leaveAfter: 0,
    status: 0,
    ending: 'client_left_before_answer',
    cost: '0',
  },
  'a client that leaves midway pays a fixed price': {
    path: '/fixed?do=hang',
    leaveAfter: 1,
    status: 200,
    ending: 'client_left_midway',
    cost: '0.5',
  },
  'a client that leaves midway pays nothing where the route says so': {
    path: '/fixed-other?do=hang',
    leaveAfter: 1,
    status: 200,
    ending: 'client_left_midway',
    cost: '0',
  },

  'an upstream that refuses the secret of the operator is free': {
    path: '/fixed?status=401',
    status: 502,
    ending: 'upstream_rejected_operator',
    cost: '0',
  },
  'an upstream that forbids the operator a counted answer is free': {
    path: '/counted?status=403',
    status: 502,
    ending: 'upstream_rejected_operator',
    cost: '0',
  },
  'a refusal of an upstream that takes no secret is the answer': {
    path: '/fixed-open?status=401',
    status: 401,
    ending: 'upstream_4xx',
    cost: '0',
  },
  'a call that takes too long before its answer is free': {
    path: '/fixed-short?do=silence',
    status: 504,
    ending: 'time_exceeded',
    cost: '0',
  },
  'a counted answer that takes too long before it can be passed on is free': {
    path: '/counted-short?do=hang',
    status: 504,
    ending: 'time_exceeded',
    cost: '0',
  },
  'a call that takes too long midway is paid': {
    path: '/fixed-short?do=hang',
    status: 200,
    ending: 'time_exceeded',
    cost: '0.5',
  },
  'a call that takes too long midway is free if the route says so': {
    path: '/fixed-short-other?do=hang',
    status: 200,
    ending: 'time_exceeded',
    cost: '0',
  },
  'a stream that takes too long midway costs the maximum': {
    path: '/events-short?do=events&then=silence',
    status: 200,
    ending: 'time_exceeded',
    cost: '2',
  },
  'a stream with an event that tells of an error is free': {
    path: '/events-error?do=events&then=error',
    status: 200,
    ending: 'upstream_error_event',
    cost: '0',
  },
  'a stream of a fixed price with such an event is given back': {
    path: '/fixed-events?do=events&then=error',
    status: 200,
    ending: 'upstream_error_event',
    cost: '0',
  },
  'a stream of a fixed price without such an event is paid': {
    path: '/fixed-events?do=events',
    status: 200,
    ending: 'delivered',
    cost: '0.5',
  },

  'what was counted in the answer is paid': {
    path: '/counted?items=7',
    status: 200,
    ending: 'delivered',
    cost: '1.2',
  },
  'a counted answer of an upstream that refuses the connection is free': {
    path: '/counted-closed',
    status: 502,
    ending: 'upstream_unreachable',
    cost: '0',
  },
  'a counted answer that does not begin in time is free': {
    path: '/counted?do=silence',
    status: 504,
    ending: 'upstream_timeout',
    cost: '0',
  },
  'a counted answer that does not begin in time costs what is known where the route says so': {
    path: '/counted-other?do=silence',
    status: 504,
    ending: 'upstream_timeout',
    cost: '0.5',
  },
  'a counted answer that breaks off midway is free': {
    path: '/counted?do=break',
    status: 502,
    ending: 'upstream_broke_off',
    cost: '0',
  },
  'a counted answer that breaks off midway costs what is known where the route says so': {
    path: '/counted-other?do=break',
    status: 502,
    ending: 'upstream_broke_off',
    cost: '0.5',
  },
  'a counted answer 4xx is free': {
    path: '/counted?status=422',
    status: 422,
    ending: 'upstream_4xx',
    cost: '0',
  },
  'a counted answer 4xx costs what is known where the route says so': {
    path: '/counted-other?status=422',
    status: 422,
    ending: 'upstream_4xx',
    cost: '0.5',
  },
  'a counted answer 5xx is free': {
    path: '/counted?status=500',
    status: 500,
    ending: 'upstream_5xx',
    cost: '0',
  },
  'a counted answer 5xx costs the maximum where the route says so': {
    path: '/counted-other?status=500',
    status: 500,
    ending: 'upstream_5xx',
    cost: '2.5',
  },
  'an answer of malformed JSON costs the maximum': {
    path: '/counted?do=malformed',
    status: 200,
    ending: 'answer_malformed',
    cost: '2.5',
  },
  'an answer that is no JSON costs the maximum': {
    path: '/counted?do=text',
    status: 200,
    ending: 'answer_malformed',
    cost: '2.5',
  },
  'an answer of malformed JSON is free where the route says so': {
    path: '/counted-other?do=malformed',
    status: 200,
    ending: 'answer_malformed',
    cost: '0',
  },
  'an answer larger than the metering buffer costs the maximum': {
    path: '/counted?do=huge',
    status: 200,
    ending: 'answer_too_large',
    cost: '2.5',
  },
  'an answer larger than the metering buffer is free where the route says so': {
    path: '/counted-other?do=huge',
    status: 200,
    ending: 'answer_too_large',
    cost: '0',
  },
  'more than the maximum costs what was counted': {
    path: '/counted?items=30',
    status: 200,
    ending: 'above_maximum',
    cost: '3.5',
  },
  'more than the maximum costs the maximum where the route says so': {
    path: '/counted-other?items=30',
    status: 200,
    ending: 'above_maximum',
    cost: '2.5',
  },
  'a client that leaves before a counted answer pays the maximum': {
    path: '/counted?do=silence',
    leaveAfter: 0,
    status: 0,
    ending: 'client_left_before_answer',
    cost: '2.5',
  },
  'a client that leaves before a counted answer pays nothing where the route says so': {
    path: '/counted-other?do=silence',
    leaveAfter: 0,
    status: 0,
    ending: 'client_left_before_answer',
    cost: '0',
  },

  'what the last event says is paid': {
    path: '/events?do=events&items=7',
    status: 200,
    ending: 'delivered',
    cost: '0.7',
  },
  'a stream that breaks off is free': {
    path: '/events?do=events&then=break',
    status: 200,
    ending: 'upstream_broke_off',
    cost: '0',
  },
  'a stream that breaks off costs the maximum where the route says so': {
    path: '/events-other?do=events&then=break',
    status: 200,
    ending: 'upstream_broke_off',
    cost: '2',
  },
  'a stream without the event that is counted costs the maximum': {
    path: '/events?do=events&usage=none',
    status: 200,
    ending: 'answer_malformed',
    cost: '2',
  },
  'a stream without the event that is counted is free where the route says so': {
    path: '/events-other?do=events&usage=none',
    status: 200,
    ending: 'answer_malformed',
    cost: '0',
  },
  'a client that leaves once it has the whole stream pays what was counted': {
    path: '/events?do=events&then=late',
    leaveAfter: EVENTS_LENGTH,
    status: 200,
    ending: 'delivered',
    cost: '0.3',
  },
  'a client that leaves before the end of a stream that stays open pays the maximum': {
    path: '/events?do=events&open',
    leaveAfter: EVENTS_LENGTH,
    status: 200,
    ending: 'client_left_midway',
    cost: '2',
  },
  'a client that leaves after an event that tells of an error pays nothing': {
    path: '/events-error?do=events&then=error&open',
    leaveAfter: EVENTS_LENGTH,
    status: 200,
    ending: 'upstream_error_event',
    cost: '0',
  },
  'an error that breaks off while it is settled is no answer': {
    path: '/fixed?do=snap&status=503',
    status: 502,
    ending: 'upstream_5xx',
    cost: '0',
  },
  'an answer that breaks off while it is settled is no answer, and free': {
    path: '/counted?do=snap&type=text/plain',
    status: 502,
    ending: 'upstream_broke_off',
    cost: '0',
  },
  'a client that leaves a stream midway pays the maximum': {
    path: '/events?do=events&then=silence',
    leaveAfter: 30,
    status: 200,
    ending: 'client_left_midway',
    cost: '2',
  },
  'a client that leaves a stream midway pays what was counted where the route says so': {
    path: '/events-other?do=events&then=silence',
    leaveAfter: 30,
    status: 200,
    ending: 'client_left_midway',
    cost: '0',
  },
};
