/** A price book with a few routes, for all tests except those of endings. */
export const PRICES = (upstream: string, fixed = '0.5'): string => `
top_up_url: https://example.com/billing
upstreams:
  up:
    base_url: ${upstream}/base
    secret: {header: authorization, env: TEST_UPSTREAM_KEY, prefix: "Bearer "}
    answer_timeout_s: 30
routes:
  fixed:
    methods: [GET, POST]
    path: /v1/fixed
    scope: search
    upstream: up
    largest_body_bytes: 1000
    price:
      - per_call: "${fixed}"
  item:
    methods: [GET]
    path: /v1/items/:id
    scope: search
    upstream: up
    price:
      - per_call: "0.5"
  effort:
    methods: [GET, POST]
    path: /v1/effort
    scope: search
    upstream: up
    price:
      - {by: effort, default: low, cents: {low: "1", high: "10"}}
  counted:
    methods: [GET]
    path: /v1/counted
    scope: search
    upstream: up
    price:
      - per_call: "0.5"
      - {per: items, cents: "0.1", count: $count(answer.items), at_most: 20}
  events:
    methods: [GET]
    path: /v1/events
    scope: search
    upstream: up
    count_event_with: usage
    price:
      - {per: output, cents: "0.1", count: answer.usage.output, at_most: 20}
  limited:
    methods: [GET]
    path: /v1/limited
    scope: search
    upstream: up
    rate_limit: {per_second: 1, burst: 3}
    price:
      - per_call: "0.5"
  free-of_charge2:
    methods: [GET]
    path: /v1/free
    scope: search
    upstream: up
    price: []
  short:
    methods: [GET]
    path: /v1/short
    scope: search
    upstream: up
    longest_s: 1
    price:
      - per_call: "0.5"
`;
