/** Reading JSON that came from elsewhere: every value is checked, and errors name its path. */

import { MAX_JSON_DEPTH, Patterns } from "./contract.js";
import { ManifestError } from "./errors.js";
import type { TextPattern } from "./pattern.js";

const MAX_TEXT_CHARS = 100_000;
const [QUOTE, COLON, BACKSLASH] = [0x22, 0x3a, 0x5c];
/** Half of a pair alone: with the flag u, whole pairs are other characters. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** A value of a document, with the path that leads to it. */
export class JsonNode {
  constructor(
    readonly value: unknown,
    readonly path: string,
    readonly document: string,
  ) {}

  fail(why: string): never {
    throw new ManifestError(`${this.document}: ${this.path || "the document"}: ${why}`);
  }

  get isNull(): boolean {
    return this.value === null;
  }

  /** Returns the members of an object. */
  members(): Map<string, JsonNode> {
    const entries = Object.entries(this.object());
    return new Map(entries.map(([key, member]) => [key, this.below(key, member)]));
  }

  /** Returns at most so many members of an object, with keys among those allowed, if given. */
  entries(most: number, allowed?: readonly string[]): Map<string, JsonNode> {
    const members = this.members();
    if (members.size > most) this.fail(`it has ${members.size} entries: allowed are ${most}`);
    for (const [key, member] of members) {
      if (allowed?.includes(key) === false) member.fail(`allowed are ${allowed.join(", ")}`);
    }
    return members;
  }

  /** Checks that an object has all required keys, and none that is not named here. */
  checkKeys(required: readonly string[], optional: readonly string[] = []): void {
    const object = this.object();
    for (const key of required) this.get(key);
    const allowed = [...required, ...optional];
    const stray = Object.keys(object).find((key) => !allowed.includes(key));
    if (stray !== undefined) {
      this.below(stray, null).fail(`it is not known: allowed are ${allowed.join(", ")}`);
    }
  }

  /** Returns a member that must be there. */
  get(key: string): JsonNode {
    return this.findOptional(key) ?? this.below(key, undefined).fail("it is missing");
  }

  /** Returns a member, which may be null, or null where it is missing. */
  findOptional(key: string): JsonNode | null {
    const object = this.object();
    return Object.hasOwn(object, key) ? this.below(key, object[key]) : null;
  }

  /** Returns a member, or null where it is missing or null. */
  find(key: string): JsonNode | null {
    const member = this.findOptional(key);
    return member?.isNull ? null : member;
  }

  /** Reads a value that may be null. */
  orNull<T>(read: (node: JsonNode) => T): T | null {
    return this.isNull ? null : read(this);
  }

  items(least: number, most: number): JsonNode[] {
    const value = this.value;
    if (!Array.isArray(value)) this.fail("it must be a list");
    if (value.length < least || value.length > most) {
      this.fail(`it has ${value.length} entries: allowed are ${least} to ${most}`);
    }
    return value.map((item: unknown, index) => {
      return new JsonNode(item, `${this.path}[${index}]`, this.document);
    });
  }

  /** Returns a text of 1 to so many characters. */
  text(mostChars = MAX_TEXT_CHARS): string {
    return this.anyText(mostChars) || this.fail("it must not be empty");
  }

  /** Returns a text of 0 to so many characters, counted as Python counts them. */
  anyText(mostChars = MAX_TEXT_CHARS): string {
    const text = this.value;
    if (typeof text !== "string") this.fail("it must be a text");
    if (text.length > mostChars && Array.from(text).length > mostChars) {
      this.fail(`allowed are ${mostChars} characters`);
    }
    return text;
  }

  matching(pattern: TextPattern): string {
    const text = this.value;
    if (typeof text !== "string" || pattern.match(text) === null) {
      this.fail(`it is ${JSON.stringify(text)}: allowed are ${pattern.allowed}`);
    }
    return text;
  }

  oneOf<T extends string>(allowed: readonly T[]): T {
    const found = allowed.find((name) => name === this.value);
    return found ?? this.fail(`it is ${JSON.stringify(this.value)}: allowed are ${allowed}`);
  }

  whole(least = 0, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.value;
    if (
      typeof value !== "number" ||
      !Number.isSafeInteger(value) ||
      value < least ||
      value > most
    ) {
      this.fail(`it must be a whole number from ${least} to ${most}`);
    }
    return value;
  }

  number(least: number, most: number): number {
    const value = this.value;
    if (typeof value !== "number" || !(value >= least && value <= most)) {
      this.fail(`it must be a number from ${least} to ${most}`);
    }
    return value;
  }

  flag(): boolean {
    if (typeof this.value !== "boolean") this.fail("it must be true or false");
    return this.value;
  }

  private object(): Record<string, unknown> {
    const value = this.value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.fail("it must be an object");
    }
    return value as Record<string, unknown>;
  }

  private below(key: string, value: unknown): JsonNode {
    return new JsonNode(value, this.path ? `${this.path}.${key}` : key, this.document);
  }
}

/**
 * Parses JSON, stricter than `JSON.parse`.
 *
 * Refused are: more than `maxBytes`, bytes that are not UTF-8, a key given twice, numbers too large
 * for a double, halves of surrogate pairs, and nesting over 32 levels.
 *
 * @throws ManifestError not such a document.
 */
export function readJson(data: Uint8Array, document: string, maxBytes: number): JsonNode {
  if (data.length > maxBytes) {
    throw new ManifestError(`${document} has ${data.length} bytes: allowed are ${maxBytes}`);
  }
  let [text, value]: [string, unknown] = ["", null];
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
    value = JSON.parse(text);
  } catch (error) {
    throw new ManifestError(`${document} is not JSON: ${String(error)}`, { cause: error });
  }
  // `JSON.parse` keeps one of two members of the same key, but each has a colon.
  if (countMembers(value, document, 0) !== countColons(text)) {
    throw new ManifestError(`${document}: a key is given twice in one object`);
  }
  return new JsonNode(value, "", document);
}

/** Reads a member that may be missing. */
export function ifThere<T>(node: JsonNode | null, read: (node: JsonNode) => T): T | null {
  return node === null ? null : read(node);
}

/** Reads all values of a table. */
export function mapValues<T>(
  members: ReadonlyMap<string, JsonNode>,
  read: (node: JsonNode) => T,
): Map<string, T> {
  return new Map(Array.from(members, ([key, member]) => [key, read(member)]));
}

/** Reads a time in UTC, and checks that there is such a day and hour. */
export function readTime(node: JsonNode): string {
  const text = node.matching(Patterns.time);
  const date = new Date(text);
  // Dates that there are not, as of a 30th of February, are moved by some engines.
  const isThere =
    !Number.isNaN(date.getTime()) && date.toISOString() === text.replace("Z", ".000Z");
  return isThere && !text.startsWith("0000") ? text : node.fail("there is no such day or time");
}

/**
 * Checks that a document names a schema that this code reads.
 *
 * @param schemas name, slash and number, as in "ghostlens.bundle/2"; the newest last.
 * @throws ManifestError another schema; a newer number is told apart from a foreign name.
 */
export function checkSchema(root: JsonNode, ...schemas: readonly string[]): void {
  const node = root.get("schema");
  const found = node.text();
  if (schemas.includes(found)) return;
  const schema = schemas[schemas.length - 1] ?? "";
  const [wanted, given] = [Patterns.schema.match(schema), Patterns.schema.match(found)];
  if (given && given[1] === wanted?.[1] && Number(given[2]) > Number(wanted?.[2])) {
    node.fail(`${found} is newer than ${schema}, which this app reads; update the app`);
  }
  node.fail(`it is ${JSON.stringify(found)}: allowed is ${schemas.join(" or ")}`);
}

/** Counts the members of all objects in a value, and checks what `JSON.parse` lets pass. */
function countMembers(value: unknown, document: string, depth: number): number {
  if (depth > MAX_JSON_DEPTH) {
    throw new ManifestError(`${document} is nested deeper than ${MAX_JSON_DEPTH} levels`);
  }
  if (typeof value === "string") checkText(value, document);
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new ManifestError(`${document}: a number is too large`);
  }
  if (typeof value !== "object" || value === null) return 0;
  if (!Array.isArray(value)) for (const key of Object.keys(value)) checkText(key, document);
  const members: unknown[] = Object.values(value);
  const own = Array.isArray(value) ? 0 : members.length;
  return members.reduce<number>(
    (sum, member) => sum + countMembers(member, document, depth + 1),
    own,
  );
}

/** Counts the colons of a JSON text that stand outside of its strings. */
function countColons(text: string): number {
  let [count, isInside] = [0, false];
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) isInside = !isInside;
    else if (isInside && code === BACKSLASH) index += 1;
    else if (!isInside && code === COLON) count += 1;
  }
  return count;
}

function checkText(text: string, document: string): void {
  if (LONE_SURROGATE.test(text)) {
    throw new ManifestError(`${document} holds half of a surrogate pair`);
  }
}
