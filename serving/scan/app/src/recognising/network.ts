/** The release's network in LiteRT.js. */

import { type CompiledModel, Tensor, getWebGpuDevice, loadAndCompile } from "@litertjs/core";
import { MAX_PROBABILITY_DIFFERENCE } from "ghostlens";
import { CrashedError } from "./errors.ts";
import type { Accelerator } from "./recogniser.ts";

/** As the outputs are named in every artifact; see `training/answers.py`. */
const [PROBABILITIES, KNOWN_SCORE] = ["probabilities", "known_score"];
/** Pictures that both processors answer before one of them is chosen. */
const TRIAL_PICTURES = 4;

/** What the network gives. */
export interface Answer {
  readonly probabilities: Float32Array;
  readonly knownScore: number;
}

/**
 * A model file, compiled for the processor and, where there is one, for the graphics processor.
 *
 * Drivers of graphics processors compute what they like, and small networks may be quicker without
 * one: so the first pictures are answered by both. What the graphics processor answers otherwise,
 * later, or not at all ends its use.
 */
export class Network {
  /** Milliseconds that the pictures of the trial took. */
  private readonly trial: { cpu: number; gpu: number }[] = [];

  private constructor(
    private readonly side: number,
    private readonly cpu: CompiledModel,
    private gpu: CompiledModel | null,
  ) {}

  /**
   * Compiles a file; the runtime must have been loaded.
   *
   * @param side of the picture that it takes, in pixels.
   * @param only which processor answers; null for the better one.
   * @throws CrashedError the runtime refuses the file, or the processor does not take it.
   */
  static async open(
    bytes: Uint8Array,
    side: number,
    labels: number,
    only: Accelerator | null,
  ): Promise<Network> {
    const cpu = await loadAndCompile(bytes, { accelerator: "wasm" });
    const complaint = describeMisfit(cpu, side, labels);
    if (complaint !== null) throw new CrashedError(complaint);
    if (only === "wasm") return new Network(side, cpu, null);
    const gpu = await compileForGpu(bytes, only === "webgpu");
    if (only !== "webgpu") return new Network(side, cpu, gpu);
    if (gpu === null) throw new CrashedError("no graphics processor here takes it whole");
    cpu.delete();
    return new Network(side, gpu, null);
  }

  /** Which of both answers from now on. */
  get accelerator(): Accelerator {
    const isChosen = this.gpu !== null && this.trial.length >= TRIAL_PICTURES;
    return isChosen || this.cpu.options.accelerator === "webgpu" ? "webgpu" : "wasm";
  }

  /** Answers a picture: float32 [side, side, 3], 0 to 255. */
  async answer(picture: Float32Array): Promise<Answer> {
    if (this.gpu === null) return this.run(this.cpu, picture);
    const start = performance.now();
    const given = await this.run(this.gpu, picture).catch(() => null);
    if (given !== null && this.trial.length >= TRIAL_PICTURES) return given;
    const between = performance.now();
    const sure = await this.run(this.cpu, picture);
    this.trial.push({ cpu: performance.now() - between, gpu: between - start });
    if (given === null || !isAlike(given, sure) || !isQuick(this.trial)) {
      this.gpu.delete();
      this.gpu = null;
    }
    return sure;
  }

  private async run(model: CompiledModel, picture: Float32Array): Promise<Answer> {
    const input = new Tensor(picture, [1, this.side, this.side, 3]);
    let outputs: Tensor[] = [];
    try {
      outputs = await model.run([input]);
      const names = model.getOutputDetails().map(({ name }) => name);
      const read = (name = ""): Promise<ArrayLike<number>> | undefined =>
        outputs[names.indexOf(name)]?.data();
      const probabilities = (await read(PROBABILITIES)) as Float32Array;
      return { probabilities, knownScore: (await read(KNOWN_SCORE))?.[0] ?? NaN };
    } finally {
      // The runtime's memory is not the collector's.
      for (const tensor of [input, ...outputs]) tensor.delete();
    }
  }
}

/** Returns what is wrong with a model's shapes; null where they are the manifest's. */
function describeMisfit(model: CompiledModel, side: number, labels: number): string | null {
  const shape = model.getInputDetails()[0]?.shape.join();
  const sizes = new Map(model.getOutputDetails().map(({ name, shape }) => [name, shape.join()]));
  const isFit =
    shape === `1,${side},${side},3` &&
    sizes.get(PROBABILITIES) === `1,${labels}` &&
    sizes.get(KNOWN_SCORE) === "1,1";
  if (isFit) return null;
  const found = [...sizes].map(([name, size]) => `${name} [${size}]`).join(", ");
  return `it takes [${shape}] and gives ${found}, other than the manifest says`;
}

/** @param any takes one that is played by the processor, too, which is of use to tests alone. */
async function compileForGpu(bytes: Uint8Array, any: boolean): Promise<CompiledModel | null> {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter || (adapter.info.isFallbackAdapter && !any) || !getWebGpuDevice()) return null;
    const options = { accelerator: "webgpu", gpuOptions: { precision: "fp32" } } as const;
    const model = await loadAndCompile(bytes, options);
    if (model.options.accelerator === "webgpu" && model.isFullyAccelerated) return model;
    model.delete();
  } catch {
    // Then the processor answers.
  }
  return null;
}

/** A NaN is alike to nothing. */
function isAlike(given: Answer, sure: Answer): boolean {
  return sure.probabilities.every(
    (value, index) =>
      Math.abs(value - (given.probabilities[index] ?? NaN)) <= MAX_PROBABILITY_DIFFERENCE,
  );
}

/** At the end of the trial; its first picture, for which programs are compiled, does not count. */
function isQuick(trial: readonly { cpu: number; gpu: number }[]): boolean {
  if (trial.length < TRIAL_PICTURES) return true;
  const [, ...rest] = trial;
  const sum = (of: "cpu" | "gpu"): number => rest.reduce((total, times) => total + times[of], 0);
  return sum("gpu") <= sum("cpu");
}
