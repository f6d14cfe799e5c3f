/** What a counting list is made of, and what can be done with it; nothing here is stored. */

/** A count of a shelf, a store or a field, with an end and a beginning. */
export interface CountList {
  readonly id: string;
  /** ISO 8601, in UTC, to the millisecond. */
  readonly startedAt: string;
}

/** What is counted: an item, at a place. */
export interface Item {
  /** A label of the model, or a name that staff gave to what it does not know. */
  readonly label: string;
  readonly model: string;
  /** The version that named it. */
  readonly version: string;
  readonly barcode?: string | null;
}

/** One line of a list: how many of an item there are at a place. */
export interface Line extends Item {
  readonly id: string;
  readonly list: string;
  /** As it was shown when it was counted; the label's name may change with releases. */
  readonly name: string;
  readonly site: string;
  readonly barcode: string | null;
  /** 0 to `MAX_COUNT`. */
  readonly count: number;
  /** When the first and when the last was counted; ISO 8601, in UTC, to the millisecond. */
  readonly countedAt: string;
  readonly changedAt: string;
}

export const MAX_COUNT = 999_999;

/** Returns the id of the line that an item belongs to. */
export function identify(list: string, item: Item, site: string): string {
  return JSON.stringify([list, item.model, item.label, site, item.barcode ?? ""]);
}

/** Returns a line with nothing counted yet. */
export function startLine(list: string, item: Item, name: string, site: string, at: Date): Line {
  const time = at.toISOString();
  const id = identify(list, item, site);
  const { label, model, version, barcode = null } = item;
  const times = { countedAt: time, changedAt: time };
  return { id, list, label, name, model, version, site, barcode, count: 0, ...times };
}

/** Returns the line with another count; what is no count is brought to the nearest. */
export function withCount(line: Line, count: number, at: Date): Line {
  const whole = Math.min(MAX_COUNT, Math.max(0, Math.round(count) || 0));
  return { ...line, count: whole, changedAt: at.toISOString() };
}

/** Returns what a user typed as a count; null where it is none. Any script's digits are. */
export function readCount(text: string): number | null {
  const plain = text.normalize("NFKC").replace(/[\s,.'’ ]/g, "");
  if (!/^[0-9]{1,6}$/.test(plain)) return null;
  return Number(plain);
}

/** Returns the newest first; changing a count moves nothing under the finger. */
export function sortLines(lines: readonly Line[]): Line[] {
  return [...lines].sort((a, b) => b.countedAt.localeCompare(a.countedAt));
}

/** Returns how many there are of each item, whatever the place or barcode; the most first. */
export function sumByItem(lines: readonly Line[]): { line: Line; count: number }[] {
  const sums = new Map<string, { line: Line; count: number }>();
  for (const line of lines) {
    const key = JSON.stringify([line.model, line.label]);
    sums.set(key, { line, count: (sums.get(key)?.count ?? 0) + line.count });
  }
  return [...sums.values()].sort((a, b) => b.count - a.count);
}

/** Returns a time to the second, as the device's clock shows it: 2026-11-30T14:05:00+08:00. */
export function toLocal(time: string): string {
  const at = new Date(time);
  const offset = -at.getTimezoneOffset();
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  const local = new Date(at.getTime() + offset * 60_000).toISOString().slice(0, 19);
  const size = Math.abs(offset);
  return `${local}${offset < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
}
