import { useSignal } from "@preact/signals";
import { WaitingCorrections } from "../correcting/WaitingCorrections.tsx";
import { isLasting } from "../kept.ts";
import { SiteField } from "../SiteField.tsx";
import { say, sayMany, sayNumber, sayTime } from "../words/words.ts";
import { CountLine, nameOfLine, UNDO } from "./CountLine.tsx";
import "./counting.css";
import { canUndo, countProblem, currentList, lines, lists } from "./counts.ts";
import { openList, removeList, startNewList, undo } from "./counts.ts";
import { nameFile, writeCsv } from "./csv.ts";
import { canShare, saveCsv, shareCsv } from "./exporting.ts";
import { type CountList, sumByItem } from "./lines.ts";

/** What was counted, to change it and to hand it over; and what waits to be sent. */
export function CountScreen() {
  const problem = countProblem.value;
  return (
    <section class="screen">
      <h1>{say("count.title")}</h1>
      {!isLasting.value && <p class="note warn">{say("count.not-lasting")}</p>}
      <div role="alert">
        {problem !== null && <p class="note warn">{say(problem.word, problem.values)}</p>}
      </div>
      <SiteField />
      {lists.value.length > 1 && <ListChoice />}
      {lines.value.length === 0 ? (
        <p>{say("count.empty")}</p>
      ) : (
        <ul class="list counted">
          {lines.value.map((line) => (
            <CountLine key={line.id} line={line} />
          ))}
        </ul>
      )}
      <Sums />
      <Actions />
      <WaitingCorrections />
    </section>
  );
}

function ListChoice() {
  return (
    <label class="field">
      <span>{say("count.which")}</span>
      <select
        value={currentList.value?.id ?? ""}
        onChange={(event) => openList(event.currentTarget.value)}
      >
        {lists.value.map(({ id, startedAt }) => (
          <option key={id} value={id}>
            {say("count.started", { time: sayTime(new Date(startedAt)) })}
          </option>
        ))}
      </select>
    </label>
  );
}

/** All in all; by item where one stands in several lines. */
function Sums() {
  const sums = sumByItem(lines.value);
  const pieces = lines.value.reduce((sum, { count }) => sum + count, 0);
  return (
    <>
      <p role="status">
        {say("count.sum", {
          items: sayMany("count.items", sums.length),
          pieces: sayMany("count.pieces", pieces),
        })}
      </p>
      {sums.length < lines.value.length && (
        <details class="card">
          <summary>{say("count.totals")}</summary>
          <ul class="list">
            {sums.map(({ line, count }) => (
              <li key={line.id}>
                <span>{nameOfLine(line)}</span>
                <strong>{sayNumber(count)}</strong>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

/** Deletes a list; its button may go with it, and can be taken back beside it. */
async function remove(list: CountList): Promise<void> {
  if (await removeList(list)) document.getElementById(UNDO)?.focus();
}

function Actions() {
  const isUnshared = useSignal(false);
  const list = currentList.value;
  const isEmpty = lines.value.length === 0;
  const exportBy = async (hand: (name: string, text: string) => unknown): Promise<void> => {
    if (list === null) return;
    const sites = lines.value.map((line) => line.site);
    try {
      await hand(nameFile(list.startedAt, sites), writeCsv(lines.value));
      isUnshared.value = false;
    } catch (error) {
      console.warn("the table was not shared:", error);
      isUnshared.value = true;
    }
  };
  return (
    <>
      <div class="buttons count-actions">
        <button
          type="button"
          id={UNDO}
          class="button"
          disabled={!canUndo.value}
          onClick={() => void undo()}
        >
          {say("count.undo")}
        </button>
        <button
          type="button"
          class="button primary"
          disabled={isEmpty}
          onClick={() => void exportBy(saveCsv)}
        >
          {say("count.save")}
        </button>
        {canShare() && (
          <button
            type="button"
            class="button"
            disabled={isEmpty}
            onClick={() => void exportBy(shareCsv)}
          >
            {say("count.share")}
          </button>
        )}
        <button
          type="button"
          class="button"
          disabled={isEmpty}
          onClick={() => void startNewList()}
        >
          {say("count.new")}
        </button>
        {list !== null && (
          <button type="button" class="button" onClick={() => void remove(list)}>
            {say("count.delete")}
          </button>
        )}
      </div>
      <div role="alert">
        {isUnshared.value && <p class="note warn">{say("count.not-shared")}</p>}
      </div>
    </>
  );
}
