/** Which of the server's models this device runs. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { recall, remember } from "../remembering.ts";
import { ask } from "../server.ts";

const KEPT = "ghostlens.model";
const chosenState = signal(recall(KEPT) ?? "");
const offeredState = signal<readonly string[]>([]);

/** The name of the model in use; empty before one was chosen. */
export const chosenModel: ReadonlySignal<string> = chosenState;
/** The models that the server had when it was last asked; empty before. */
export const offeredModels: ReadonlySignal<readonly string[]> = offeredState;

/** There is no model, or several of which none was chosen. */
export class ChoiceError extends Error {
  /** @param models the names of those that there are. */
  constructor(readonly models: readonly string[]) {
    super(models.length === 0 ? "the server has no model" : `chosen is none of ${models.join(", ")}`);
  }
}

/** Asks the server which models there are. */
export async function listModels(): Promise<readonly string[]> {
  const { models } = (await (await ask("/v1/models")).json()) as { models: { model: string }[] };
  offeredState.value = models.map(({ model }) => model);
  return offeredState.value;
}

/** Returns the model to run: the one chosen, or the only one. @throws ChoiceError there is none such. */
export async function findChoice(): Promise<string> {
  if (chosenModel.value !== "") return chosenModel.value;
  const models = await listModels();
  const [only] = models;
  if (only === undefined || models.length > 1) throw new ChoiceError(models);
  keepChoice(only);
  return only;
}

/** Keeps a choice on this device. */
export function keepChoice(model: string): void {
  chosenState.value = model;
  remember(KEPT, model);
}
