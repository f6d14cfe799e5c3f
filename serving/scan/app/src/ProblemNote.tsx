import { running } from "./delivery/models.ts";
import type { Problem } from "./problem.ts";
import { say } from "./words/words.ts";

/**
 * Says what went wrong; what an engineer would ask for is shown when it is opened.
 *
 * @param isOfModel it keeps a model from coming: then it is said which one goes on.
 */
export function ProblemNote({ problem, isOfModel = false }: { problem: Problem; isOfModel?: boolean }) {
  const now = running.value;
  return (
    <div class="note warn" role="alert">
      <p>{say(problem.word, problem.values)}</p>
      {isOfModel && now !== null && <p>{say("settings.goOn", { version: now.model.version })}</p>}
      <details>
        <summary>{say("settings.details")}</summary>
        <p class="quiet">{problem.detail}</p>
      </details>
    </div>
  );
}
