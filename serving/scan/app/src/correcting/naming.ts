import { nameOf } from "../words/names.ts";
import { say } from "../words/words.ts";
import type { Right } from "./queue.ts";

/** Returns what something is called that was said to be right. */
export function nameRight(right: Right): string {
  if (right.kind === "not-an-item") return say("correct.not-item");
  return right.kind === "label" ? nameOf(right.name) : right.name;
}
