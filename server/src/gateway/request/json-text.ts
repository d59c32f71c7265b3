/** Steps through a JSON text of any length: a regular expression runs out of stack in a long one. */

/** The index behind the string whose opening quote is at `from`. */
export function endOfText(json: string, from: number): number {
  let at = from + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** The index of the first character from `from` on that is not blank. */
export function afterBlanks(json: string, from: number): number {
  let at = from;
  while (at < json.length && ' \t\n\r'.includes(json[at] ?? '-')) at += 1;
  return at;
}
