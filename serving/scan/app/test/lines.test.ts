import assert from "node:assert/strict";
import { test } from "node:test";
import { nameFile, writeCell, writeCsv } from "../src/counting/csv.ts";
import { MAX_COUNT, readCount, sortLines, startLine } from "../src/counting/lines.ts";
import { sumByItem, toLocal, withCount } from "../src/counting/lines.ts";

const AT = new Date("2026-11-30T06:05:00Z");

function makeLine(label: string, count: number, site = "", second = 0) {
  const at = new Date(AT.getTime() + second * 1000);
  const item = { label, model: "fruit", version: "1.0.0" };
  return withCount(startLine("list", item, `the ${label}`, site, at), count, at);
}

test("a table has a row for each line, the oldest first, as RFC 4180 and Excel want it", () => {
  const text = writeCsv([makeLine("pear, green", 2, 'the "barn"', 5), makeLine("apple", 11)]);
  assert.equal(text[0], "\ufeff");
  const [head, first, second, end] = text.slice(1).split("\r\n");
  assert.equal(
    head,
    "item,name,count,site,barcode,model,version,first_counted_at,last_counted_at",
  );
  assert.ok(first!.startsWith("apple,the apple,11,,,fruit,1.0.0,2026-11-30T"));
  assert.ok(second!.startsWith('"pear, green","the pear, green",2,"the ""barn""",,fruit,1.0.0,'));
  assert.equal(end, "");
});

test("what a spreadsheet would run as a formula is defused", () => {
  for (const text of ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", " =1", "＝1", "－1"]) {
    assert.equal(writeCell(text).replace(/^"/, "")[0], "'", text);
  }
  assert.equal(writeCell("\r=1"), '"\'\r=1"');
  for (const text of ["apple", "苹果", "a-b", "012345"]) assert.equal(writeCell(text), text);
  assert.equal(writeCell(-1), "-1", "a number is none");
});

test("a file is named after its day, and its site where all lines have the same", () => {
  const day = new Date(2026, 10, 30, 0, 5).toISOString();
  assert.equal(nameFile(day, ["branch 12/a", "branch 12/a"]), "counts-2026-11-30-branch-12-a.csv");
  assert.equal(nameFile(day, ["../一号店"]), "counts-2026-11-30-一号店.csv");
  assert.equal(nameFile(day, ["a", "b"]), "counts-2026-11-30.csv");
  assert.equal(nameFile(day, [""]), "counts-2026-11-30.csv");
});

test("a typed number is read in the scripts that people use, and nothing else is", () => {
  assert.deepEqual(["12", " 7 ", "１２", "1,200", "0"].map(readCount), [12, 7, 12, 1200, 0]);
  assert.deepEqual(["", "-1", "1e5", "1234567", "ten"].map(readCount), Array(5).fill(null));
});

test("a count stays a whole number that the table can hold", () => {
  const line = makeLine("apple", 1);
  assert.equal(withCount(line, -3, AT).count, 0);
  assert.equal(withCount(line, 1e9, AT).count, MAX_COUNT);
  assert.equal(withCount(line, Number.NaN, AT).count, 0);
});

test("totals take the lines of an item together, whatever their place", () => {
  const sums = sumByItem([makeLine("apple", 2, "a"), makeLine("pear", 9), makeLine("apple", 3)]);
  assert.deepEqual(
    sums.map(({ line, count }) => [line.label, count]),
    [
      ["pear", 9],
      ["apple", 5],
    ],
  );
});

test("the line that was counted first stays last, whatever is counted later", () => {
  const [old, young] = [makeLine("old", 1), makeLine("young", 1, "", 9)];
  const again = withCount(old, 5, new Date(AT.getTime() + 60_000));
  assert.deepEqual(sortLines([again, young]), [young, again]);
});

test("a time in the table names its offset, and is the same moment", () => {
  const time = toLocal(AT.toISOString());
  assert.match(time, /^2026-11-(29|30)T\d\d:\d\d:00[+-]\d\d:\d\d$/);
  assert.equal(Date.parse(time), AT.getTime());
});
