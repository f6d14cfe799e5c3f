import { type CompiledModel, Tensor, loadAndCompile, loadLiteRt } from "@litertjs/core";
import { GhostlensClient, type LoadedArtifact, type Manifest, browserStorage, judge, preprocess } from "ghostlens";
import root from "./root.json" with { type: "json" };

const client = new GhostlensClient({
  url: "§{url}",
  trustedRoot: root,
  model: "§{model}",
  device: { platform: "web", channel: "§{channel}" },
  storage: browserStorage(),§{key}
});
const network = loadLiteRt("/litert/"); // where you serve node_modules/@litertjs/core/wasm
const compiled = new WeakMap<LoadedArtifact, Promise<CompiledModel>>();

/** Decode, turn, resize and crop to §{side} x §{side} as the manifest says; then run. */
async function run(photo: Uint8Array, artifact: LoadedArtifact, manifest: Manifest) {
  const options = { imageOrientation: "from-image", colorSpaceConversion: "none" } as const;
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(photo)]), options);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d")!;
  canvas.drawImage(bitmap, 0, 0);
  const pixels = preprocess(canvas.getImageData(0, 0, bitmap.width, bitmap.height), manifest.preprocess);
  await network;
  const load = compiled.get(artifact) ?? loadAndCompile(artifact.bytes, { accelerator: "wasm" });
  compiled.set(artifact, load);
  const input = new Tensor(Float32Array.from(pixels), [1, §{side}, §{side}, 3]);
  const outputs = await (await load).run(input);
  const [probabilities, knownScore] = await Promise.all(outputs.map((output) => output.data()));
  for (const tensor of [input, ...outputs]) tensor.delete();
  return { probabilities: Float32Array.from(probabilities!), knownScore: Number(knownScore![0]) };
}

// Takes what the channel offers, verifies it, and tests it with the golden photos before the switch.
await client.update(async (...photo) => (await run(...photo)).probabilities);
const model = await client.start(); // null: nothing was ever taken

export async function recognise(photo: Blob) {
  if (model === null) throw new Error("there is no model on this device yet");
  const bytes = new Uint8Array(await photo.arrayBuffer());
  const { probabilities, knownScore } = await run(bytes, model.artifact, model.manifest);
  return judge(model.manifest, model.artifact, probabilities, knownScore); // verdict, answers, coarse
}
