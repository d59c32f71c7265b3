import { invalidRequest } from '../errors/api-error.ts';

/** RFC 3339 §5.6, with at most three decimals of a second. */
const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d{1,3})?([Zz]|[+-]\d{2}:\d{2})$/;

/** Formats milliseconds since 1970 as RFC 3339 in UTC: `2026-11-23T09:20:44.123Z`. */
export function formatInstant(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

export function formatOptionalInstant(milliseconds: number | null): string | null {
  return milliseconds === null ? null : formatInstant(milliseconds);
}

/** Parses a member that holds an instant. Throws `invalid_request`, naming the member. */
export function parseInstantOf(member: string, text: string): number {
  const instant = parseInstant(text);
  if (instant !== undefined) return instant;
  throw invalidRequest(
    `${member} must be a time as in RFC 3339, to the millisecond at most, such as "2030-01-31T12:00:00Z"`,
  );
}

export function parseOptionalInstant(member: string, text: string | undefined): number | null {
  return text === undefined ? null : parseInstantOf(member, text);
}

/** Parses a member that holds an instant after `now`. */
export function parseComingInstant(member: string, text: string, now: number): number {
  const instant = parseInstantOf(member, text);
  requireComing(member, instant, now);
  return instant;
}

/** Throws `invalid_request` unless the instant is null or after `now`. */
export function requireComing(member: string, instant: number | null, now: number): void {
  if (instant !== null && instant <= now) throw invalidRequest(`${member} must be in the future`);
}

/** Parses an instant. Undefined: the text has another form, or its day or hour does not exist. */
export function parseInstant(text: string): number | undefined {
  const match = RFC_3339.exec(text);
  if (!match) return undefined;
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '', decimals = ''] =
    match;
  const zone = (match[8] ?? 'Z').toUpperCase();
  if (!/^(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/.test(zone)) return undefined;
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const wall = Date.parse(`${local}Z`);
  // `Date.parse` accepts a 31st of February as a day in March: the digits must come back unchanged.
  if (Number.isNaN(wall) || new Date(wall).toISOString().slice(0, 19) !== local) return undefined;
  const instant = Date.parse(`${local}${decimals}${zone}`);
  return Number.isNaN(instant) ? undefined : instant;
}
