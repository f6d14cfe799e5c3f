import { nameOf } from "../words/names.ts";
import { say, sayMany } from "../words/words.ts";
import { corrections, held, takeBack, tryAgain } from "./corrections.ts";
import "./correcting.css";
import { nameRight } from "./naming.ts";
import type { Correction } from "./queue.ts";

/** The corrections that the server does not have yet, and those that it did not take. */
export function WaitingCorrections() {
  const waiting = corrections.value.filter(({ refused }) => refused === null).length;
  return (
    <section aria-labelledby="corrections">
      <h2 id="corrections">{say("correct.corrections")}</h2>
      <div role="status">
        {waiting === 0 && <p class="quiet">{say("correct.all-sent")}</p>}
        {waiting > 0 && <p>{sayMany("correct.waiting", waiting)}</p>}
        {waiting > 0 && held.value !== null && (
          <p class={held.value === "key" ? "note warn" : "quiet"}>
            {say(`correct.held-${held.value}`)}
          </p>
        )}
      </div>
      <ul class="list">
        {corrections.value.map((correction) => (
          <Entry key={correction.id} correction={correction} />
        ))}
      </ul>
    </section>
  );
}

function Entry({ correction }: { correction: Correction }) {
  const { id, document, refused } = correction;
  const right = nameRight(document.right);
  const { label } = document["answered"] as { label: string | null };
  const answer = label === null ? say("correct.no-answer") : nameOf(label);
  return (
    <li class="waiting">
      <span>
        {say("correct.was", { answer, right })}
        {refused === null && <span class="quiet places">{say("correct.waits")}</span>}
        {refused !== null && (
          <span class="quiet places">
            {say("correct.refused")} {refused}
          </span>
        )}
      </span>
      {refused !== null && (
        <button
          type="button"
          class="button"
          aria-label={say("correct.again-this", { name: right })}
          onClick={() => void tryAgain(id)}
        >
          {say("correct.again")}
        </button>
      )}
      <button
        type="button"
        class="button"
        aria-label={say("correct.delete-this", { name: right })}
        onClick={() => void takeBack(id)}
      >
        {say("correct.delete")}
      </button>
    </li>
  );
}
