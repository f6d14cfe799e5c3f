import { say, sayMany } from "../words/words.ts";
import { correctionProblem, corrections, latest, takeBack } from "./corrections.ts";
import { nameRight } from "./naming.ts";

/** Says that the last answer is corrected, and takes that back; else how many wait. */
export function CorrectionNote() {
  const problem = correctionProblem.value;
  const made = latest.value;
  const waiting = corrections.value.filter(({ refused }) => refused === null).length;
  return (
    <div role="status">
      {problem !== null && <p class="note warn">{say(problem.word, problem.values)}</p>}
      {made !== null && (
        <p class="note with-button">
          <span>{say("correct.done", { name: nameRight(made.document.right) })}</span>
          <button
            type="button"
            class="button"
            aria-label={say("correct.undo-this")}
            onClick={() => void takeBack(made.id)}
          >
            {say("correct.undo")}
          </button>
        </p>
      )}
      {made === null && waiting > 0 && (
        <p class="quiet">{sayMany("correct.waiting", waiting)}</p>
      )}
    </div>
  );
}
