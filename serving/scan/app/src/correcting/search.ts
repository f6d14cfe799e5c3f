/** Finds labels by what people type, in whatever language the release has names in. */

/** Something that can be found. */
interface Entry {
  readonly label: string;
  /** Folded: the label, and its names. */
  readonly texts: readonly string[];
}

export type Index = readonly Entry[];

/**
 * Returns a text without what people leave out or type otherwise: case, accents, width, and the
 * characters between words.
 */
export function fold(text: string): string {
  // Upper case first, as "ß" becomes "SS"; then the two forms of the Greek sigma are one.
  const plain = text.normalize("NFKD").replace(/\p{M}+/gu, "");
  const lower = plain.toUpperCase().toLowerCase().replaceAll("ς", "σ");
  return lower.replace(/[\s_\-‐-―·・/.,'’]+/gu, " ").trim();
}

/**
 * Makes labels ready to be searched in.
 *
 * @param listNames all that a label is called, as `words/names.ts` has it.
 */
export function makeIndex(
  labels: readonly string[],
  listNames: (label: string) => readonly string[],
): Index {
  return labels.map((label) => ({
    label,
    texts: [...new Set([label, ...listNames(label)].map(fold))],
  }));
}

/**
 * Returns the labels that fit, the best first.
 *
 * All words of the query must stand somewhere in what the label is called. The whole name is better
 * than its beginning, that better than the beginning of a word, and that better than anywhere; among
 * equals those of `first` come first, in their order, then the order of the index.
 *
 * @param query as it was typed; an empty one fits all labels.
 * @param first labels to prefer, as those chosen lately.
 */
export function search(index: Index, query: string, first: readonly string[] = []): string[] {
  const wanted = fold(query);
  const places = new Map(first.map((label, place) => [label, place]));
  const found: { label: string; rank: number; place: number }[] = [];
  for (const { label, texts } of index) {
    const rank = rankOf(texts, wanted);
    if (rank > 0) found.push({ label, rank, place: places.get(label) ?? first.length });
  }
  // Sorting is stable: the index's order stays among equals.
  return found.sort((a, b) => b.rank - a.rank || a.place - b.place).map(({ label }) => label);
}

/** Returns 0 where a query does not fit, and more the better it does. */
function rankOf(texts: readonly string[], wanted: string): number {
  let best = 0;
  for (const text of texts) {
    if (text === wanted) return 4;
    if (text.startsWith(wanted)) best = Math.max(best, wanted === "" ? 1 : 3);
    else if (` ${text}`.includes(` ${wanted}`)) best = Math.max(best, 2);
    else if (wanted.split(" ").every((word) => text.includes(word))) best = Math.max(best, 1);
  }
  return best;
}
