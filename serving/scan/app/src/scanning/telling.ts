/** Answers in the words of the page. */

import type { Recognition, Verdict } from "ghostlens";
import type { IconName } from "../icons.tsx";
import type { Scan, Source } from "../scan.ts";
import { nameOf } from "../words/names.ts";
import { language, say } from "../words/words.ts";

/** How an answer is shown; `badge` says how far it can be trusted. */
export interface Told {
  readonly badge: string;
  readonly icon: IconName;
  readonly title: string;
  /** What else there is to say; empty where there is nothing. */
  readonly more: string;
}

const ICONS: Record<Verdict, IconName> = {
  sure: "check",
  coarse: "question",
  unsure: "question",
  unknown: "none",
};
/** Choices of a coarse class below this probability are not worth a word. */
const LEAST_CHOICE = 0.05;

/** Says what an answer means. */
export function tell({ verdict, answers, coarse }: Recognition): Told {
  const first = nameOf(answers[0]?.label ?? "");
  const told = { badge: say(`scan.badge.${verdict}`), icon: ICONS[verdict], more: "" };
  if (verdict === "sure") return { ...told, title: first };
  if (verdict === "unknown") {
    return { ...told, title: say("scan.unknown"), more: say("scan.nearest", { name: first }) };
  }
  if (verdict === "unsure" || coarse === null) {
    return { ...told, title: say("scan.perhaps", { names: first }) };
  }
  if (coarse.choices.length === 1) {
    return { ...told, title: say("scan.likely", { name: nameOf(coarse.choices[0]!.label) }) };
  }
  const names = coarse.choices
    .slice(0, 2)
    .filter(({ probability }) => probability >= LEAST_CHOICE)
    .map(({ label }) => nameOf(label));
  const more = say("scan.perhaps", { names: joinByOr(names) });
  return { ...told, title: nameOf(coarse.label), more: names.length > 0 ? more : "" };
}

/** Says an answer, and where it came from if that is known, for whoever listens. */
export function tellAloud(recognition: Recognition, source: string): string {
  const { badge, title, more } = tell(recognition);
  const texts = [title, badge === title ? "" : badge, more, source].filter(Boolean);
  return texts.map((text) => say("scan.sentence", { text })).join("").trim();
}

/** Says where an answer came from. */
export function tellSource(source: Source, version: string): string {
  const values = { version, ms: Math.round(source.tookMs) };
  return say(source.by === "device" ? "scan.by.device" : "scan.by.server", values);
}

/** Says what an answer was that the user corrected, and whose. */
export function tellCorrected({ recognition, source, version }: Scan): string {
  const values = { name: tell(recognition).title, version, ms: Math.round(source.tookMs) };
  return say(source.by === "device" ? "scan.said.device" : "scan.said.server", values);
}

function joinByOr(names: readonly string[]): string {
  return new Intl.ListFormat(language.value, { type: "disjunction" }).format(names);
}
