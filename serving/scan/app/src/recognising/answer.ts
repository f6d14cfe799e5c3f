/** Runs the golden photos of a release before the switch to it. */

import type { Answer, LoadedArtifact } from "ghostlens";
import { type Recogniser, openRecogniser } from "./recogniser.ts";

/** What `GhostlensClient.update` and `take` ask. */
export interface SelfTestAnswer {
  readonly answer: Answer;
  /** Gives the memory back. */
  close(): void;
}

/** Answers golden photos; an artifact stays open until another one comes, or to the end. */
export function makeAnswer(): SelfTestAnswer {
  let open: { artifact: LoadedArtifact; recogniser: Promise<Recogniser> } | null = null;
  const close = (): void => {
    open?.recogniser.then((recogniser) => recogniser.close()).catch(() => undefined);
    open = null;
  };
  const answer: Answer = async (photo, artifact, manifest) => {
    if (open?.artifact !== artifact) {
      close();
      open = { artifact, recogniser: openRecogniser(artifact, manifest) };
    }
    const recogniser = await open.recogniser;
    return (await recogniser.answerPhoto(photo)).probabilities;
  };
  return { answer, close };
}
