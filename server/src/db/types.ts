import pg from 'pg';

const { builtins } = pg.types;
/** The type of `bigint[]`, which pg does not name. */
const INT8_ARRAY = 1016;

const parseTextArray = pg.types.getTypeParser(1009 as never) as (text: string) => (string | null)[];

/**
 * How PostgreSQL's values become ours, for each connection of its own (never for the whole process):
 * int8 is bigint, timestamptz is milliseconds since 1970.
 */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format === 'binary') return pg.types.getTypeParser(oid as never, format as never);
    switch (oid) {
      case builtins.INT8:
        return BigInt;
      case INT8_ARRAY:
        return (text: string) =>
          parseTextArray(text).map((item) => (item === null ? null : BigInt(item)));
      case builtins.TIMESTAMPTZ:
        return parseInstant;
      default:
        return pg.types.getTypeParser(oid as never, 'text');
    }
  }) as pg.CustomTypesConfig['getTypeParser'],
};

/** The offset of the session's zone, as PostgreSQL writes it: `+00`, `+05:30`, `-03:30:52`. */
const ZONE = /([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?$/;

/**
 * `2026-11-23 09:20:44.123+00` → milliseconds, whatever the zone of the session; what is finer than a
 * millisecond is cut off.
 */
function parseInstant(text: string): number {
  const [offset = '', sign, hours, minutes = '0', seconds = '0'] = ZONE.exec(text) ?? [];
  const ahead = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return utc(text.slice(0, -offset.length)) - (sign === '-' ? -ahead : ahead) * 1_000;
}

function utc(text: string): number {
  return Date.parse(`${text.slice(0, 10)}T${text.slice(11)}Z`);
}
