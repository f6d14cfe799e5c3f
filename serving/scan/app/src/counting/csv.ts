/** A counting list as a table for spreadsheets: RFC 4180, UTF-8. */

import { type Line, sortLines, toLocal } from "./lines.ts";

/** Excel reads a file without it in the encoding of its country. */
const BYTE_ORDER_MARK = "\ufeff";
/** Spreadsheets run cells that begin so as formulas, the full-width ones in East Asia included. */
const FORMULA = /^[\s]*[=+\-@\t\r\n＝＋－＠]/u;
const COLUMNS = {
  item: (line: Line) => line.label,
  name: (line: Line) => line.name,
  count: (line: Line) => line.count,
  site: (line: Line) => line.site,
  barcode: (line: Line) => line.barcode ?? "",
  model: (line: Line) => line.model,
  version: (line: Line) => line.version,
  first_counted_at: (line: Line) => toLocal(line.countedAt),
  last_counted_at: (line: Line) => toLocal(line.changedAt),
} as const;

/** Returns the table of a list, a row for each line, the oldest first. */
export function writeCsv(lines: readonly Line[]): string {
  const oldestFirst = sortLines(lines).reverse();
  const rows = oldestFirst.map((line) => Object.values(COLUMNS).map((read) => read(line)));
  const all = [Object.keys(COLUMNS), ...rows].map((row) => row.map(writeCell));
  return BYTE_ORDER_MARK + all.map((row) => `${row.join(",")}\r\n`).join("");
}

/** Returns a cell; texts that a spreadsheet would run get an apostrophe before them. */
export function writeCell(value: string | number): string {
  const text = String(value);
  const harmless = typeof value === "string" && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** Returns a file's name with the list's day and its site, as in "counts-2026-11-30-branch-12.csv". */
export function nameFile(startedAt: string, sites: readonly string[]): string {
  const [first = ""] = new Set(sites).size === 1 ? sites : [];
  const place = first.normalize("NFC").replace(/[^\p{L}\p{N}\p{M}]+/gu, "-");
  const parts = ["counts", toLocal(startedAt).slice(0, 10), place.replace(/^-+|-+$/g, "")];
  return `${parts.filter((part) => part !== "").join("-")}.csv`;
}
