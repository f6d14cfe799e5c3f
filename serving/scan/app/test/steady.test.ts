import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, type Manifest } from "ghostlens";
import { AutomaticHold, HOLD_FRAMES } from "../src/scanning/holding.ts";
import { FrameAverage, keepOrder, LAG_FRAMES, Steadier } from "../src/scanning/steady.ts";

const MANIFEST = { labels: ["gala", "fuji", "lime", "kiwi"], hierarchy: null };
const CONFIDENCE = {
  temperature: 1,
  sure: { minProbability: 0.6 },
  coarse: null,
  known: { score: "known_score", minScore: -1 },
} as unknown as Manifest["artifacts"][number]["confidence"];

const [GALA, LIME] = [seen(0.9, 0.05, 0.03, 0.02), seen(0.05, 0.05, 0.8, 0.1)];
const [UNSURE, NOTHING] = [seen(0.4, 0.3, 0.2, 0.1), { ...seen(0.9, 0.05, 0.03, 0.02), knownScore: -9 }];

function seen(...probabilities: number[]) {
  return { probabilities, knownScore: 0 };
}

function judgeFrame({ probabilities, knownScore }: ReturnType<typeof seen>) {
  const artifact = { path: "a.tflite", confidence: CONFIDENCE };
  return judge(MANIFEST, artifact, probabilities, knownScore);
}

const makeSteadier = () =>
  new Steadier(({ probabilities, knownScore }) =>
    judgeFrame({ probabilities: Array.from(probabilities), knownScore }),
  );

function addAll(steadier: Steadier, frames: ReturnType<typeof seen>[]) {
  return frames.map((frame) => steadier.add(frame));
}

test("an average lies between the frames, the last one counting for less than half", () => {
  const average = new FrameAverage();
  average.add(seen(0.6, 0.4, 0, 0));
  const { probabilities } = average.add(seen(0.4, 0.6, 0, 0));
  assert.ok(Math.abs((probabilities[0] ?? 0) - 0.54) < 1e-9);
  assert.ok(Math.abs(Array.from(probabilities).reduce((sum, p) => sum + p) - 1) < 1e-9);
});

test("the known score is averaged likewise, so that one frame does not make an item unknown", () => {
  const shown = addAll(makeSteadier(), [GALA, GALA, GALA, { ...GALA, knownScore: -2 }]);
  assert.equal(shown.at(-1)?.recognition.verdict, "sure");
});

test("one blurred frame changes nothing", () => {
  const average = new FrameAverage();
  const before = Array.from(average.add(GALA).probabilities);
  assert.deepEqual(average.add(LIME).probabilities, before);
  average.add(GALA);
  assert.equal(average.view, 1);
});

test("two frames of something else start the average anew", () => {
  const average = new FrameAverage();
  for (let i = 0; i < 20; i++) average.add(GALA);
  average.add(LIME);
  const { probabilities } = average.add(LIME);
  assert.equal(average.view, 2);
  assert.ok((probabilities[2] ?? 0) > 0.79);
});

test("frames that agree neither with the average nor with each other are averaged", () => {
  const average = new FrameAverage();
  for (const at of [0, 1, 2, 3, 0, 1, 2, 3]) {
    average.add(seen(...[0, 1, 2, 3].map((i) => (i === at ? 1 : 0))));
  }
  assert.equal(average.view, 1);
});

test("another answer is shown only after it stood for some frames", () => {
  const shown = addAll(makeSteadier(), [GALA, ...Array<typeof LIME>(6).fill(LIME)]);
  const first = shown.map(({ recognition }) => recognition.answers[0]?.label);
  const lime = first.indexOf("lime");
  assert.ok(lime >= LAG_FRAMES, `shown at frame ${lime}`);
  assert.ok(first.slice(lime).every((label) => label === "lime"));
});

test("what is held is what is seen now, not what is still shown", () => {
  const steadier = makeSteadier();
  const held = [GALA, GALA, GALA, GALA, LIME, LIME].map((frame) => steadier.add(frame));
  const current = held.map(({ current }) => current?.answers[0]?.label ?? null);
  assert.deepEqual(current, ["gala", "gala", "gala", "gala", null, "lime"]);
  assert.equal(held.at(-1)?.recognition.answers[0]?.label, "gala");
});

test("how long an answer stands is counted anew for another picture", () => {
  const steadier = makeSteadier();
  const other = seen(0.1, 0.2, 0.3, 0.4);
  const strange = seen(0, 0, 0.55, 0.45);
  const shown = addAll(steadier, [...Array<typeof UNSURE>(9).fill(UNSURE), other, strange, strange]);
  assert.deepEqual(shown.slice(0, 9).map(({ frames }) => frames), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const [last] = shown.slice(-1);
  assert.equal(last?.view, 2);
  assert.ok((last?.frames ?? 9) < 3);
});

test("answers that alternate at a threshold do not alternate on the screen", () => {
  const frames = Array.from({ length: 40 }, (_, i) => (i % 2 ? UNSURE : GALA));
  const shown = addAll(makeSteadier(), frames).map(({ recognition }) => recognition.verdict);
  const changes = shown.filter((verdict, i) => i > 0 && verdict !== shown[i - 1]).length;
  assert.ok(changes <= 1, shown.join(" "));
});

test("names that are close keep their places, those that are ahead pass", () => {
  const shown = judgeFrame(seen(0.3, 0.28, 0.27, 0.15));
  const before = keepOrder([], shown);
  const labels = (frame: ReturnType<typeof seen>): string[] =>
    keepOrder(before, judgeFrame(frame)).map(({ label }) => label);
  assert.deepEqual(labels(seen(0.28, 0.3, 0.27, 0.15)), ["gala", "fuji", "lime"]);
  assert.deepEqual(labels(seen(0.2, 0.4, 0.26, 0.14)), ["fuji", "lime", "gala"]);
  assert.deepEqual(labels(seen(0.28, 0.27, 0.2, 0.25)), ["gala", "fuji", "lime"]);
  assert.deepEqual(labels(seen(0.28, 0.27, 0.15, 0.3)), ["gala", "fuji", "kiwi"]);
});

test("a sure answer stands first, whatever stood there", () => {
  const before = keepOrder([], judgeFrame(seen(0.3, 0.28, 0.27, 0.15)));
  const sure = judgeFrame(seen(0.1, 0.1, 0.1, 0.7));
  assert.equal(keepOrder(before, sure)[0]?.label, "kiwi");
});

test("an answer is held once it was sure for so many frames, and not before", () => {
  const hold = new AutomaticHold();
  const said = Array.from({ length: HOLD_FRAMES }, () => hold.add(judgeFrame(GALA)));
  assert.deepEqual(said.indexOf(true), HOLD_FRAMES - 1);
});

test("what is unsure, unknown or another label in between starts the count anew", () => {
  for (const other of [UNSURE, NOTHING, LIME]) {
    const hold = new AutomaticHold();
    const frames = [...Array<typeof GALA>(HOLD_FRAMES - 1).fill(GALA), other, GALA];
    assert.ok(frames.every((frame) => !hold.add(judgeFrame(frame))));
  }
});

test("the item that was held is not held again until something else was seen", () => {
  const hold = new AutomaticHold();
  const show = (frame: typeof GALA, times: number): boolean =>
    Array.from({ length: times }, () => hold.add(judgeFrame(frame))).some(Boolean);
  assert.ok(show(GALA, HOLD_FRAMES));
  hold.goOn("gala");
  assert.ok(!show(GALA, 50));
  assert.ok(!show(UNSURE, LAG_FRAMES - 1) && !show(GALA, 50));
  assert.ok(!show(UNSURE, LAG_FRAMES) && show(GALA, HOLD_FRAMES));
});

test("another item may follow at once", () => {
  const hold = new AutomaticHold();
  hold.goOn("gala");
  assert.ok(Array.from({ length: HOLD_FRAMES }, () => hold.add(judgeFrame(LIME))).at(-1));
});
