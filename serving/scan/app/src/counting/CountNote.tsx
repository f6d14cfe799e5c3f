import { nameOf } from "../words/names.ts";
import { say } from "../words/words.ts";
import { countProblem, lastCounted, undo } from "./counts.ts";

/** Says what was counted last, and takes it back; or why it was not kept. */
export function CountNote() {
  const line = lastCounted.value;
  const problem = countProblem.value;
  return (
    <div role="status">
      {problem !== null && <p class="note warn">{say(problem.word, problem.values)}</p>}
      {problem === null && line !== null && (
        <p class="note with-button">
          <span>{say("count.added", { name: nameOf(line.label), count: line.count })}</span>
          <button
            type="button"
            class="button"
            aria-label={say("count.undo-this")}
            onClick={() => void undo()}
          >
            {say("count.undo")}
          </button>
        </p>
      )}
    </div>
  );
}
