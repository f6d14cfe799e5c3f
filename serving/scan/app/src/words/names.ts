/** What items are called in the language in use: names come signed with the release. */

import { computed, signal } from "@preact/signals";
import { chooseLanguage, type InstalledModel } from "ghostlens";
import { language } from "./words.ts";

type Names = ReadonlyMap<string, string>;

/** By language, of the model in use. */
const tables = signal<ReadonlyMap<string, Names>>(new Map());
const shown = computed<Names | undefined>(() => {
  const chosen = chooseLanguage([...tables.value.keys()], language.value);
  return chosen === null ? undefined : tables.value.get(chosen);
});
let asked = 0;

/** Returns what a label or a coarse class is called; the label itself where it has no name. */
export function nameOf(label: string): string {
  return shown.value?.get(label) ?? label;
}

/** Returns all that a label is called, itself included, in every language of the release. */
export function listNames(label: string): string[] {
  const names = [...tables.value.values()].map((table) => table.get(label));
  return [...new Set([label, ...names.filter((name) => name !== undefined)])];
}

/** Takes the names of a model; call it whenever another one is in use. */
export async function followNames(
  model: Pick<InstalledModel, "languages" | "names"> | null,
): Promise<void> {
  asked += 1;
  const mine = asked;
  const found = new Map<string, Names>();
  for (const tag of model?.languages ?? []) {
    try {
      found.set(tag, await model!.names(tag));
    } catch (error) {
      console.warn(`no names in ${tag}, labels are shown:`, error);
    }
  }
  if (mine === asked) tables.value = found;
}
