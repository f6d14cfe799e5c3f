/** Names of labels and coarse classes in other languages. */

import { FOLDERS, MAX_LABEL_CHARS, MAX_NAMES_BYTES, Patterns } from "./contract.js";
import type { Manifest } from "./documents.js";
import { readJson } from "./reading.js";
import { isPlain } from "./texts.js";

/** Where Chinese without a script is written in Hant, as Unicode's likely subtags have it. */
const TRADITIONAL = ["tw", "hk", "mo"];

/** Language, script and region in lower case; the latter are empty where not named. */
interface Tag {
  readonly language: string;
  readonly script: string;
  readonly region: string;
}

/** Returns the languages that a version has names in, as BCP 47 tags; labels stand beside them. */
export function listLanguages(manifest: Pick<Manifest, "otherFiles">): string[] {
  return manifest.otherFiles
    .filter(({ role }) => role === "names")
    .map(({ path }) => Patterns.namesFile.match(path.slice(FOLDERS.names.length))?.[1] ?? "")
    .sort();
}

/** Returns where a language's names lie. */
export function namesPath(language: string): string {
  return `${FOLDERS.names}${language}.json`;
}

/**
 * Returns the language that fits a wanted one best, or null where none does.
 *
 * The language must be the same, and the script, where both name one; then the same region is
 * better than none, and none better than another. Chinese without a script is in Hant for TW, HK
 * and MO, and in Hans elsewhere.
 *
 * @param languages those that there are, as `InstalledModel.languages`.
 * @param wanted any BCP 47 tag, as a browser names it: "zh-CN", "en-GB", "de".
 */
export function chooseLanguage(languages: readonly string[], wanted: string): string | null {
  const asked = split(wanted);
  if (asked === null) return null;
  let [best, bestRank]: [string | null, number] = [null, 0];
  for (const language of languages) {
    const rank = rankOf(split(language), asked);
    if (rank > bestRank) [best, bestRank] = [language, rank];
  }
  return best;
}

/**
 * Reads the names of a language, by label or coarse class.
 *
 * @throws ManifestError malformed; the message names the bad key.
 */
export function parseNames(data: Uint8Array, path: string): ReadonlyMap<string, string> {
  const members = readJson(data, path, MAX_NAMES_BYTES).members();
  return new Map(
    Array.from(members, ([label, node]) => {
      const name = node.text(MAX_LABEL_CHARS);
      return [label, isPlain(name) ? name : node.fail(`${JSON.stringify(name)}: not allowed`)];
    }),
  );
}

function split(tag: string): Tag | null {
  const match = Patterns.wantedLanguage.match(tag.toLowerCase());
  if (match === null) return null;
  const [, language = "", script = "", region = ""] = match;
  if (language !== "zh" || script !== "") return { language, script, region };
  return { language, script: TRADITIONAL.includes(region) ? "hant" : "hans", region };
}

/** Returns 0 where a language does not fit, and more the better it does. */
function rankOf(found: Tag | null, asked: Tag): number {
  if (found?.language !== asked.language) return 0;
  const isSameScript = found.script === asked.script;
  if (!isSameScript && found.script !== "" && asked.script !== "") return 0;
  const region = found.region === asked.region ? 2 : 0;
  return 1 + (isSameScript ? 4 : 0) + region + (found.region === "" ? 1 : 0);
}
