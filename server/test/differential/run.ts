import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { accountIdOf, operationId } from '../../src/ledger/operations/ids.ts';
import { newFundedAccount } from '../nodes/books.ts';
import { type Answer, call as ask, attributesOf } from '../nodes/client.ts';
import type { TestDatabase } from '../postgres.ts';
import type { Account } from './book.ts';
import type { Call } from './calls.ts';
import { accountAfter, type Case, differencesFrom, shown } from './judge.ts';
import { type Outcome, outcomesOf } from './model.ts';
import { type Performance, perform } from './perform.ts';
import { CENT, inCents } from './routes.ts';
import type { Step, Story } from './stories.ts';
import type { ObedientUpstream } from './upstream.ts';
import { type Evidence, evidenceOf, isSettled } from './witness.ts';

/** Plays stories against a gateway, and collects differences from the model. */

const ASK_AGAIN_MS = 40;
/** If nothing is booked within this time, a call may have been dropped unpaid. */
const DROPPED_AFTER_MS = 1_500;
const LONGEST_SETTLING_MS = 60_000;
/** The longest wait for rows that the gateway writes after an answer. */
const LONGEST_AFTERMATH_MS = 10_000;

export interface Scene {
  readonly db: TestDatabase;
  readonly upstream: ObedientUpstream;
  readonly operatorKey: string;
  /** The gateway that can always reach PostgreSQL; accounts are made and changed there. */
  readonly url: string;
}

/** The results of the whole run. */
export class Tally {
  /** The number of calls, including probes. */
  calls = 0;
  /** The number of times that each ending, and each unpaid answer, occurred. */
  readonly ways = new Map<string, number>();
  /** The differences from the model. */
  readonly failures: string[] = [];

  note({ isAway, isLate, probe }: Call, { ending, operations, seen }: Outcome): void {
    const { isReplay, error, status } = seen;
    const unpaid = isReplay ? 'replayed' : (error?.['code'] ?? (status === 0 ? 'dropped' : status));
    const kinds = operations.map(({ kind }) => kind);
    const isPaid = kinds.some((kind) => kind === 'charge' || kind === 'capture');
    const isGivenBack = kinds.includes('reversal');
    const cost = isPaid && !isGivenBack ? 'paid' : 'free';
    const ways: readonly (readonly [string | number, boolean])[] = [
      [ending === null ? unpaid : `${ending}: ${cost}`, true],
      ['overage', kinds.includes('overage')],
      ['no overage', ending === 'above_maximum' && !kinds.includes('overage')],
      ['given back', isGivenBack],
      ['PostgreSQL away', isAway && ending !== null],
      ['late charge', isLate && kinds.includes('charge')],
      [`probed for the ${probe}`, probe !== null && ending !== null],
    ];
    for (const [way, isSo] of ways) {
      if (isSo) this.ways.set(`${way}`, (this.ways.get(`${way}`) ?? 0) + 1);
    }
  }
}

/** A customer who plays a story. */
export class Player {
  readonly story: Story;
  readonly accountId: string;
  readonly apiKey: string;
  readonly #scene: Scene;
  readonly #tally: Tally;
  #account: Account;
  /** A call that may or may not have been dropped before its payment. */
  #open: Omit<Case, 'evidence'> | null = null;
  #isOver = false;

  static async enter(story: Story, scene: Scene, tally: Tally): Promise<Player> {
    const { url, operatorKey: key } = scene;
    const grants = story.cents === 0 ? [] : [String(story.cents)];
    const accountId = await newFundedAccount(url, key, grants);
    const made = await ask('POST', `${url}/v1/accounts/${accountId}/api_keys`, {
      key,
      body: { scopes: ['balance:read', 'billing:read', 'search'] },
    });
    const apiKey = String(attributesOf(made, 201)['key']);
    const player = new Player(story, scene, tally, { accountId, apiKey });
    await player.#setOverdraft(story.overdraft);
    await player.#lookUp(BigInt(story.cents) * CENT);
    return player;
  }

  private constructor(
    story: Story,
    scene: Scene,
    tally: Tally,
    { accountId, apiKey }: { accountId: string; apiKey: string },
  ) {
    this.story = story;
    this.accountId = accountId;
    this.apiKey = apiKey;
    this.#scene = scene;
    this.#tally = tally;
    this.#account = { posted: 0n, overdraftLimit: 0n, lastNumber: 0, keys: new Map() };
  }

  /** Whether the story has no next step: it failed, or a call is open. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The call of a step. */
  callOf(index: number): Call {
    const step = this.story.steps[index];
    if (step?.does !== 'call') throw new Error(`${this.story.name}: step ${index} is no call`);
    return step.call;
  }

  async change(step: Exclude<Step, { does: 'call' }>): Promise<void> {
    if (step.does === 'set overdraft') return this.#setOverdraft(step.cents);
    const { url, operatorKey: key } = this.#scene;
    const granted = await ask('POST', `${url}/v1/accounts/${this.accountId}/grants`, {
      key,
      idempotencyKey: randomUUID(),
      body: { amount: String(step.cents) },
    });
    attributesOf(granted, 201);
    return this.#lookUp(this.#account.posted + BigInt(step.cents) * CENT);
  }

  /** Makes a call at a gateway. */
  act(call: Call, url: string, untilAway: () => Promise<void>): Promise<Performance> {
    this.#tally.calls += call.probe === null ? 1 : 2;
    const { upstream } = this.#scene;
    return perform(call, { upstream, url, apiKey: this.apiKey, untilAway });
  }

  /** Judges a call, once it is settled. */
  async judge(call: Call, performance: Performance): Promise<void> {
    const seen = { call, accountId: this.accountId, before: this.#account, performance };
    const outcomes = outcomesOf(this.#account, call);
    const evidence = await this.#settled(outcomes, performance.client.status > 0);
    if (evidence === null) {
      this.#open = seen;
      this.#isOver = true;
    } else await this.#decide({ ...seen, evidence }, outcomes, LONGEST_AFTERMATH_MS);
  }

  /**
   * Judges the open call, and checks that nothing was booked later. All gateways must have stopped.
   */
  async end(): Promise<void> {
    const open = this.#open;
    if (open) {
      const evidence = await this.#look();
      await this.#decide({ ...open, evidence }, outcomesOf(open.before, open.call), 0);
    }
    const { posted, held, operations } = await this.#look();
    const isSame = posted === this.#account.posted && held === 0n && operations.length === 0;
    const hasFailed = this.#isOver && !open;
    if (!isSame && !hasFailed) {
      const { name } = this.story;
      this.#tally.failures.push(`${name}: came later: ${shown({ posted, held, operations })}`);
    }
  }

  /** Waits until a call is settled. Null: the call may have been dropped unpaid. */
  async #settled(outcomes: readonly Outcome[], isAnswered: boolean): Promise<Evidence | null> {
    const mayBeUnpaid = outcomes.some(({ ending }) => ending === null);
    // If the client is gone, the ledger may not have refused the call yet.
    const isKnown = ({ ending, seen: { error } }: Outcome) =>
      ending === null && error?.['code'] !== 'insufficient_credits';
    const isUnpaid = outcomes.every(isKnown) || (mayBeUnpaid && isAnswered);
    const since = performance.now();
    for (;;) {
      const evidence = await this.#look();
      const waitedMs = performance.now() - since;
      const isBegun = evidence.operations.length > 0;
      if (isBegun ? isSettled(evidence) : isUnpaid) return evidence;
      if (!isBegun && mayBeUnpaid && waitedMs > DROPPED_AFTER_MS) return null;
      if (waitedMs > LONGEST_SETTLING_MS) return evidence;
      await delay(ASK_AGAIN_MS);
    }
  }

  async #decide(seen: Case, outcomes: readonly Outcome[], aftermathMs: number): Promise<void> {
    const until = performance.now() + aftermathMs;
    let { evidence } = seen;
    for (;;) {
      const now = { ...seen, evidence };
      const compared = outcomes.map((outcome) => ({
        outcome,
        differences: differencesFrom(outcome, now),
      }));
      const match = compared.find(({ differences }) => differences.length === 0);
      if (match) {
        this.#account = accountAfter(now, match.outcome);
        this.#tally.note(seen.call, match.outcome);
        if (aftermathMs > 0) await this.#readReceipt(seen.call, match.outcome, now.before);
        return;
      }
      if (performance.now() > until) return this.#fail(now, compared);
      await delay(ASK_AGAIN_MS);
      evidence = await this.#look();
    }
  }

  #fail(
    { call, before, evidence, performance: { client, visit } }: Case,
    compared: readonly { readonly outcome: Outcome; readonly differences: readonly string[] }[],
  ): void {
    this.#isOver = true;
    const ways = compared.map(
      ({ outcome, differences }) => `  not ${outcome.ending}:\n    ${differences.join('\n    ')}`,
    );
    const { route, ...request } = call.request;
    const said = { ...call, request: { route: route.name, ...request } };
    const facts = { before, client, visits: visit.times, evidence };
    this.#tally.failures.push(
      [`${call.id}: ${shown(said)}`, ...ways, `  seen: ${shown(facts)}`].join('\n'),
    );
  }

  /** Checks that the receipt of a charge agrees with the ledger. */
  async #readReceipt(call: Call, { operations, ending }: Outcome, before: Account): Promise<void> {
    const index = operations.findIndex(({ kind }) => kind === 'charge' || kind === 'capture');
    const charge = operations[index];
    if (!charge) return;
    const number = before.lastNumber + 1 + index;
    const id = operationId('chg', accountIdOf(this.accountId), BigInt(number));
    const url = `${this.#scene.url}/v1/billing/charges/${id}`;
    const said = attributesOf(await ask('GET', url, { key: this.apiKey }), 200);
    const isReversed = operations.some(
      ({ subject, kind }) => kind === 'reversal' && subject === number,
    );
    const expected = {
      amount: inCents(charge.amount),
      reversed: inCents(isReversed ? charge.amount : 0n),
      quantities: charge.quantities,
      ending,
      late: call.isLate && charge.kind === 'charge',
    };
    const { quantities, ending: told, late } = said['call'] as Record<string, unknown>;
    const { amount, reversed } = said;
    const actual = { amount, reversed, quantities, ending: told, late };
    if (shown(actual) === shown(expected)) return;
    this.#tally.failures.push(
      `${call.id}: receipt: expected ${shown(expected)}, got ${shown(actual)}`,
    );
  }

  async #setOverdraft(cents: number): Promise<void> {
    const { url, operatorKey: key } = this.#scene;
    const changed: Answer = await ask('PATCH', `${url}/v1/accounts/${this.accountId}`, {
      key,
      body: { overdraft_limit: String(cents) },
    });
    attributesOf(changed, 200);
    this.#account = { ...this.#account, overdraftLimit: BigInt(cents) * CENT };
  }

  /** Moves the model past operations that were no calls, to this posted balance. */
  async #lookUp(posted: bigint): Promise<void> {
    const evidence = await this.#look();
    if (evidence.posted !== posted) {
      this.#tally.failures.push(`${this.story.name}: expected ${posted}, got ${shown(evidence)}`);
    }
    const lastNumber = evidence.operations.at(-1)?.number ?? this.#account.lastNumber;
    this.#account = { ...this.#account, posted, lastNumber };
  }

  #look(): Promise<Evidence> {
    return evidenceOf(this.#scene.db, this.accountId, this.#account.lastNumber);
  }
}
