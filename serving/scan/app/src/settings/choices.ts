/** What the person who uses this device allows; nothing until they do. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { recall, remember } from "../remembering.ts";

/** A choice that is kept on this device. */
interface Choice {
  readonly value: ReadonlySignal<boolean>;
  readonly keep: (allowed: boolean) => void;
}

function makeChoice(key: string): Choice {
  const state = signal(recall(key) === "yes");
  const keep = (allowed: boolean): void => {
    state.value = allowed;
    remember(key, allowed ? "yes" : "no");
  };
  return { value: state, keep };
}

const asking = makeChoice("ghostlens.may-ask");
const sharing = makeChoice("ghostlens.share-usage");

/** Whether a photo of which this device is not sure may be sent to the server. */
export const mayAsk = asking.value;
export const keepMayAsk = asking.keep;
/** Whether the server is told how many scans there were, and which labels they got. */
export const shareUsage = sharing.value;
export const keepShareUsage = sharing.keep;
