/** Hands a recogniser out so that it can be closed when its last answer was given. */

import { CrashedError, type Recogniser } from "../recognising/recogniser.ts";

/** A recogniser that is in use by others. */
export interface Lent extends Recogniser {
  /** Whether it died, so that another must be opened. */
  readonly hasCrashed: boolean;
  /** Is called when it dies while it is in use. */
  onCrash: () => void;
  /** Closes it as soon as nobody waits for an answer of it. */
  retire(): void;
}

/** Wraps a recogniser. */
export function lend(recogniser: Recogniser): Lent {
  let [waiting, isRetired, hasCrashed] = [0, false, false];
  const count = async <T>(answer: Promise<T>): Promise<T> => {
    waiting += 1;
    try {
      return await answer;
    } catch (error) {
      if (error instanceof CrashedError && !isRetired && !hasCrashed) {
        hasCrashed = true;
        lent.onCrash();
      }
      throw error;
    } finally {
      waiting -= 1;
      if (isRetired && waiting === 0) recogniser.close();
    }
  };
  const retire = (): void => {
    isRetired = true;
    if (waiting === 0) recogniser.close();
  };
  const lent: Lent = {
    get accelerator() {
      return recogniser.accelerator;
    },
    get hasCrashed() {
      return hasCrashed;
    },
    onCrash: () => undefined,
    answerPhoto: (photo) => count(recogniser.answerPhoto(photo)),
    answerFrame: (frame) => count(recogniser.answerFrame(frame)),
    close: retire,
    retire,
  };
  return lent;
}
