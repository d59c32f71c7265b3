--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: account_kind; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.account_kind AS ENUM (
    'organization',
    'individual'
);

--
-- Name: account_status; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.account_status AS ENUM (
    'active',
    'suspended'
);

--
-- Name: actor_kind; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.actor_kind AS ENUM (
    'operator_key',
    'api_key',
    'local',
    'sweeper',
    'gateway'
);

--
-- Name: book; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.book AS ENUM (
    'funding',
    'promotion',
    'revenue',
    'breakage',
    'adjustment'
);

--
-- Name: entry_category; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.entry_category AS ENUM (
    'paid',
    'promotional',
    'overdraft'
);

--
-- Name: grant_category; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.grant_category AS ENUM (
    'paid',
    'promotional'
);

--
-- Name: grant_ending; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.grant_ending AS ENUM (
    'expiry',
    'void'
);

--
-- Name: operation_kind; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.operation_kind AS ENUM (
    'grant',
    'charge',
    'grant_start',
    'grant_extension',
    'grant_void',
    'grant_end',
    'hold',
    'capture',
    'overage',
    'hold_void',
    'hold_expiry',
    'reversal',
    'adjustment'
);

--
-- Name: spend_period; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.spend_period AS ENUM (
    'day',
    'month',
    'total'
);

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: accounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.accounts (
    id uuid NOT NULL,
    public_id text NOT NULL,
    external_id text,
    kind public.account_kind NOT NULL,
    name text NOT NULL,
    status public.account_status DEFAULT 'active'::public.account_status NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT accounts_external_id_has_1_to_255_characters CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 255))),
    CONSTRAINT accounts_name_has_1_to_255_characters CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255))),
    CONSTRAINT accounts_public_id_begins_with_id CHECK (((public_id ~ '^[0-9a-f]{64}$'::text) AND ("left"(public_id, 32) = replace((id)::text, '-'::text, ''::text))))
);

--
-- Name: api_key_secrets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_key_secrets (
    sha256 bytea NOT NULL,
    api_key_id uuid NOT NULL,
    valid_until timestamp with time zone,
    CONSTRAINT api_key_secrets_sha256_has_32_bytes CHECK ((octet_length(sha256) = 32))
);

--
-- Name: api_key_uses; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_key_uses (
    api_key_id uuid NOT NULL,
    last_used_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

--
-- Name: api_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_keys (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text,
    scopes text[] NOT NULL,
    masked text,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_name_has_1_to_255_characters CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255)))
);

--
-- Name: balances; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.balances (
    account_id uuid NOT NULL,
    posted bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    last_number bigint DEFAULT 0 NOT NULL,
    overdraft_limit bigint DEFAULT 0 NOT NULL,
    overdraft_used bigint DEFAULT 0 NOT NULL,
    last_at timestamp with time zone NOT NULL,
    next_due_at timestamp with time zone,
    overdraft_reserved bigint DEFAULT 0 NOT NULL,
    open_holds integer DEFAULT 0 NOT NULL,
    CONSTRAINT balances_held_includes_overdraft_reserved CHECK (((0 <= overdraft_reserved) AND (overdraft_reserved <= held))),
    CONSTRAINT balances_held_is_not_negative CHECK ((held >= 0)),
    CONSTRAINT balances_last_number_is_not_negative CHECK ((last_number >= 0)),
    CONSTRAINT balances_open_holds_is_not_negative CHECK ((open_holds >= 0)),
    CONSTRAINT balances_overdraft_limit_is_not_negative CHECK ((overdraft_limit >= 0)),
    CONSTRAINT balances_posted_below_zero_only_by_overdraft CHECK ((posted >= (- overdraft_used)))
)
WITH (fillfactor='40', autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

--
-- Name: call_claims; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.call_claims (
    account_id uuid NOT NULL,
    idempotency_digest bytea NOT NULL,
    fingerprint bytea NOT NULL,
    attempts integer DEFAULT 1 NOT NULL,
    payment integer DEFAULT 1 NOT NULL,
    until timestamp with time zone NOT NULL,
    outcome text,
    CONSTRAINT call_claims_attempts_is_positive CHECK ((attempts >= 1)),
    CONSTRAINT call_claims_fingerprint_has_16_bytes CHECK ((octet_length(fingerprint) = 16)),
    CONSTRAINT call_claims_idempotency_digest_has_16_bytes CHECK ((octet_length(idempotency_digest) = 16)),
    CONSTRAINT call_claims_outcome_is_known CHECK ((outcome = ANY (ARRAY['delivered'::text, 'paid'::text, 'free'::text]))),
    CONSTRAINT call_claims_payment_is_positive CHECK ((payment >= 1))
)
WITH (fillfactor='70');

--
-- Name: call_endings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.call_endings (
    account_id uuid NOT NULL,
    number bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    ending text NOT NULL,
    status smallint,
    CONSTRAINT call_endings_ending_has_1_to_64_characters CHECK (((char_length(ending) >= 1) AND (char_length(ending) <= 64))),
    CONSTRAINT call_endings_status_is_100_to_999 CHECK (((status >= 100) AND (status <= 999)))
)
WITH (autovacuum_vacuum_insert_scale_factor='0.05');

--
-- Name: entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.entries (
    account_id uuid NOT NULL,
    number bigint NOT NULL,
    line smallint NOT NULL,
    amount bigint NOT NULL,
    grant_number bigint,
    category public.entry_category NOT NULL,
    book public.book NOT NULL,
    posted_after bigint NOT NULL,
    CONSTRAINT entries_amount_is_not_zero CHECK ((amount <> 0)),
    CONSTRAINT entries_grant_number_missing_only_for_overdraft CHECK (((grant_number IS NULL) = (category = 'overdraft'::public.entry_category))),
    CONSTRAINT entries_line_is_positive CHECK ((line >= 1))
)
WITH (autovacuum_vacuum_insert_scale_factor='0.05');

--
-- Name: entry_sums; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.entry_sums (
    account_id uuid NOT NULL,
    number bigint NOT NULL,
    kind public.operation_kind NOT NULL,
    book public.book NOT NULL,
    category public.entry_category NOT NULL,
    amount numeric NOT NULL,
    entries bigint NOT NULL,
    CONSTRAINT entry_sums_entries_is_positive CHECK ((entries >= 1))
);

--
-- Name: grants; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.grants (
    account_id uuid NOT NULL,
    number bigint NOT NULL,
    category public.grant_category NOT NULL,
    priority smallint NOT NULL,
    amount bigint NOT NULL,
    remaining bigint NOT NULL,
    reserved bigint DEFAULT 0 NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    applies_to text[],
    started boolean NOT NULL,
    ended_at timestamp with time zone,
    live boolean NOT NULL,
    book public.book NOT NULL,
    ended_by public.grant_ending,
    CONSTRAINT grants_amount_is_positive CHECK ((amount > 0)),
    CONSTRAINT grants_applies_to_is_not_empty CHECK ((cardinality(applies_to) >= 1)),
    CONSTRAINT grants_ended_at_stands_with_ended_by CHECK (((ended_at IS NULL) = (ended_by IS NULL))),
    CONSTRAINT grants_expires_at_is_after_effective_at CHECK ((expires_at > effective_at)),
    CONSTRAINT grants_live_while_something_remains CHECK ((live = (remaining > 0))),
    CONSTRAINT grants_number_is_positive CHECK ((number >= 1)),
    CONSTRAINT grants_priority_is_0_to_100 CHECK (((priority >= 0) AND (priority <= 100))),
    CONSTRAINT grants_remaining_is_reserved_once_ended CHECK (((ended_at IS NULL) OR (remaining = reserved))),
    CONSTRAINT grants_reserved_only_once_started CHECK ((started OR (reserved = 0))),
    CONSTRAINT grants_reserved_within_remaining_within_amount CHECK (((0 <= reserved) AND (reserved <= remaining) AND (remaining <= amount)))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

--
-- Name: holds; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.holds (
    account_id uuid NOT NULL,
    number bigint NOT NULL,
    amount bigint NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    grants bigint[] NOT NULL,
    amounts bigint[] NOT NULL,
    CONSTRAINT holds_amount_is_not_negative CHECK ((amount >= 0)),
    CONSTRAINT holds_amounts_are_positive CHECK (((0 < ALL (amounts)) AND (array_position(amounts, NULL::bigint) IS NULL))),
    CONSTRAINT holds_grants_match_amounts CHECK ((cardinality(grants) = cardinality(amounts))),
    CONSTRAINT holds_number_is_positive CHECK ((number >= 1))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');
ALTER TABLE ONLY public.holds ALTER COLUMN account_id SET (n_distinct=100);

--
-- Name: idempotent_calls; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotent_calls (
    account_id uuid NOT NULL,
    idempotency_digest bytea NOT NULL,
    fingerprint bytea NOT NULL,
    payment_digest bytea NOT NULL,
    until timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    is_used boolean DEFAULT false NOT NULL,
    charge bigint,
    status smallint,
    headers json,
    body bytea,
    CONSTRAINT idempotent_calls_answer_is_whole_and_used CHECK ((((status IS NULL) = (headers IS NULL)) AND ((status IS NULL) = (body IS NULL)) AND ((status IS NULL) OR is_used))),
    CONSTRAINT idempotent_calls_charge_only_once_used CHECK (((charge IS NULL) OR is_used)),
    CONSTRAINT idempotent_calls_fingerprint_has_16_bytes CHECK ((octet_length(fingerprint) = 16)),
    CONSTRAINT idempotent_calls_idempotency_digest_has_16_bytes CHECK ((octet_length(idempotency_digest) = 16)),
    CONSTRAINT idempotent_calls_payment_digest_has_16_bytes CHECK ((octet_length(payment_digest) = 16)),
    CONSTRAINT idempotent_calls_status_is_200_to_599 CHECK (((status >= 200) AND (status <= 599)))
)
WITH (fillfactor='70');

--
-- Name: idempotent_requests; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotent_requests (
    idempotency_digest bytea NOT NULL,
    fingerprint bytea NOT NULL,
    at timestamp with time zone NOT NULL,
    status smallint NOT NULL,
    answer json NOT NULL,
    secret_sha256 bytea,
    secret_salt bytea,
    CONSTRAINT idempotent_requests_fingerprint_has_16_bytes CHECK ((octet_length(fingerprint) = 16)),
    CONSTRAINT idempotent_requests_idempotency_digest_has_16_bytes CHECK ((octet_length(idempotency_digest) = 16)),
    CONSTRAINT idempotent_requests_secret_salt_has_32_bytes CHECK ((octet_length(secret_salt) = 32)),
    CONSTRAINT idempotent_requests_secret_salt_only_with_secret_sha256 CHECK (((secret_salt IS NULL) OR (secret_sha256 IS NOT NULL))),
    CONSTRAINT idempotent_requests_secret_sha256_has_32_bytes CHECK ((octet_length(secret_sha256) = 32)),
    CONSTRAINT idempotent_requests_status_is_200_to_299 CHECK (((status >= 200) AND (status <= 299)))
);

--
-- Name: operations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.operations (
    account_id uuid NOT NULL,
    number bigint NOT NULL,
    kind public.operation_kind NOT NULL,
    at timestamp with time zone NOT NULL,
    amount bigint NOT NULL,
    available_after bigint NOT NULL,
    scope text,
    api_key_id uuid,
    description text,
    metadata json,
    idempotency_digest bytea,
    fingerprint bytea,
    subject bigint,
    expires_at timestamp with time zone,
    remaining_after bigint,
    call json,
    actor public.actor_kind,
    actor_id uuid,
    CONSTRAINT operations_amount_matches_kind CHECK (((amount >= 0) OR ((kind)::text = 'adjustment'::text))),
    CONSTRAINT operations_call_has_at_most_4096_bytes CHECK ((octet_length((call)::text) <= 4096)),
    CONSTRAINT operations_call_matches_kind CHECK (((call IS NULL) OR ((kind)::text = ANY (ARRAY['charge'::text, 'hold'::text, 'capture'::text, 'overage'::text])))),
    CONSTRAINT operations_description_has_at_most_255_characters CHECK ((char_length(description) <= 255)),
    CONSTRAINT operations_expires_at_matches_kind CHECK (((expires_at IS NOT NULL) OR ((kind)::text <> 'hold'::text))),
    CONSTRAINT operations_fingerprint_has_16_bytes CHECK ((octet_length(fingerprint) = 16)),
    CONSTRAINT operations_fingerprint_stands_with_idempotency_digest CHECK (((idempotency_digest IS NULL) = (fingerprint IS NULL))),
    CONSTRAINT operations_idempotency_digest_has_16_bytes CHECK ((octet_length(idempotency_digest) = 16)),
    CONSTRAINT operations_idempotency_digest_matches_kind CHECK (((idempotency_digest IS NULL) = ((kind)::text = ANY (ARRAY['grant_start'::text, 'grant_extension'::text, 'grant_end'::text, 'hold_expiry'::text, 'overage'::text])))),
    CONSTRAINT operations_metadata_has_at_most_2048_bytes CHECK ((octet_length((metadata)::text) <= 2048)),
    CONSTRAINT operations_number_is_positive CHECK ((number >= 1)),
    CONSTRAINT operations_remaining_after_matches_kind CHECK (((remaining_after IS NULL) = ((kind)::text <> 'grant_void'::text))),
    CONSTRAINT operations_scope_has_1_to_64_characters CHECK (((char_length(scope) >= 1) AND (char_length(scope) <= 64))),
    CONSTRAINT operations_subject_is_earlier CHECK ((subject < number)),
    CONSTRAINT operations_subject_matches_kind CHECK (((subject IS NULL) = ((kind)::text = ANY (ARRAY['grant'::text, 'charge'::text, 'hold'::text, 'adjustment'::text]))))
)
WITH (autovacuum_vacuum_insert_scale_factor='0.05');
ALTER TABLE ONLY public.operations ALTER COLUMN account_id SET (n_distinct=100);

--
-- Name: operator_key_uses; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.operator_key_uses (
    operator_key_id uuid NOT NULL,
    last_used_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

--
-- Name: operator_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.operator_keys (
    id uuid NOT NULL,
    name text,
    scopes text[] NOT NULL,
    masked text NOT NULL,
    sha256 bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT operator_keys_name_has_1_to_255_characters CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255))),
    CONSTRAINT operator_keys_sha256_has_32_bytes CHECK ((octet_length(sha256) = 32))
);

--
-- Name: price_books; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.price_books (
    version integer NOT NULL,
    text text NOT NULL,
    sha256 bytea NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    CONSTRAINT price_books_sha256_has_32_bytes CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT price_books_version_is_positive CHECK ((version >= 1))
);

--
-- Name: purser_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.purser_migrations (
    id integer NOT NULL,
    name character varying(255) NOT NULL,
    run_on timestamp without time zone NOT NULL
);

--
-- Name: purser_migrations_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.purser_migrations_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: purser_migrations_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.purser_migrations_id_seq OWNED BY public.purser_migrations.id;

--
-- Name: rollups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.rollups (
    account_id uuid NOT NULL,
    number bigint DEFAULT 0 NOT NULL,
    CONSTRAINT rollups_number_is_not_negative CHECK ((number >= 0))
)
WITH (fillfactor='50');

--
-- Name: spend_limits; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.spend_limits (
    account_id uuid NOT NULL,
    holder uuid NOT NULL,
    period public.spend_period NOT NULL,
    amount bigint NOT NULL,
    used bigint NOT NULL,
    period_start timestamp with time zone NOT NULL,
    CONSTRAINT spend_limits_amount_is_not_negative CHECK ((amount >= 0)),
    CONSTRAINT spend_limits_used_is_not_negative CHECK ((used >= 0))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

--
-- Name: usage_days; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_days (
    account_id uuid NOT NULL,
    day date NOT NULL,
    api_key_id uuid,
    scope text,
    charges bigint NOT NULL,
    charged numeric NOT NULL,
    reversed numeric NOT NULL,
    route text,
    CONSTRAINT usage_days_sums_are_not_negative CHECK (((charges >= 0) AND (charged >= (0)::numeric) AND (reversed >= (0)::numeric)))
)
WITH (fillfactor='70');

--
-- Name: usage_quantities; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_quantities (
    account_id uuid NOT NULL,
    day date NOT NULL,
    api_key_id uuid,
    scope text,
    route text NOT NULL,
    quantity text NOT NULL,
    amount numeric NOT NULL
)
WITH (fillfactor='70');

--
-- Name: purser_migrations id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.purser_migrations ALTER COLUMN id SET DEFAULT nextval('public.purser_migrations_id_seq'::regclass);

--
-- Name: accounts accounts_external_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_external_id_key UNIQUE (external_id);

--
-- Name: accounts accounts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);

--
-- Name: accounts accounts_public_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_public_id_key UNIQUE (public_id);

--
-- Name: api_key_secrets api_key_secrets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_key_secrets
    ADD CONSTRAINT api_key_secrets_pkey PRIMARY KEY (sha256);

--
-- Name: api_key_uses api_key_uses_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_key_uses
    ADD CONSTRAINT api_key_uses_pkey PRIMARY KEY (api_key_id);

--
-- Name: api_keys api_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

--
-- Name: balances balances_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.balances
    ADD CONSTRAINT balances_pkey PRIMARY KEY (account_id);

--
-- Name: call_claims call_claims_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.call_claims
    ADD CONSTRAINT call_claims_pkey PRIMARY KEY (account_id, idempotency_digest);

--
-- Name: call_endings call_endings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.call_endings
    ADD CONSTRAINT call_endings_pkey PRIMARY KEY (account_id, number);

--
-- Name: entries entries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.entries
    ADD CONSTRAINT entries_pkey PRIMARY KEY (account_id, number, line);

--
-- Name: entry_sums entry_sums_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.entry_sums
    ADD CONSTRAINT entry_sums_pkey PRIMARY KEY (account_id, number, kind, book, category);

--
-- Name: grants grants_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (account_id, number);

--
-- Name: holds holds_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_pkey PRIMARY KEY (account_id, number);

--
-- Name: idempotent_calls idempotent_calls_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotent_calls
    ADD CONSTRAINT idempotent_calls_pkey PRIMARY KEY (account_id, idempotency_digest);

--
-- Name: idempotent_requests idempotent_requests_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotent_requests
    ADD CONSTRAINT idempotent_requests_pkey PRIMARY KEY (idempotency_digest);

--
-- Name: operations operations_account_id_idempotency_digest_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.operations
    ADD CONSTRAINT operations_account_id_idempotency_digest_key UNIQUE (account_id, idempotency_digest);

--
-- Name: operations operations_actor_id_matches_actor; Type: CHECK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE public.operations
    ADD CONSTRAINT operations_actor_id_matches_actor CHECK (
CASE
    WHEN (actor = 'operator_key'::public.actor_kind) THEN (actor_id IS NOT NULL)
    WHEN (actor = 'api_key'::public.actor_kind) THEN (COALESCE(actor_id, api_key_id) IS NOT NULL)
    WHEN ((actor IS NULL) OR (actor = ANY (ARRAY['local'::public.actor_kind, 'sweeper'::public.actor_kind, 'gateway'::public.actor_kind]))) THEN (actor_id IS NULL)
    ELSE true
END) NOT VALID;

--
-- Name: operations operations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.operations
    ADD CONSTRAINT operations_pkey PRIMARY KEY (account_id, number);

--
-- Name: operator_key_uses operator_key_uses_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.operator_key_uses
    ADD CONSTRAINT operator_key_uses_pkey PRIMARY KEY (operator_key_id);

--
-- Name: operator_keys operator_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.operator_keys
    ADD CONSTRAINT operator_keys_pkey PRIMARY KEY (id);

--
-- Name: operator_keys operator_keys_sha256_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.operator_keys
    ADD CONSTRAINT operator_keys_sha256_key UNIQUE (sha256);

--
-- Name: price_books price_books_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.price_books
    ADD CONSTRAINT price_books_pkey PRIMARY KEY (version);

--
-- Name: purser_migrations purser_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.purser_migrations
    ADD CONSTRAINT purser_migrations_pkey PRIMARY KEY (id);

--
-- Name: rollups rollups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rollups
    ADD CONSTRAINT rollups_pkey PRIMARY KEY (account_id);

--
-- Name: spend_limits spend_limits_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.spend_limits
    ADD CONSTRAINT spend_limits_pkey PRIMARY KEY (account_id, holder, period);

--
-- Name: usage_days usage_days_account_id_day_api_key_id_scope_route_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_days
    ADD CONSTRAINT usage_days_account_id_day_api_key_id_scope_route_key UNIQUE NULLS NOT DISTINCT (account_id, day, api_key_id, scope, route);

--
-- Name: usage_quantities usage_quantities_account_id_day_api_key_id_scope_route_quan_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_quantities
    ADD CONSTRAINT usage_quantities_account_id_day_api_key_id_scope_route_quan_key UNIQUE NULLS NOT DISTINCT (account_id, day, api_key_id, scope, route, quantity);

--
-- Name: accounts_newest; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX accounts_newest ON public.accounts USING btree (created_at DESC, id DESC);

--
-- Name: api_key_secrets_of_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_key_secrets_of_key ON public.api_key_secrets USING btree (api_key_id);

--
-- Name: api_keys_of_account; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_keys_of_account ON public.api_keys USING btree (account_id, created_at DESC, id DESC);

--
-- Name: balances_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX balances_due ON public.balances USING btree (next_due_at) WHERE (next_due_at IS NOT NULL);

--
-- Name: grants_live; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_live ON public.grants USING btree (account_id, number) WHERE live;

--
-- Name: holds_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX holds_due ON public.holds USING btree (account_id, expires_at) WHERE (expires_at > '-infinity'::timestamp with time zone);

--
-- Name: idempotent_calls_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idempotent_calls_by_expiry ON public.idempotent_calls USING btree (expires_at);

--
-- Name: idempotent_requests_salted; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idempotent_requests_salted ON public.idempotent_requests USING btree (at) WHERE (secret_salt IS NOT NULL);

--
-- Name: operations_by_subject; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX operations_by_subject ON public.operations USING btree (account_id, subject) WHERE (subject IS NOT NULL);

--
-- Name: api_key_secrets api_key_secrets_api_key_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_key_secrets
    ADD CONSTRAINT api_key_secrets_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES public.api_keys(id);

--
-- Name: api_key_uses api_key_uses_api_key_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_key_uses
    ADD CONSTRAINT api_key_uses_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES public.api_keys(id);

--
-- Name: api_keys api_keys_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

--
-- Name: operator_key_uses operator_key_uses_operator_key_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.operator_key_uses
    ADD CONSTRAINT operator_key_uses_operator_key_id_fkey FOREIGN KEY (operator_key_id) REFERENCES public.operator_keys(id);

--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA public TO purser_serving;

--
-- Name: TABLE accounts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.accounts TO purser_serving;

--
-- Name: TABLE api_key_secrets; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.api_key_secrets TO purser_serving;

--
-- Name: TABLE api_key_uses; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.api_key_uses TO purser_serving;

--
-- Name: TABLE api_keys; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.api_keys TO purser_serving;

--
-- Name: TABLE balances; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.balances TO purser_serving;

--
-- Name: TABLE call_claims; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.call_claims TO purser_serving;

--
-- Name: TABLE call_endings; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.call_endings TO purser_serving;

--
-- Name: TABLE entries; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.entries TO purser_serving;

--
-- Name: TABLE entry_sums; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.entry_sums TO purser_serving;

--
-- Name: TABLE grants; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.grants TO purser_serving;

--
-- Name: TABLE holds; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.holds TO purser_serving;

--
-- Name: TABLE idempotent_calls; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotent_calls TO purser_serving;

--
-- Name: TABLE idempotent_requests; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.idempotent_requests TO purser_serving;

--
-- Name: TABLE operations; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.operations TO purser_serving;

--
-- Name: TABLE operator_key_uses; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.operator_key_uses TO purser_serving;

--
-- Name: TABLE operator_keys; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.operator_keys TO purser_serving;

--
-- Name: TABLE price_books; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.price_books TO purser_serving;

--
-- Name: TABLE purser_migrations; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.purser_migrations TO purser_serving;

--
-- Name: TABLE rollups; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.rollups TO purser_serving;

--
-- Name: TABLE spend_limits; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.spend_limits TO purser_serving;

--
-- Name: TABLE usage_days; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.usage_days TO purser_serving;

--
-- Name: TABLE usage_quantities; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.usage_quantities TO purser_serving;

--
-- PostgreSQL database dump complete
--
