import { beforeAll } from 'vitest';
import type { TestDatabase } from '../postgres.ts';

/** The database's clock, which the test sets. */
export interface DatabaseClock {
  /** Stops the clock at an instant; each reading in a session moves it on by `tickMs`. */
  readonly set: (at: number, tickMs?: number) => Promise<void>;
  /** Puts the clock ahead of the machine's; 0: it is right again. */
  readonly shift: (ms: number) => Promise<void>;
}

/**
 * Replaces the clock in all sessions of a database: a schema before pg_catalog in the search path
 * has functions of the same names. The clock is right at first. Call it at the top level, before
 * anything connects.
 */
export function useClock(db: TestDatabase): DatabaseClock {
  beforeAll(async () => {
    await db.query(FUNCTIONS);
    const name = db.config.database;
    await db.query(`alter database ${name} set search_path = clock, pg_catalog, public`);
  });
  return {
    set: async (at, tickMs = 0) => {
      const values = [new Date(at).toISOString(), tickMs];
      await db.query(`update clock.hand set turn = turn + 1, at = $1, tick_ms = $2`, values);
    },
    shift: async (ms) => {
      await db.query(`update clock.hand set turn = turn + 1, at = null, shift_ms = $1`, [ms]);
    },
  };
}

/** A setting of the session counts the readings: a read-only transaction can change it too. */
const FUNCTIONS = `
  create schema clock;
  create table clock.hand (turn int, at timestamptz, tick_ms int, shift_ms bigint);
  insert into clock.hand values (0, null, 0, 0);
  create function clock.clock_timestamp() returns timestamptz volatile language plpgsql as $$
  declare
    hand clock.hand;
    readings int := 0;
  begin
    select * into hand from clock.hand;
    if hand.at is null then
      return pg_catalog.clock_timestamp() + hand.shift_ms * interval '1 ms';
    end if;
    if current_setting('clock.turn', true) = hand.turn::text then
      readings := current_setting('clock.readings')::int;
    end if;
    perform set_config('clock.turn', hand.turn::text, false);
    perform set_config('clock.readings', (readings + 1)::text, false);
    return hand.at + readings * hand.tick_ms * interval '1 ms';
  end $$;
  create function clock.statement_timestamp() returns timestamptz stable language sql as $$
    select coalesce(at, pg_catalog.statement_timestamp() + shift_ms * interval '1 ms')
    from clock.hand
  $$;
  grant usage on schema clock to public;
  grant select on all tables in schema clock to public`;
