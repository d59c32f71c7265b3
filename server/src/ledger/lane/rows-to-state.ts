import type { QueryResultRow } from 'pg';
import type { Statement } from '../../db/connection/database.ts';
import type { AccountId } from '../operations/ids.ts';
import { KINDS } from '../operations/kinds.ts';
import type {
  AccountState,
  ChargeFacts,
  Grant,
  KeyFacts,
  OperatorKeyFacts,
  SecretFacts,
  Slice,
  SpendLimit,
} from '../rules/account-state.ts';
import { inBurnOrder } from '../rules/burn.ts';
import { type ClockFault, type ClockReading, clockFault, instantOf } from './clock.ts';
import { holdTermsOf, receiptOf } from './receipts.ts';
import { readKnown } from './sql/lane.ts';
import type { ReceiptRow } from './sql/receipts.ts';
import * as sql from './sql/state.ts';

/** Makes the states of accounts from the rows of the statements in sql/state.ts. */

/** The rows that the commands of a flush returned, by statement. */
export type Answers = ReadonlyMap<Statement, readonly QueryResultRow[]>;

/** An account that exists, and the instant at which it is judged. */
export interface ReadAccount {
  readonly state: AccountState;
  readonly now: number;
  readonly reading: ClockReading;
  /** The fault of the clock, because of which it must not be judged now. */
  readonly fault: ClockFault | undefined;
}

type Changing = {
  -readonly [Member in keyof AccountState]: AccountState[Member];
} & {
  limits: SpendLimit[];
  charges: Map<bigint, ChargeFacts>;
};

/** The states of accounts, by the account's id. */
export function statesOf(answers: Answers): Map<string, ReadAccount> {
  const keys = new Map(
    rowsOf<sql.KeyFactsRow>(answers, sql.readKeys).map((row) => [row.id, keyFactsOf(row)]),
  );
  const secrets = new Map(
    rowsOf<sql.SecretRow>(answers, sql.readSecrets).map((row): [string, SecretFacts] => [
      row.sha256,
      { apiKeyId: row.api_key_id, validUntil: row.valid_until },
    ]),
  );
  const operatorKeys = new Map(
    rowsOf<sql.OperatorKeyFactsRow>(answers, sql.readOperatorKeys).map(
      (row): [string, OperatorKeyFacts] => [
        row.id,
        { expiresAt: row.expires_at, revokedAt: row.revoked_at },
      ],
    ),
  );
  const accounts = new Map<string, ReadAccount>();
  for (const row of rowsOf<sql.BalanceRow>(answers, sql.readBalances)) {
    const state = stateOf(row, { keys, secrets, operatorKeys });
    const reading = { clock: row.clock, lastAt: row.last_at, account: row.account_id };
    const [now, fault] = [instantOf(reading), clockFault(reading)];
    accounts.set(row.account_id, { state, now, reading, fault });
  }
  addTo(accounts, answers);
  return accounts;
}

/** Adds the rows of these answers, or of later ones, to the states. */
export function addTo(accounts: ReadonlyMap<string, ReadAccount>, answers: Answers): void {
  const add = <Row extends { account_id: string }>(
    statement: Statement,
    to: (state: Changing, row: Row) => void,
  ) => {
    for (const row of rowsOf<Row>(answers, statement)) {
      const known = accounts.get(row.account_id);
      if (known) to(known.state as Changing, row);
    }
  };
  const addGrant = ({ grants }: Changing, row: sql.GrantStateRow) => {
    if (!grants.some(({ number }) => number === row.number)) grants.push(grantOf(row));
  };
  const hasGrants = answers.has(sql.readLiveGrants);
  add<sql.GrantStateRow>(sql.readLiveGrants, ({ grants }, row) => grants.push(grantOf(row)));
  add(sql.readNamedGrants, addGrant);
  add(sql.readPayers, addGrant);
  if (hasGrants) for (const { state } of accounts.values()) state.grants.sort(inBurnOrder);
  add(sql.readNamedHolds, addHold);
  add(sql.readDueHolds, addHold);
  add<sql.NextHoldEndRow>(sql.readNextHoldEnds, (state, row) => {
    state.nextHoldEnd = row.next_hold_end;
  });
  add<sql.ChargeRow>(sql.readCharges, ({ charges }, row) => charges.set(row.number, chargeOf(row)));
  for (const statement of LIMITS) {
    add(statement, addLimit);
  }
  add<ReceiptRow>(readKnown, ({ known }, row) => {
    const receipt = receiptOf(row);
    if (receipt.idempotencyDigest !== null) known.set(receipt.idempotencyDigest, receipt);
  });
}

const LIMITS = [
  sql.readLimits,
  sql.readLimitsOfHolds,
  sql.readLimitsOfCharges,
  sql.readLimitsOfDueHolds,
];

function rowsOf<Row>(answers: Answers, statement: Statement): readonly Row[] {
  return (answers.get(statement) ?? []) as unknown as readonly Row[];
}

function stateOf(
  row: sql.BalanceRow,
  { keys, secrets, operatorKeys }: Pick<AccountState, 'keys' | 'secrets' | 'operatorKeys'>,
): AccountState {
  return {
    account: row.account_id as AccountId,
    publicId: row.public_id,
    status: row.status,
    overdraftLimit: row.overdraft_limit,
    overdraftUsed: row.overdraft_used,
    overdraftReserved: row.overdraft_reserved,
    posted: row.posted,
    held: row.held,
    openHolds: row.open_holds,
    lastNumber: row.last_number,
    lastAt: row.last_at,
    nextDueAt: row.next_due_at,
    nextHoldEnd: undefined,
    grants: [],
    holds: new Map(),
    endedHolds: new Map(),
    charges: new Map(),
    limits: [],
    known: new Map(),
    keys,
    secrets,
    operatorKeys,
  };
}

function keyFactsOf(row: sql.KeyFactsRow): KeyFacts {
  return {
    account: row.account_id as AccountId,
    scopes: row.scopes,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
}

function grantOf(row: sql.GrantStateRow): Grant {
  const { ended_at: at, ended_by: by } = row;
  return {
    number: row.number,
    category: row.category,
    book: row.book,
    priority: row.priority,
    amount: row.amount,
    effectiveAt: row.effective_at,
    expiresAt: row.expires_at,
    appliesTo: row.applies_to,
    started: row.started,
    remaining: row.remaining,
    reserved: row.reserved,
    ended: at === null || by === null ? null : { at, by },
  };
}

function addHold({ holds, endedHolds }: Changing, row: sql.HoldRow): void {
  const { number, ended_by, ended_at } = row;
  if (row.grants === null) {
    if (ended_by === null || ended_at === null) return;
    endedHolds.set(number, { by: KINDS[ended_by].endsHold, at: ended_at });
    return;
  }
  holds.set(number, { slices: slicesOf(row.grants, row.amounts), ...holdTermsOf(number, row) });
}

function chargeOf(row: sql.ChargeRow): ChargeFacts {
  return {
    number: row.number,
    amount: row.amount,
    scope: row.scope,
    apiKeyId: row.api_key_id,
    countedAt: row.counted_at,
    payers: slicesOf(row.payers, row.amounts),
    reversed: row.reversed,
  };
}

/** Makes slices from their two columns. */
function slicesOf(grants: readonly (bigint | null)[], amounts: readonly bigint[] | null): Slice[] {
  return grants.map((grant, index) => ({ grant, amount: amounts?.[index] ?? 0n }));
}

function addLimit({ limits }: Changing, row: sql.LimitRow): void {
  const { holder, period, amount, used, period_start: periodStart } = row;
  if (limits.some((limit) => limit.holder === holder && limit.period === period)) return;
  limits.push({ holder, period, amount, used, periodStart });
}
