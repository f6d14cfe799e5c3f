/** What went wrong, as the page tells it: a text of the page, and what an engineer would ask for. */

import type { Word } from "./words/words.ts";

export interface Problem {
  /** A sentence in plain words that says what happened, and what still works. */
  readonly word: Word;
  readonly values?: Record<string, string | number>;
  /** The error's own text; shown when it is asked for. */
  readonly detail: string;
}
