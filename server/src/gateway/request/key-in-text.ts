/** A key as Purser makes them (auth/key-format.ts), somewhere in a text. */
const PURSER_KEY = /prs[or]_[0-9A-Za-z]{49}/;

/**
 * Whether a text holds the key of the customer that sent it, or any key that Purser made: as it is, or
 * percent-encoded, with `+` for a blank or without. Both texts are bytes as Latin-1, as node:http reads them.
 */
export function holdsKey(text: string, key: string): boolean {
  if (text.includes(key) || PURSER_KEY.test(text)) return true;
  if (!text.includes('%') && !text.includes('+')) return false;
  const decoded = decodedBytes(text);
  const spaced = decodedBytes(text.replaceAll('+', ' '));
  return decoded.includes(key) || spaced.includes(key) || PURSER_KEY.test(decoded);
}

/** The same of the credentials of Basic authentication, which are in Base64 (RFC 7617). */
export function holdsKeyInBasic(authorization: string, key: string): boolean {
  const [, encoded] = /^basic +(\S+)/i.exec(authorization) ?? [];
  return encoded !== undefined && holdsKey(Buffer.from(encoded, 'base64').toString('latin1'), key);
}

function decodedBytes(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
