/** Reading JSON that came from elsewhere: every value is checked, and errors name its path. */

import { ManifestError } from "./errors.js";

const MAX_DEPTH = 32;
const SHA256 = /^[0-9a-f]{64}$/;
const MODEL = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const MAX_NAME_CHARS = 64;
const MAX_TEXT_CHARS = 100_000;

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

  /** Returns the members of an object. */
  members(): Map<string, JsonNode> {
    const value = this.value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.fail("it must be an object");
    }
    return new Map(Object.entries(value).map(([key, member]) => [key, this.below(key, member)]));
  }

  /** Returns a member that must be there. */
  get(key: string): JsonNode {
    return this.members().get(key) ?? this.below(key, undefined).fail("it is missing");
  }

  /** Returns a member, or null where it is missing or null. */
  find(key: string): JsonNode | null {
    const member = this.members().get(key);
    return member === undefined || member.value === null ? null : member;
  }

  items(most: number): JsonNode[] {
    const value = this.value;
    if (!Array.isArray(value)) this.fail("it must be a list");
    if (value.length > most) this.fail(`it has ${value.length} entries: allowed are ${most}`);
    return value.map((item: unknown, index) => {
      return new JsonNode(item, `${this.path}[${index}]`, this.document);
    });
  }

  text(mostChars = MAX_TEXT_CHARS): string {
    if (typeof this.value !== "string") this.fail("it must be a text");
    if (this.value.length > mostChars) this.fail(`allowed are ${mostChars} characters`);
    return this.value;
  }

  matching(pattern: RegExp, allowed: string): string {
    const text = this.text();
    if (!pattern.test(text)) this.fail(`it is ${JSON.stringify(text)}: allowed are ${allowed}`);
    return text;
  }

  sha256(): string {
    return this.matching(SHA256, "64 hexadecimal digits");
  }

  modelName(): string {
    const name = this.matching(MODEL, "a-z, 0-9 and single '-'");
    return name.length <= MAX_NAME_CHARS ? name : this.fail(`allowed are ${MAX_NAME_CHARS}`);
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

  private below(key: string, value: unknown): JsonNode {
    return new JsonNode(value, this.path ? `${this.path}.${key}` : key, this.document);
  }
}

/**
 * Parses JSON of at most `maxBytes`, UTF-8, nested at most 32 levels.
 *
 * @throws ManifestError not such a document.
 */
export function readJson(data: Uint8Array, document: string, maxBytes: number): JsonNode {
  if (data.length > maxBytes) {
    throw new ManifestError(`${document} has ${data.length} bytes: allowed are ${maxBytes}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data));
  } catch (error) {
    throw new ManifestError(`${document} is not JSON: ${String(error)}`, { cause: error });
  }
  checkDepth(value, document, 0);
  return new JsonNode(value, "", document);
}

/**
 * Checks that a document names the schema that this code reads.
 *
 * @param schema name, slash and number, as in "ghostlens.bundle/2".
 * @throws ManifestError another schema; a newer number is told apart from a foreign name.
 */
export function checkSchema(root: JsonNode, schema: string): void {
  const node = root.get("schema");
  const found = node.text();
  if (found === schema) return;
  const [name, number] = splitSchema(schema);
  const [foundName, foundNumber] = splitSchema(found);
  if (foundName === name && foundNumber > number) {
    node.fail(`${found} is newer than ${schema}, which this app reads; update the app`);
  }
  node.fail(`it is ${JSON.stringify(found)}: allowed is ${schema}`);
}

function splitSchema(schema: string): [string, number] {
  const match = /^(.+)\/([1-9][0-9]{0,8})$/.exec(schema);
  return match ? [match[1] ?? "", Number(match[2])] : [schema, 0];
}

function checkDepth(value: unknown, document: string, depth: number): void {
  if (depth > MAX_DEPTH) {
    throw new ManifestError(`${document} is nested deeper than ${MAX_DEPTH} levels`);
  }
  if (typeof value === "object" && value !== null) {
    for (const member of Object.values(value)) checkDepth(member, document, depth + 1);
  }
}
