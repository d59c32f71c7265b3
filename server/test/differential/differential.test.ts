import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verify } from '../../src/ledger/proof/verify.ts';
import { startProxy } from '../database/proxy.ts';
import { newOperatorKey } from '../nodes/books.ts';
import { type Node, startNode, useNodes } from '../nodes/node.ts';
import { useDatabase } from '../postgres.ts';
import { BY_DEFAULT } from './model.ts';
import { priceBook } from './routes.ts';
import { Player, type Scene, Tally } from './run.ts';
import { storiesOf, stormsOf } from './stories.ts';
import { playStorm } from './storm.ts';
import { type ObedientUpstream, startObedientUpstream } from './upstream.ts';

/**
 * Compares random calls through two gateways with `model.ts`. The same seed makes the same calls.
 * CONTRIBUTING.md says how to run more of them, and how to repeat one story.
 */
const {
  PURSER_DIFFERENTIAL_SEED: SEED = '1',
  PURSER_DIFFERENTIAL_CALLS: CALLS = '600',
  PURSER_DIFFERENTIAL_STORY: ONLY,
} = process.env;

const CALLS_IN_STORM = 72;
/** One call in five belongs to a storm: half of these end while PostgreSQL is unreachable. */
const STORMS = Math.max(2, Math.round(Number(CALLS) / 5 / CALLS_IN_STORM));
/** More stories than are played. */
const STORIES = Math.ceil(Number(CALLS) / 5);
/** The ways of a call that must have occurred: without one of them, a run has tested too little. */
const OFTEN = [
  ...Object.keys(BY_DEFAULT),
  ...['replayed', 'already_answered', 'insufficient_credits', 'dropped'],
  ...['overage', 'given back', 'PostgreSQL away', 'probed for the same', 'probed for the other'],
];
/** Further ways that must have occurred in a long run. */
const NOW_AND_THEN = [
  ...['client_left_before_answer: paid', 'client_left_midway: paid', 'time_exceeded: paid'],
  ...['client_left_before_answer: free', 'client_left_midway: free', 'time_exceeded: free'],
  ...['idempotency_key_reused', 'request_timeout', 'no overage', 'late charge'],
];
const LONG = 5_000;

const PLAYERS_AT_ONCE = 16;
const MOST_SHOWN = 5;

const db = useDatabase();
useNodes();
const folder = mkdtempSync(join(tmpdir(), 'purser-differential-'));
let proxy: Awaited<ReturnType<typeof startProxy>>;
let upstream: ObedientUpstream;
let calm: Node;
let stormy: Node;

beforeAll(async () => {
  proxy = await startProxy(db.config);
  upstream = await startObedientUpstream();
  const file = join(folder, 'prices.yaml');
  writeFileSync(file, priceBook(upstream.url));
  const { host, port, user, database } = proxy.config;
  const throughProxy = `postgresql://${user}@/${database}?host=${encodeURIComponent(String(host))}&port=${port}`;
  const settings = { PURSER_GATEWAY: file, TEST_UPSTREAM_KEY: 'secret' };
  calm = await startNode({ ...settings, DATABASE_URL: db.databaseUrl });
  stormy = await startNode({ ...settings, DATABASE_URL: throughProxy });
});
afterAll(async () => {
  await upstream.close();
  await proxy.close();
  rmSync(folder, { recursive: true });
});

/** Plays the stories, `PLAYERS_AT_ONCE` at a time. */
async function playStories(scene: Scene, tally: Tally, players: Player[]): Promise<void> {
  const stories = storiesOf(Number(SEED), STORIES).filter(({ name }) => isWanted(name));
  const next = stories[Symbol.iterator]();
  const playOn = async () => {
    for (const story of next) {
      if (tally.calls >= Number(CALLS)) return;
      const player = await Player.enter(story, scene, tally);
      players.push(player);
      for (const step of story.steps) {
        if (player.isOver) break;
        if (step.does !== 'call') await player.change(step);
        else await player.judge(step.call, await player.act(step.call, calm.url, () => delay(0)));
      }
    }
  };
  await Promise.all(Array.from({ length: PLAYERS_AT_ONCE }, playOn));
}

const isWanted = (name: string): boolean => ONLY === undefined || name.startsWith(ONLY);

test(
  `random calls go as the model says (seed ${SEED}, ${CALLS} calls)`,
  async () => {
    const scene = { db, upstream, operatorKey: await newOperatorKey(db), url: calm.url };
    const tally = new Tally();
    const players: Player[] = [];
    const storms = stormsOf(Number(SEED), STORMS).filter(({ stories }) =>
      stories.some(({ name }) => isWanted(name)),
    );
    const playStorms = async () => {
      for (const storm of storms) {
        players.push(...(await playStorm(storm, scene, tally, { proxy, url: stormy.url })));
      }
    };
    await Promise.all([playStories(scene, tally, players), playStorms()]);
    const codes = await Promise.all([calm, stormy].map((node) => node.end()));
    for (const player of players) await player.end();

    const ways = Object.fromEntries([...tally.ways].sort());
    process.stdout.write(`seed ${SEED}, ${tally.calls} calls: ${inspect(ways)}\n`);
    expect(tally.failures.slice(0, MOST_SHOWN).join('\n\n')).toBe('');
    expect(codes).toEqual([0, 0]);
    expect((await verify(db.database)).problem).toBeNull();
    if (ONLY !== undefined) return;
    const seen = Object.keys(ways).flatMap((way) => [way, way.replace(/: .*/, '')]);
    expect(seen).toEqual(expect.arrayContaining(OFTEN));
    if (tally.calls >= LONG) expect(seen).toEqual(expect.arrayContaining(NOW_AND_THEN));
  },
  (60 + Number(CALLS) / 4) * 1_000,
);
