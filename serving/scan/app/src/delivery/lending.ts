/** Hands a recogniser out so that it can be closed when its last answer was given. */

import type { Recogniser } from "../recognising/recogniser.ts";

/** A recogniser that is in use by others. */
export interface Lent extends Recogniser {
  /** Closes it as soon as nobody waits for an answer of it. */
  retire(): void;
}

/** Wraps a recogniser. */
export function lend(recogniser: Recogniser): Lent {
  let [waiting, isRetired] = [0, false];
  const leave = (): void => {
    waiting -= 1;
    if (isRetired && waiting === 0) recogniser.close();
  };
  const count = <T>(answer: Promise<T>): Promise<T> => {
    waiting += 1;
    return answer.finally(leave);
  };
  return {
    get accelerator() {
      return recogniser.accelerator;
    },
    answerPhoto: (photo) => count(recogniser.answerPhoto(photo)),
    answerFrame: (frame) => count(recogniser.answerFrame(frame)),
    close: () => recogniser.close(),
    retire: () => {
      isRetired = true;
      if (waiting === 0) recogniser.close();
    },
  };
}
