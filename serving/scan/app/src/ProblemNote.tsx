import type { Problem } from "./problem.ts";
import { say } from "./words/words.ts";

/** Says what went wrong; what an engineer would ask for is shown when it is opened. */
export function ProblemNote({ problem: { word, values, detail } }: { problem: Problem }) {
  return (
    <div role="alert">
      <details class="note warn">
        <summary>{say(word, values)}</summary>
        <p class="quiet">{detail}</p>
      </details>
    </div>
  );
}
