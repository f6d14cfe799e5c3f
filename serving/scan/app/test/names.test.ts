import assert from "node:assert/strict";
import { test } from "node:test";
import { followNames, listNames, nameOf } from "../src/words/names.ts";
import { chooseLanguage, language, say, sayMany } from "../src/words/words.ts";

const TABLES: Record<string, Map<string, string>> = {
  de: new Map([["red", "Rot"]]),
  "zh-Hans": new Map([["red", "红色"]]),
};

test("an item is called by its name in the language in use, and by its label without one", async () => {
  const names = async (tag: string) => TABLES[tag] ?? new Map<string, string>();
  await followNames({ languages: ["de", "zh-Hans"], names });
  chooseLanguage("zh-Hans");
  assert.deepEqual([nameOf("red"), nameOf("blue")], ["红色", "blue"]);
  chooseLanguage("en");
  assert.equal(nameOf("red"), "red");
  assert.deepEqual(listNames("red"), ["red", "Rot", "红色"]);
});

test("a model whose names cannot be read shows labels", async (context) => {
  const warn = context.mock.method(console, "warn", () => undefined);
  await followNames({ languages: ["en"], names: () => Promise.reject(new Error("gone")) });
  assert.deepEqual([nameOf("red"), listNames("red")], ["red", ["red"]]);
  assert.equal(warn.mock.callCount(), 1);
});

test("the names of the last model count, whichever are read first", async () => {
  chooseLanguage("zh-Hans");
  let finish = (_: Map<string, string>): void => undefined;
  const slow = followNames({
    languages: ["zh-Hans"],
    names: () => new Promise((resolve) => (finish = resolve)),
  });
  await followNames({ languages: ["zh-Hans"], names: async () => new Map([["red", "朱红"]]) });
  finish(new Map([["red", "旧"]]));
  await slow;
  assert.equal(nameOf("red"), "朱红");
});

test("numbers and their words follow the language", () => {
  chooseLanguage("en");
  assert.equal(sayMany("count.pieces", 1), "1 piece");
  assert.equal(sayMany("count.pieces", 1234), "1,234 pieces");
  chooseLanguage("zh-Hans");
  assert.equal(sayMany("count.pieces", 1), "共 1 件");
  assert.equal(say("tab.scan"), "扫描");
  assert.equal(language.value, "zh-Hans");
});
