import { setTimeout as delay } from 'node:timers/promises';
import { type Call, type Leaving, passesBodyOn, textOf } from './calls.ts';
import { type Client, type Sent, type Sight, send } from './client.ts';
import type { ObedientUpstream, Visit } from './upstream.ts';

/** Performs one call: directs the upstream and the client in turn. */

/** A call as its client and its upstream saw it. */
export interface Performance {
  readonly client: Sight;
  /** The answer to the other request with the same key; null: there was none. */
  readonly probe: Sight | null;
  readonly visit: Visit;
}

export interface Stage {
  readonly upstream: ObedientUpstream;
  readonly url: string;
  readonly apiKey: string;
  /** Called when the call is ready to end. Resolves when PostgreSQL is unreachable. */
  readonly untilAway: () => Promise<void>;
}

/** The part of the body that a client sends; it is `whole` for all other moments. */
const PARTS: Readonly<Partial<Record<Leaving, Sent['part']>>> = {
  'before its body': 'none',
  'in its body': 'half',
  'never, with half a body': 'half',
};

export async function perform(call: Call, stage: Stage): Promise<Performance> {
  const { upstream, url, apiKey } = stage;
  const { id, request, leaves } = call;
  const visit = upstream.expect(call);
  const part = PARTS[leaves] ?? 'whole';
  const length = leaves === 'after the last byte' ? textOf(call).length : Infinity;
  const onPart = (it: Client) => {
    if (it.received() >= length) it.leave();
  };
  const client = send({ url, apiKey, request, id, part, onPart });
  const probe = await play(call, stage, client, visit);
  return { client: await client.over, probe, visit };
}

async function play(call: Call, stage: Stage, client: Client, visit: Visit): Promise<Sight | null> {
  const { leaves, request, isAway, probe } = call;
  /** Waits for `given`; false: the call ended first. */
  const until = async (given: Promise<void>) =>
    Promise.race([given.then(() => true), client.over.then(() => false)]);
  // Without a key, or if no answer is kept, the upstream waits until the gateway disconnects.
  const isReadOn = request.key !== null && request.route.replayBytes > 0;
  switch (leaves) {
    case 'never':
    case 'never, with half a body': {
      if (probe === null && !isAway) visit.answer();
      const hasCome = await until(visit.hasCome.given);
      const probed = hasCome && probe !== null ? await sendProbe(call, probe, stage) : null;
      if (hasCome && isAway) await stage.untilAway();
      visit.answer();
      return probed;
    }
    case 'before its body':
    case 'in its body':
      await client.hasSent;
      if (leaves === 'in its body' && passesBodyOn(request)) await until(visit.hasBegun.given);
      client.leave();
      return null;
    case 'at once':
      if (isReadOn) visit.answer();
      await client.hasSent;
      client.leave();
      return null;
    case 'before the answer':
      if ((await until(visit.hasCome.given)) && isAway) await stage.untilAway();
      client.leave();
      if (isReadOn) visit.answer();
      return null;
    case 'at the answer':
      await until(visit.hasCome.given);
      visit.answer();
      await delay(call.answer.count % 4);
      client.leave();
      return null;
    case 'midway':
      visit.mayAnswer.give();
      if ((await until(client.hasPart)) && isAway && visit.times > 0) await stage.untilAway();
      client.leave();
      if (isReadOn) visit.answer();
      return null;
    case 'after the last byte':
      visit.answer();
      return null;
  }
}

/** Sends another request with the key of a call that is with the upstream. */
function sendProbe({ id, request }: Call, probe: 'same' | 'other', stage: Stage): Promise<Sight> {
  const accept = probe === 'same' ? request.accept : 'text/csv';
  const { url, apiKey } = stage;
  return send({ url, apiKey, request: { ...request, accept }, id: `${id}-probe`, part: 'whole' })
    .over;
}
