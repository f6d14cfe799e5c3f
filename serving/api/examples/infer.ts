import { readFile } from "node:fs/promises";

const { SERVER, KEY, MODEL, PHOTO } = process.env;
const headers: Record<string, string> = { "Content-Type": "application/json" };
if (KEY) headers["X-API-Key"] = KEY;
type Output = { name: string; data: (string | number)[] };

const photo = { name: "photo", datatype: "BYTES", shape: [1], data: [await readFile(PHOTO!, "base64")] };
const answer = await fetch(`${SERVER}/v2/models/${MODEL}/infer`, {
  method: "POST",
  headers,
  body: JSON.stringify({ inputs: [photo], outputs: [{ name: "verdict" }, { name: "label" }] }),
});
if (!answer.ok) throw new Error(await answer.text());
const { outputs } = (await answer.json()) as { outputs: Output[] };
console.log(...outputs.map(({ data }) => data[0]));
