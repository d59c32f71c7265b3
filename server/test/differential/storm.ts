import { setTimeout as delay } from 'node:timers/promises';
import { accountIdOf } from '../../src/ledger/operations/ids.ts';
import { saysCommitted, type Weather as Traffic } from '../database/proxy.ts';
import { call as ask } from '../nodes/client.ts';
import type { Performance } from './perform.ts';
import { Player, type Scene, type Tally } from './run.ts';
import type { Storm, Weather } from './stories.ts';
import { Signal } from './upstream.ts';

/**
 * Plays a storm: its customers call at once, and PostgreSQL is unreachable while their calls end.
 */

/** PostgreSQL is unreachable for this long, or until all calls have ended. */
const LASTS_MS = 700;

const TRAFFIC: Readonly<Record<Weather, Traffic>> = {
  refuses: { refuse: true, toServer: () => false },
  'is silent': { silent: true },
  'loses commits': { toClient: (data) => !saysCommitted(data) },
};

export interface Place {
  readonly proxy: { weather: Traffic };
  /** The gateway whose PostgreSQL is behind the proxy. */
  readonly url: string;
}

export async function playStorm(
  { stories, weathers }: Storm,
  scene: Scene,
  tally: Tally,
  place: Place,
): Promise<readonly Player[]> {
  const players = await Promise.all(stories.map((story) => Player.enter(story, scene, tally)));
  const rounds = stories[0]?.steps.length ?? 0;
  for (let round = 0; round < rounds; round += 1) {
    const weather = weathers[round / 2];
    await playRound(round, weather, players, scene, place);
  }
  return players;
}

/** Plays one round: one call of each customer. */
async function playRound(
  round: number,
  weather: Weather | undefined,
  everybody: readonly Player[],
  scene: Scene,
  place: Place,
): Promise<void> {
  const players = everybody.filter(({ isOver }) => !isOver);
  const gate = new Gate(players.length);
  const acting = players.map((player) => {
    const acted = player.act(player.callOf(round), place.url, () => gate.wait());
    void acted.then(() => gate.pass());
    return acted;
  });
  if (weather !== undefined && (await gate.isFull)) {
    await blow(weather, round, players, scene, place);
    gate.open();
    await Promise.race([delay(LASTS_MS), Promise.all(acting)]);
    place.proxy.weather = {};
  }
  const performances: Performance[] = await Promise.all(acting);
  const judging = players.map((player, index) =>
    player.judge(player.callOf(round), performances[index] as Performance),
  );
  await Promise.all(judging);
  if (weather !== undefined) await recover(players, place);
}

/** Makes PostgreSQL unreachable. The holds that should expire meanwhile expire now. */
async function blow(
  weather: Weather,
  round: number,
  players: readonly Player[],
  { db }: Scene,
  { proxy }: Place,
): Promise<void> {
  proxy.weather = TRAFFIC[weather];
  const late = players.filter((player) => player.callOf(round).isLate);
  await db.query(EXPIRE, [late.map(({ accountId }) => accountIdOf(accountId))]);
}

const EXPIRE = `
  with held as (
    update holds set expires_at = date_trunc('milliseconds', clock_timestamp())
    where account_id = any($1::uuid[]) returning account_id, number, expires_at),
  due as (
    update balances b set next_due_at = h.expires_at from held h where b.account_id = h.account_id)
  update operations o set expires_at = h.expires_at from held h
  where o.account_id = h.account_id and o.number = h.number`;

/** Waits until the gateway reaches PostgreSQL again. */
async function recover(players: readonly Player[], { url }: Place): Promise<void> {
  const [player] = players;
  if (!player) return;
  for (;;) {
    const key = player.apiKey;
    const { status } = await ask('GET', `${url}/v1/billing/account_balance`, { key });
    if (status === 200) return;
    await delay(100);
  }
}

/** Holds calls back until all of them wait or are over. */
class Gate {
  /** Resolves when every call waits or is over: with whether any waits. */
  readonly isFull: Promise<boolean>;
  readonly #opened = new Signal();
  readonly #most: number;
  #tell: (isAnyWaiting: boolean) => void = () => {};
  #waiting = 0;
  #passed = 0;

  constructor(most: number) {
    this.#most = most;
    this.isFull = new Promise((resolve) => {
      this.#tell = resolve;
    });
    this.#look();
  }

  wait(): Promise<void> {
    this.#waiting += 1;
    this.#look();
    return this.#opened.given;
  }

  /** Counts a call that is over. */
  pass(): void {
    this.#passed += 1;
    this.#look();
  }

  open(): void {
    this.#opened.give();
  }

  #look(): void {
    if (this.#waiting + this.#passed >= this.#most) this.#tell(this.#waiting > 0);
  }
}
