import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

// The built test lies in `.test/`, beside the sources' folder, as this file does.
const SOURCES = fileURLToPath(new URL("../src/", import.meta.url));
/** Attributes that people see or hear. */
const SEEN = /\s(?:aria-label|title|alt|placeholder)="[^"]*\p{L}[^"]*"/gu;
/** A text between two tags: a letter, and nothing that only code has. */
const BETWEEN = />\s*([^<>{}();=&|]*\p{L}[^<>{}();=&|]*)\s*<\//gu;

/** Returns the texts in a component's source that are not taken from the languages' files. */
function findTexts(source: string): string[] {
  return [...source.matchAll(SEEN), ...source.matchAll(BETWEEN)].map(([text]) => text.trim());
}

test("no component has a visible text of its own: it would be in one language alone", () => {
  const files = readdirSync(SOURCES, { recursive: true }).map(String);
  // What `try/` shows is part of the developers' pages, which are in English.
  const components = files.filter((name) => name.endsWith(".tsx") && !name.startsWith("try"));
  assert.ok(components.length > 4);
  for (const name of components) {
    assert.deepEqual(findTexts(readFileSync(join(SOURCES, name), "utf8")), [], name);
  }
});

test("such texts are found", () => {
  assert.equal(findTexts("<p>Hello</p>").length, 1);
  assert.equal(findTexts('<button aria-label="Close" />').length, 1);
  assert.equal(findTexts("<p>{say(word)}</p><b>·</b>").length, 0);
});
