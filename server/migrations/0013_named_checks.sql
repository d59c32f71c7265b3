-- Up Migration

-- Each CHECK gets a name that says what it promises. Nodes of the release before read no such name.

-- All tables are locked before the first rename. If that takes longer than 100 ms, the locks are given
-- back and requested again. So lanes go on beside a long backup, and no deadlock lasts.
do $$
declare
  before constant text := current_setting('lock_timeout');
begin
  loop
    begin
      perform set_config('lock_timeout', '100ms', true);
      lock table balances, accounts, api_key_secrets, api_keys, call_claims, call_endings, entries,
        entry_sums, grants, holds, idempotent_calls, idempotent_requests, operations, operator_keys,
        price_books, rollups, spend_limits, usage_days in access exclusive mode;
      exit;
    exception when lock_not_available or deadlock_detected then
      perform pg_sleep(0.2);
    end;
  end loop;
  perform set_config('lock_timeout', before, true);
end
$$;

alter table accounts rename constraint accounts_check to accounts_public_id_begins_with_id;
alter table accounts rename constraint accounts_external_id_check
  to accounts_external_id_has_1_to_255_characters;
alter table accounts rename constraint accounts_name_check to accounts_name_has_1_to_255_characters;

alter table api_key_secrets rename constraint api_key_secrets_sha256_check
  to api_key_secrets_sha256_has_32_bytes;

alter table api_keys rename constraint api_keys_name_check to api_keys_name_has_1_to_255_characters;

alter table balances rename constraint balances_check
  to balances_posted_below_zero_only_by_overdraft;
alter table balances rename constraint balances_check1 to balances_held_includes_overdraft_reserved;
alter table balances rename constraint balances_held_check to balances_held_is_not_negative;
alter table balances rename constraint balances_last_number_check
  to balances_last_number_is_not_negative;
alter table balances rename constraint balances_open_holds_check
  to balances_open_holds_is_not_negative;
alter table balances rename constraint balances_overdraft_limit_check
  to balances_overdraft_limit_is_not_negative;

alter table call_claims rename constraint call_claims_attempts_check
  to call_claims_attempts_is_positive;
alter table call_claims rename constraint call_claims_fingerprint_check
  to call_claims_fingerprint_has_16_bytes;
alter table call_claims rename constraint call_claims_idempotency_digest_check
  to call_claims_idempotency_digest_has_16_bytes;
alter table call_claims rename constraint call_claims_outcome_check to call_claims_outcome_is_known;
alter table call_claims rename constraint call_claims_payment_check
  to call_claims_payment_is_positive;

alter table call_endings rename constraint call_endings_ending_check
  to call_endings_ending_has_1_to_64_characters;
alter table call_endings rename constraint call_endings_status_check
  to call_endings_status_is_100_to_999;

alter table entries rename constraint entries_amount_check to entries_amount_is_not_zero;
alter table entries rename constraint entries_check
  to entries_grant_number_missing_only_for_overdraft;
alter table entries rename constraint entries_line_check to entries_line_is_positive;

alter table entry_sums rename constraint entry_sums_entries_check to entry_sums_entries_is_positive;

alter table grants rename constraint grants_amount_check to grants_amount_is_positive;
alter table grants rename constraint grants_applies_to_check to grants_applies_to_is_not_empty;
alter table grants rename constraint grants_check to grants_reserved_within_remaining_within_amount;
alter table grants rename constraint grants_check1 to grants_expires_at_is_after_effective_at;
alter table grants rename constraint grants_check2 to grants_live_while_something_remains;
alter table grants rename constraint grants_check3 to grants_ended_at_stands_with_ended_by;
alter table grants rename constraint grants_check4 to grants_remaining_is_reserved_once_ended;
alter table grants rename constraint grants_check5 to grants_reserved_only_once_started;
alter table grants rename constraint grants_number_check to grants_number_is_positive;
alter table grants rename constraint grants_priority_check to grants_priority_is_0_to_100;

alter table holds rename constraint holds_amount_check to holds_amount_is_not_negative;
alter table holds rename constraint holds_amounts_check to holds_amounts_are_positive;
alter table holds rename constraint holds_check to holds_grants_match_amounts;
alter table holds rename constraint holds_number_check to holds_number_is_positive;

alter table idempotent_calls rename constraint idempotent_calls_answer_check
  to idempotent_calls_answer_is_whole_and_used;
alter table idempotent_calls rename constraint idempotent_calls_charge_check
  to idempotent_calls_charge_only_once_used;
alter table idempotent_calls rename constraint idempotent_calls_fingerprint_check
  to idempotent_calls_fingerprint_has_16_bytes;
alter table idempotent_calls rename constraint idempotent_calls_idempotency_digest_check
  to idempotent_calls_idempotency_digest_has_16_bytes;
alter table idempotent_calls rename constraint idempotent_calls_payment_digest_check
  to idempotent_calls_payment_digest_has_16_bytes;
alter table idempotent_calls rename constraint idempotent_calls_status_check
  to idempotent_calls_status_is_200_to_599;

alter table idempotent_requests rename constraint idempotent_requests_fingerprint_check
  to idempotent_requests_fingerprint_has_16_bytes;
alter table idempotent_requests rename constraint idempotent_requests_idempotency_digest_check
  to idempotent_requests_idempotency_digest_has_16_bytes;
alter table idempotent_requests rename constraint idempotent_requests_salt_of_secret_check
  to idempotent_requests_secret_salt_only_with_secret_sha256;
alter table idempotent_requests rename constraint idempotent_requests_secret_salt_check
  to idempotent_requests_secret_salt_has_32_bytes;
alter table idempotent_requests rename constraint idempotent_requests_secret_sha256_check
  to idempotent_requests_secret_sha256_has_32_bytes;
alter table idempotent_requests rename constraint idempotent_requests_status_check
  to idempotent_requests_status_is_200_to_299;

alter table operations rename constraint operations_actor_check
  to operations_actor_id_matches_actor;
alter table operations rename constraint operations_call_check
  to operations_call_has_at_most_4096_bytes;
alter table operations rename constraint operations_check to operations_amount_matches_kind;
alter table operations rename constraint operations_check1
  to operations_fingerprint_stands_with_idempotency_digest;
alter table operations rename constraint operations_check2
  to operations_idempotency_digest_matches_kind;
alter table operations rename constraint operations_check3 to operations_subject_matches_kind;
alter table operations rename constraint operations_check4 to operations_subject_is_earlier;
alter table operations rename constraint operations_check5
  to operations_remaining_after_matches_kind;
alter table operations rename constraint operations_check6 to operations_expires_at_matches_kind;
alter table operations rename constraint operations_check7 to operations_call_matches_kind;
alter table operations rename constraint operations_description_check
  to operations_description_has_at_most_255_characters;
alter table operations rename constraint operations_fingerprint_check
  to operations_fingerprint_has_16_bytes;
alter table operations rename constraint operations_idempotency_digest_check
  to operations_idempotency_digest_has_16_bytes;
alter table operations rename constraint operations_metadata_check
  to operations_metadata_has_at_most_2048_bytes;
alter table operations rename constraint operations_number_check to operations_number_is_positive;
alter table operations rename constraint operations_scope_check
  to operations_scope_has_1_to_64_characters;

alter table operator_keys rename constraint operator_keys_name_check
  to operator_keys_name_has_1_to_255_characters;
alter table operator_keys rename constraint operator_keys_sha256_check
  to operator_keys_sha256_has_32_bytes;

alter table price_books rename constraint price_books_sha256_check
  to price_books_sha256_has_32_bytes;
alter table price_books rename constraint price_books_version_check
  to price_books_version_is_positive;

alter table rollups rename constraint rollups_number_check to rollups_number_is_not_negative;

alter table spend_limits rename constraint spend_limits_amount_check
  to spend_limits_amount_is_not_negative;
alter table spend_limits rename constraint spend_limits_used_check
  to spend_limits_used_is_not_negative;

alter table usage_days rename constraint usage_days_check to usage_days_sums_are_not_negative;
