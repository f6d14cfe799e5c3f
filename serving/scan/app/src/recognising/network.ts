/** The release's network in LiteRT.js. */

import { type CompiledModel, Tensor, getWebGpuDevice, loadAndCompile } from "@litertjs/core";
import { MAX_PROBABILITY_DIFFERENCE } from "ghostlens";
import { CrashedError } from "./errors.ts";
import type { Accelerator } from "./recogniser.ts";

/** As the outputs are named in every artifact; see `training/answers.py`. */
const [PROBABILITIES, KNOWN_SCORE] = ["probabilities", "known_score"];
/** Pictures that both processors answer before the graphics processor is believed. */
const TRIAL_PICTURES = 4;

/** What the network gives. */
export interface Answer {
  readonly probabilities: Float32Array;
  readonly knownScore: number;
}

/**
 * A model file, compiled for the processor and, where there is one, for the graphics processor.
 *
 * Drivers of graphics processors compute what they like; so the first pictures are answered by both,
 * and one that answers otherwise, or fails at any time, is not asked again.
 */
export class Network {
  private pictures = 0;

  private constructor(
    private readonly side: number,
    private readonly cpu: CompiledModel,
    private gpu: CompiledModel | null,
  ) {}

  /**
   * Compiles a file; the runtime must have been loaded.
   *
   * @param side of the picture that it takes, in pixels.
   * @throws CrashedError the runtime refuses the file.
   */
  static async open(bytes: Uint8Array, side: number, labels: number): Promise<Network> {
    const cpu = await loadAndCompile(bytes, { accelerator: "wasm" });
    const shape = cpu.getInputDetails()[0]?.shape.join();
    const sizes = new Map(cpu.getOutputDetails().map(({ name, shape }) => [name, shape.join()]));
    const isFit =
      shape === `1,${side},${side},3` &&
      sizes.get(PROBABILITIES) === `1,${labels}` &&
      sizes.get(KNOWN_SCORE) === "1,1";
    if (!isFit) {
      const found = [...sizes].map(([name, size]) => `${name} [${size}]`).join(", ");
      throw new CrashedError(`it takes [${shape}] and gives ${found}, other than the manifest says`);
    }
    return new Network(side, cpu, await compileForGpu(bytes));
  }

  /** Which of both answers from now on. */
  get accelerator(): Accelerator {
    return this.gpu !== null && this.pictures >= TRIAL_PICTURES ? "webgpu" : "wasm";
  }

  /** Answers a picture: float32 [side, side, 3], 0 to 255. */
  async answer(picture: Float32Array): Promise<Answer> {
    if (this.gpu === null) return this.run(this.cpu, picture);
    const onTrial = this.accelerator === "wasm";
    const given = await this.run(this.gpu, picture).catch(() => null);
    if (given !== null && !onTrial) return given;
    const sure = await this.run(this.cpu, picture);
    this.pictures++;
    if (given === null || !isAlike(given, sure)) {
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

async function compileForGpu(bytes: Uint8Array): Promise<CompiledModel | null> {
  if (getWebGpuDevice() === null) return null;
  try {
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
