import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { recall, remember } from "../remembering.ts";
import type { Scan } from "../scan.ts";
import { nameOf } from "../words/names.ts";
import { say, sayMany } from "../words/words.ts";
import { findLabels, findPhotoDays } from "./choices.ts";
import { correct, readRecent } from "./corrections.ts";
import "./correcting.css";
import { LabelSearch } from "./LabelSearch.tsx";
import type { Right } from "./queue.ts";

const KEPT = "ghostlens.send-photos";

interface Properties {
  readonly scan: Scan;
  /** Gets what is right, by then kept on this device; null where nothing was corrected. */
  readonly onDone: (right: Right | null) => void;
}

/** Asks what a scan shows in truth. It is open while it is part of the page. */
export function CorrectionDialog({ scan, onDone }: Properties) {
  const dialog = useRef<HTMLDialogElement>(null);
  const choice = useSignal<Choice | null>(null);
  const sendsPhoto = useSignal(recall(KEPT) === "yes");
  const days = useSignal<number | null>(null);

  useLayoutEffect(() => {
    const opened = dialog.current;
    opened?.showModal();
    return () => opened?.close();
  }, []);
  useEffect(() => {
    void findChoice(scan).then((found) => (choice.value = found));
    if (scan.photo !== null) void findPhotoDays(scan.model).then((found) => (days.value = found));
  }, [scan]);

  const take = async (right: Right): Promise<void> => {
    const isKept = await correct(scan, right, days.value !== null && sendsPhoto.value);
    onDone(isKept ? right : null);
  };
  const [best] = scan.recognition.answers;
  return (
    <dialog
      class="correction"
      ref={dialog}
      aria-labelledby="correction-title"
      onCancel={(event) => {
        event.preventDefault();
        onDone(null);
      }}
    >
      {/* Where the focus is until there is a field: no key may press a button by mistake. */}
      <h2 id="correction-title" tabIndex={-1} autofocus>
        {say("correct.title")}
      </h2>
      {best && <p class="quiet">{say("correct.answered", { name: nameOf(best.label) })}</p>}
      {choice.value && (
        <LabelSearch {...choice.value} onPick={(right) => void take(right)} />
      )}
      {days.value !== null && <PhotoChoice sends={sendsPhoto} days={days.value} />}
      <div class="buttons">
        <button
          type="button"
          class="button"
          onClick={() => void take({ kind: "not-an-item" })}
        >
          {say("correct.not-item")}
        </button>
        <button type="button" class="button" onClick={() => onDone(null)}>
          {say("correct.close")}
        </button>
      </div>
    </dialog>
  );
}

interface Choice {
  readonly labels: readonly string[];
  readonly first: readonly string[];
}

/** Returns what to choose from: what was chosen lately first, then the answer's other guesses. */
async function findChoice(scan: Scan): Promise<Choice> {
  const [labels, recent] = [await findLabels(scan), await readRecent(scan.model)];
  const guesses = scan.recognition.answers.slice(1, 4).map(({ label }) => label);
  return { labels, first: [...new Set([...recent, ...guesses])] };
}

function PhotoChoice({ sends, days }: { sends: { value: boolean }; days: number }) {
  return (
    <>
      <label class="choice">
        <input
          type="checkbox"
          checked={sends.value}
          aria-describedby="photo-why"
          onChange={({ currentTarget: { checked } }) => {
            sends.value = checked;
            remember(KEPT, checked ? "yes" : "no");
          }}
        />
        {say("correct.photo")}
      </label>
      <p id="photo-why" class="quiet">
        {sayMany("correct.photo-why", days)}
      </p>
    </>
  );
}
