/** The counting lists of this device: what is in them, and every change, kept at once. */

import { computed, signal } from "@preact/signals";
import { makeUuid } from "../device.ts";
import { keepFact, openKept, readFact, StorageFullError } from "../kept.ts";
import type { Problem } from "../problem.ts";
import { site } from "../site.ts";
import { nameOf } from "../words/names.ts";
import { type CountList, identify, type Item, type Line } from "./lines.ts";
import { sortLines, startLine, withCount } from "./lines.ts";

const CURRENT = "current-list";
const MOST_UNDONE = 50;
/** So long the last count is told; it can be taken back on the screen of counts later too. */
const TOLD_MS = 10_000;

/** What a change can be taken back to. */
interface Step {
  readonly lists: ReadonlyMap<string, CountList | undefined>;
  readonly lines: ReadonlyMap<string, Line | undefined>;
  readonly current: string | null;
}

const listState = signal<readonly CountList[]>([]);
const lineState = signal<readonly Line[]>([]);
const steps = signal<readonly Step[]>([]);

/** All lists, the newest first. */
export const lists = computed(() =>
  [...listState.value].sort((a, b) => b.startedAt.localeCompare(a.startedAt)),
);
const chosen = signal<string | null>(null);
/** The list that is counted into; null before the first count. */
export const currentList = computed(
  () => lists.value.find(({ id }) => id === chosen.value) ?? lists.value[0] ?? null,
);
/** Its lines, the newest first. */
export const lines = computed(() =>
  sortLines(lineState.value.filter(({ list }) => list === currentList.value?.id)),
);
export const canUndo = computed(() => steps.value.length > 0);
/** The line that was counted last, for a word about it; null after a while. */
export const lastCounted = signal<Line | null>(null);
/** Why the last change was not kept; null where it was. */
export const countProblem = signal<Problem | null>(null);

/** Reads what is kept; again whenever the page is shown, as other tabs count too. */
export async function startCounts(): Promise<void> {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void attempt(readAll);
  });
  chosen.value = await readFact<string | null>(CURRENT, null);
  await attempt(readAll);
}

async function readAll(): Promise<void> {
  const kept = await openKept();
  [listState.value, lineState.value] = [await kept.list("lists"), await kept.list("lines")];
}

/**
 * Adds to the count of an item at this place.
 *
 * @param count how many more.
 * @returns whether it is kept; if not, `countProblem` says why.
 */
export async function addCount(item: Item, count = 1): Promise<boolean> {
  return attempt(async () => {
    const list = currentList.value ?? (await startList());
    const at = new Date();
    const empty = startLine(list.id, item, nameOf(item.label), site.value, at);
    const id = identify(list.id, item, site.value);
    await changeLine(id, (found = empty) => {
      const { label, version, name } = empty;
      return withCount({ ...found, label, version, name }, found.count + count, at);
    });
    const counted = lineState.value.find((line) => line.id === id) ?? null;
    lastCounted.value = counted;
    setTimeout(() => {
      if (lastCounted.value === counted) lastCounted.value = null;
    }, TOLD_MS);
  });
}

/** Counts some more or fewer of a line; not below zero. */
export async function addToLine(line: Line, more: number): Promise<void> {
  await attempt(() =>
    changeLine(line.id, (found = line) => withCount(found, found.count + more, new Date())),
  );
}

/** Sets the count of a line. */
export async function setCount(line: Line, count: number): Promise<void> {
  if (line.count === count) return;
  await attempt(() => changeLine(line.id, (found = line) => withCount(found, count, new Date())));
}

/** Deletes a line; returns whether that is kept. */
export async function removeLine(line: Line): Promise<boolean> {
  return attempt(() => changeLine(line.id, () => undefined));
}

/** Takes the last change of this visit back. */
export async function undo(): Promise<void> {
  const step = steps.value.at(-1);
  if (step === undefined) return;
  await attempt(async () => {
    for (const [id, list] of step.lists) await storeList(id, list);
    for (const [id, line] of step.lines) await storeLine(id, () => line);
    choose(step.current);
    steps.value = steps.value.slice(0, -1);
    lastCounted.value = null;
  });
}

/** Starts a new list; the ones before are kept. An empty one is not started twice. */
export async function startNewList(): Promise<void> {
  if (currentList.value !== null && lines.value.length === 0) return;
  await attempt(async () => void (await startList()));
}

/** Counts into another list from now on. */
export function openList(id: string): void {
  choose(id);
  [steps.value, lastCounted.value] = [[], null];
}

/** Deletes a list and what was counted in it; returns whether that is kept. */
export async function removeList(list: CountList): Promise<boolean> {
  return attempt(async () => {
    const gone = lineState.value.filter((line) => line.list === list.id);
    const step: Step = {
      lists: new Map([[list.id, list]]),
      lines: new Map(gone.map((line) => [line.id, line])),
      current: chosen.value,
    };
    for (const { id } of gone) await storeLine(id, () => undefined);
    await storeList(list.id, undefined);
    remember(step);
    choose(lists.value[0]?.id ?? null);
    lastCounted.value = null;
  });
}

async function startList(): Promise<CountList> {
  const list: CountList = { id: makeUuid(), startedAt: new Date().toISOString() };
  const current = chosen.value;
  await storeList(list.id, list);
  remember({ lists: new Map([[list.id, undefined]]), lines: new Map(), current });
  choose(list.id);
  return list;
}

function choose(id: string | null): void {
  chosen.value = id;
  void keepFact(CURRENT, id);
}

async function changeLine(id: string, change: (found?: Line) => Line | undefined): Promise<void> {
  const before = await storeLine(id, change);
  remember({ lists: new Map(), lines: new Map([[id, before]]), current: chosen.value });
}

function remember(step: Step): void {
  steps.value = [...steps.value, step].slice(-MOST_UNDONE);
}

/** Changes a line that is kept, then what is shown; returns what it was before. */
async function storeLine(id: string, change: (found?: Line) => Line | undefined) {
  let [before, after]: (Line | undefined)[] = [];
  await (await openKept()).change("lines", id, (found) => {
    before = found;
    after = change(found);
    return after;
  });
  const others = lineState.value.filter((line) => line.id !== id);
  lineState.value = after === undefined ? others : [...others, after];
  return before;
}

async function storeList(id: string, list: CountList | undefined): Promise<void> {
  await (await openKept()).change("lists", id, () => list);
  const others = listState.value.filter((other) => other.id !== id);
  listState.value = list === undefined ? others : [...others, list];
}

async function attempt(work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    countProblem.value = null;
    return true;
  } catch (error) {
    const word = error instanceof StorageFullError ? "count.full" : "count.not-kept";
    countProblem.value = { word, detail: String(error) };
    return false;
  }
}
