/** Path patterns of delegations: shell wildcards that never cross a slash. */

const SPECIAL = /[.+^${}()|\\/[\]]/g;

/** Returns whether a target path matches a pattern, folder by folder (TUF 1.0, section 4.5). */
export function matchesPattern(path: string, pattern: string): boolean {
  const [names, wanted] = [path.split("/"), pattern.split("/")];
  if (names.length !== wanted.length) return false;
  return names.every((name, index) => toRegExp(wanted[index] ?? "").test(name));
}

function toRegExp(pattern: string): RegExp {
  let source = "";
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index] ?? "";
    const end = character === "[" ? findSetEnd(pattern, index) : -1;
    if (character === "*") source += ".*";
    else if (character === "?") source += ".";
    else if (end > 0) {
      source += toSet(pattern.slice(index + 1, end));
      index = end;
    } else source += character.replace(SPECIAL, "\\$&");
  }
  return new RegExp(`^(?:${source})$`, "su");
}

function findSetEnd(pattern: string, start: number): number {
  // A bracket right after the opening one, or after its "!", belongs to the set.
  const from = pattern[start + 1] === "!" ? start + 3 : start + 2;
  return pattern.indexOf("]", from);
}

function toSet(inside: string): string {
  const negated = inside.startsWith("!");
  const characters = (negated ? inside.slice(1) : inside).replace(/[\\\]^[]/g, "\\$&");
  return `[${negated ? "^" : ""}${characters}]`;
}
