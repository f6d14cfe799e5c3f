/** The page's words: a file for each language, and English where one lacks a word. */

import { computed, signal } from "@preact/signals";
import { recall, remember } from "../remembering.ts";
import en from "./en.json";
import zhHans from "./zh-Hans.json";

export type Word = keyof typeof en;
/** Words that there are of one and of several: "x" for "x.one" and "x.other". */
export type CountedWord = Word extends infer W ? (W extends `${infer X}.one` ? X : never) : never;
type Values = Record<string, string | number>;

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
  remember(KEPT, chosen);
}

const file = computed(() => FILES[language.value]);
const locale = computed(findLocale);
const numbers = computed(() => new Intl.NumberFormat(locale.value));
const percents = computed(() => new Intl.NumberFormat(locale.value, { style: "percent" }));
const plurals = computed(() => new Intl.PluralRules(locale.value));
const times = computed(
  () => new Intl.DateTimeFormat(locale.value, { dateStyle: "medium", timeStyle: "short" }),
);

/** Returns a text in the language in use; `{name}` in it is replaced by what `values` has. */
export function say(word: Word, values: Values = {}): string {
  const text = file.value[word] ?? en[word];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name] ?? whole;
    return typeof value === "number" ? sayNumber(value) : value;
  });
}

/** Returns the text for so many: the languages differ in which numbers have one of their own. */
export function sayMany(word: CountedWord, count: number, values: Values = {}): string {
  const form = plurals.value.select(count) === "one" ? "one" : "other";
  return say(`${word}.${form}`, { count, ...values });
}

/** Returns a number as the language in use writes it: 1,234. */
export function sayNumber(value: number): string {
  return numbers.value.format(value);
}

/** Returns a share, 0 to 1, in whole percents. */
export function sayPercent(share: number): string {
  return percents.value.format(share);
}

/** Returns the day and the time, to the minute, as this device's clock has it. */
export function sayTime(time: Date): string {
  return times.value.format(time);
}

/** Returns the browser's own tag of the language, so that dates come as its user writes them. */
function findLocale(): string {
  const base = language.value.split("-")[0] ?? language.value;
  const own = listPreferred().find((tag) => tag.toLowerCase().split("-")[0] === base);
  return base === "zh" ? language.value : (own ?? language.value);
}

function findLanguage(): Language {
  const kept = recall(KEPT);
  for (const tag of kept === null ? listPreferred() : [kept, ...listPreferred()]) {
    if (tag.toLowerCase().startsWith("zh")) return "zh-Hans";
    if (tag.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}

/** Older versions of Node.js, where the unit tests run, have no `navigator`. */
function listPreferred(): readonly string[] {
  return (globalThis.navigator as Partial<Navigator> | undefined)?.languages ?? [];
}
