import { readFile } from "node:fs/promises";

const { SERVER, KEY, MODEL, DEVICE, VERSION, LABEL, RIGHT, PHOTO, SCANNED_AT, CORRECTION_ID } = process.env;
const correction = {
  correction_id: CORRECTION_ID, // a UUID, made once for the scan
  device_id: DEVICE,
  scanned_at: SCANNED_AT,
  version: VERSION,
  answered: { label: LABEL, verdict: "unsure", by: "device" },
  right: { kind: "label", name: RIGHT },
};
const form = new FormData();
form.set("correction", new Blob([JSON.stringify(correction)], { type: "application/json" }));
form.set("photo", new Blob([new Uint8Array(await readFile(PHOTO!))], { type: "image/jpeg" }));
// Where no answer comes, the same is sent again: the server does it once for a key.
const headers: Record<string, string> = { "Idempotency-Key": `"${CORRECTION_ID}"` };
if (KEY) headers["X-API-Key"] = KEY;

const url = `${SERVER}/v1/models/${MODEL}/corrections`;
const answer = await fetch(url, { method: "POST", headers, body: form });
if (!answer.ok) throw new Error(await answer.text());
const found = (await answer.json()) as { state: string; photo: { why: string } };
console.log(found.state, "the photo:", found.photo.why);
