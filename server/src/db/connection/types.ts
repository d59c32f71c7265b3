import pg from 'pg';

const { builtins } = pg.types;
/** The type of `bigint[]`, which pg does not name. */
const INT8_ARRAY = 1016;

const parseTextArray = pg.types.getTypeParser(1009 as never) as (text: string) => (string | null)[];

/**
 * Parsers for PostgreSQL's values: int8 becomes bigint, timestamptz milliseconds since 1970. They are
 * set for each connection, never for the whole process.
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

/** The offset of the session's time zone in PostgreSQL's text: `+00`, `+05:30`, `-03:30:52`. */
const ZONE = /([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?$/;

/**
 * Parses `2026-11-23 09:20:44.123+00` in any time zone into milliseconds; cuts finer digits off.
 */
function parseInstant(text: string): number {
  const [offset = '', sign, hours, minutes = '0', seconds = '0'] = ZONE.exec(text) ?? [];
  const ahead = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return utc(text.slice(0, -offset.length)) - (sign === '-' ? -ahead : ahead) * 1_000;
}

function utc(text: string): number {
  return Date.parse(`${text.slice(0, 10)}T${text.slice(11)}Z`);
}
