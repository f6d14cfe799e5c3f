/** The order of versions: of models and apps, of operating systems, of ExecuTorch's runtimes. */

import { MAX_BOUNDS, MAX_RANGE_CHARS, Patterns } from "./contract.js";
import { VersionError } from "./errors.js";
import type { JsonNode } from "./reading.js";

const MAX_VERSION_CHARS = Patterns.semanticVersion.maxChars;
const SYSTEM_PARTS = 4;
const DIGITS = /^[0-9]+$/;

/** A semantic version taken apart; numbers stay texts, as they may be of any length. */
interface Version {
  readonly numbers: readonly string[];
  readonly preRelease: readonly string[];
}

type Bound = readonly [operator: string, version: string];

/** Returns whether a text is a semantic version, of at most 128 characters. */
export function isVersion(text: string): boolean {
  return Patterns.semanticVersion.match(text) !== null;
}

/**
 * Compares semantic versions by precedence (Semantic Versioning 2.0.0, section 11).
 *
 * Build metadata ("+...") are allowed, as apps have them, and do not count.
 *
 * @returns -1, 0 or 1: whether the left one comes before, with, or after.
 * @throws VersionError one is not a semantic version.
 */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [takeApart(left), takeApart(right)];
  const order = compareLists(a.numbers, b.numbers, compareNumbers);
  if (order !== 0) return order;
  if (a.preRelease.length === 0 || b.preRelease.length === 0) {
    return Math.sign(b.preRelease.length - a.preRelease.length);
  }
  return compareLists(a.preRelease, b.preRelease, compareIdentifiers);
}

/**
 * Returns whether a version is meant by a range such as ">=1.2.0 <3.0.0".
 *
 * One to eight bounds with one space between them, all of which must hold. Only the precedence
 * counts: "<3.0.0" holds for 3.0.0-rc.1, and ">=3.0.0" does not.
 *
 * @throws VersionError the range or the version is malformed.
 */
export function isInRange(version: string, range: string): boolean {
  return parseRange(range).every(([operator, bound]) => {
    const order = compareVersions(version, bound);
    if (operator.includes("=") && order === 0) return true;
    return (operator.startsWith(">") && order > 0) || (operator.startsWith("<") && order < 0);
  });
}

/** Returns the bounds of a range. @throws VersionError it is malformed. */
export function parseRange(range: string): Bound[] {
  const parts = range.length <= MAX_RANGE_CHARS ? range.split(" ") : [];
  const bounds = parts.flatMap((part): Bound[] => {
    const match = Patterns.bound.match(part);
    const [operator, version] = [match?.[1], match?.[2]];
    return operator && version && isVersion(version) ? [[operator, version]] : [];
  });
  if (bounds.length === 0 || bounds.length !== parts.length || bounds.length > MAX_BOUNDS) {
    throw new VersionError(
      `the range ${quote(range)}: allowed are 1 to ${MAX_BOUNDS} bounds of >=, >, <=, < or = and ` +
        'a version, with one space between them, as in ">=1.2.0 <3.0.0"',
    );
  }
  return bounds;
}

/** Reads a range. @throws ManifestError it is malformed. */
export function readRange(node: JsonNode): string {
  const range = node.text(MAX_RANGE_CHARS);
  try {
    parseRange(range);
    return range;
  } catch (error) {
    if (error instanceof VersionError) node.fail(error.message);
    throw error;
  }
}

/**
 * Compares versions of operating systems: "16" is "16.0.0".
 *
 * @returns -1, 0 or 1.
 * @throws VersionError one is not one to four numbers with dots between them.
 */
export function compareSystems(left: string, right: string): number {
  for (const text of [left, right]) {
    if (Patterns.systemVersion.match(text) !== null) continue;
    throw new VersionError(
      `the system's version ${quote(text)}: allowed are 1 to ${SYSTEM_PARTS} numbers with dots ` +
        "between them, as in 17.4",
    );
  }
  const fill = (text: string): string[] =>
    [...text.split("."), "0", "0", "0"].slice(0, SYSTEM_PARTS);
  return compareLists(fill(left), fill(right), compareNumbers);
}

/**
 * Returns whether a `.pte` file runs on a version of ExecuTorch's runtime.
 *
 * It runs on the minor version that made it and on the next one, the least that ExecuTorch
 * promises; what follows the minor number does not count.
 */
export function runsOnExecutorch(madeWith: string, runtime: string): boolean {
  const [file, app] = [madeWith, runtime].map((text) => Patterns.runtimeVersion.match(text));
  if (!file || !app || file[1] !== app[1]) return false;
  return [0, 1].includes(Number(app[2]) - Number(file[2]));
}

function takeApart(text: string): Version {
  const match = Patterns.semanticVersion.match(text);
  if (match === null) {
    throw new VersionError(
      `the version ${quote(text)}: allowed are semantic versions of up to ${MAX_VERSION_CHARS} ` +
        "characters, as in 1.2.0 or 1.2.0-beta.1",
    );
  }
  return {
    numbers: match.slice(1, 4).map((part) => part ?? "0"),
    preRelease: match[4] === undefined ? [] : match[4].split("."),
  };
}

/** Entry by entry; where all are equal, the shorter list comes first. */
function compareLists(
  left: readonly string[],
  right: readonly string[],
  compare: (a: string, b: string) => number,
): number {
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const order = compare(left[index] ?? "", right[index] ?? "");
    if (order !== 0) return order;
  }
  return Math.sign(left.length - right.length);
}

/** Numbers come before names. */
function compareIdentifiers(left: string, right: string): number {
  const [leftIsNumber, rightIsNumber] = [DIGITS.test(left), DIGITS.test(right)];
  if (leftIsNumber && rightIsNumber) return compareNumbers(left, right);
  if (leftIsNumber !== rightIsNumber) return leftIsNumber ? -1 : 1;
  return compareTexts(left, right);
}

/** By digits, as numbers of any length are allowed and doubles hold only 53 bits. */
function compareNumbers(left: string, right: string): number {
  return Math.sign(left.length - right.length) || compareTexts(left, right);
}

function compareTexts(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, MAX_VERSION_CHARS));
}
