/** A key as Purser makes them (auth/key-format.ts), somewhere in a text. */
const PURSER_KEY = /prs[or]_[0-9A-Za-z]{49}/;

/**
 * Whether a text holds the customer's key, or any key that Purser made: plain or percent-encoded, also
 * with `+` for a blank. Both texts are Latin-1, as node:http reads headers.
 */
export function holdsKey(text: string, key: string): boolean {
  if (text.includes(key) || PURSER_KEY.test(text)) return true;
  if (!text.includes('%') && !text.includes('+')) return false;
  const decoded = decodedBytes(text);
  const spaced = decodedBytes(text.replaceAll('+', ' '));
  return decoded.includes(key) || spaced.includes(key) || PURSER_KEY.test(decoded);
}

/** Whether credentials of Basic authentication hold a key; they are Base64 (RFC 7617). */
export function holdsKeyInBasic(authorization: string, key: string): boolean {
  const [, encoded] = /^basic +(\S+)/i.exec(authorization) ?? [];
  return encoded !== undefined && holdsKey(Buffer.from(encoded, 'base64').toString('latin1'), key);
}

function decodedBytes(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
