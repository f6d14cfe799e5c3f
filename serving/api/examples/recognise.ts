import { readFile } from "node:fs/promises";

const { SERVER, KEY, MODEL, PHOTO } = process.env;
const headers: Record<string, string> = { "Content-Type": "image/jpeg" };
if (KEY) headers["X-API-Key"] = KEY;
const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

async function recognise(url: string, body: Uint8Array<ArrayBuffer>, tries = 5): Promise<{ verdict: string; words: string }> {
  for (let left = tries - 1; ; left--) {
    const answer = await fetch(url, { method: "POST", headers, body });
    if (answer.ok) return answer.json() as Promise<{ verdict: string; words: string }>;
    const problem = (await answer.json()) as { title: string; detail: string };
    const again = answer.status === 429 || answer.status === 503; // asked too often, or busy
    const wait = Number(answer.headers.get("Retry-After") ?? 1); // hours, where the photos of a day are used up
    if (!again || !left || wait > 60) throw new Error(`${answer.status} ${problem.title}: ${problem.detail}`);
    await sleep(wait);
  }
}

const photo = new Uint8Array(await readFile(PHOTO!)); // or of a Blob: photo.arrayBuffer()
const found = await recognise(`${SERVER}/v1/models/${MODEL}/recognise?top_k=3`, photo);
console.log(found.verdict, found.words);
