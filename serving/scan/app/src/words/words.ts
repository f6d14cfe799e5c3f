/** The page's words: a file for each language, and English where one lacks a word. */

import { computed, signal } from "@preact/signals";
import en from "./en.json";
import zhHans from "./zh-Hans.json";

export type Word = keyof typeof en;

/** The languages of the page, by BCP 47 tag, each by its own name. */
export const LANGUAGES = { en: "English", "zh-Hans": "简体中文" } as const;
export type Language = keyof typeof LANGUAGES;

const FILES: Record<Language, Partial<Record<Word, string>>> = { en, "zh-Hans": zhHans };
const KEPT = "ghostlens.language";

/** What the user chose; at first what the browser prefers. */
export const language = signal<Language>(findLanguage());

/** Chooses a language, from now on and at later visits. */
export function chooseLanguage(chosen: Language): void {
  language.value = chosen;
  localStorage.setItem(KEPT, chosen);
}

const file = computed(() => FILES[language.value]);

/** Returns a text in the language in use; `{name}` in it is replaced by what `values` has. */
export function say(word: Word, values: Record<string, string | number> = {}): string {
  const text = file.value[word] ?? en[word];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

function findLanguage(): Language {
  const kept = localStorage.getItem(KEPT);
  const asked = kept === null ? navigator.languages : [kept, ...navigator.languages];
  for (const tag of asked) {
    if (tag.toLowerCase().startsWith("zh")) return "zh-Hans";
    if (tag.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}
