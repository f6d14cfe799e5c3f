/** Which texts are allowed as labels and names. */

/** Control characters, line and paragraph separators, halves of pairs. */
const REFUSED = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u;
/** A byte order mark is white space to JavaScript alone. */
const SPACE_AT_AN_END = /^(?!\ufeff)\s|(?!\ufeff)\s$/u;

/** Returns whether a text has no space at an end and no control characters. */
export function isPlain(text: string): boolean {
  return !SPACE_AT_AN_END.test(text) && !REFUSED.test(text);
}
