import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { recall, remember } from "../remembering.ts";
import type { Scan } from "../scan.ts";
import { nameOf } from "../words/names.ts";
import { say, sayMany } from "../words/words.ts";
import { correct, readRecent } from "./corrections.ts";
import "./correcting.css";
import { LabelSearch } from "./LabelSearch.tsx";
import { findPhotoDays } from "./photos.ts";
import type { Right } from "./queue.ts";

const KEPT = "ghostlens.send-photos";

interface Properties {
  readonly scan: Scan;
  /** Gets what is right, by then kept on this device; null where nothing was corrected. */
  readonly onDone: (right: Right | null) => void;
}

interface Found {
  /** Labels that come first. */
  readonly first: readonly string[];
  /** For how many days the server keeps photos; null where none is offered to be sent. */
  readonly days: number | null;
}

/** Asks what a scan shows in truth. It is open while it is part of the page. */
export function CorrectionDialog({ scan, onDone }: Properties) {
  const dialog = useRef<HTMLDialogElement>(null);
  // Null until all of it is known: nothing may move under the finger afterwards.
  const found = useSignal<Found | null>(null);
  const sendsPhoto = useSignal(recall(KEPT) === "yes");

  useLayoutEffect(() => {
    const opened = dialog.current;
    opened?.showModal();
    return () => opened?.close();
  }, []);
  useEffect(() => {
    void find(scan).then((all) => (found.value = all));
  }, [scan]);

  const take = async (right: Right): Promise<void> => {
    const days = found.value?.days ?? null;
    const isKept = await correct(scan, right, days !== null && sendsPhoto.value);
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
      {found.value && (
        <LabelSearch
          labels={scan.labels}
          first={found.value.first}
          onPick={(right) => void take(right)}
        >
          {found.value.days !== null && <PhotoChoice sends={sendsPhoto} days={found.value.days} />}
        </LabelSearch>
      )}
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

async function find(scan: Scan): Promise<Found> {
  const days = scan.photo === null ? null : findPhotoDays(scan.model);
  return { first: await findFirst(scan), days: await days };
}

/** Returns the labels that were chosen lately, then the answer's other guesses. */
async function findFirst(scan: Scan): Promise<readonly string[]> {
  const guesses = scan.recognition.answers.slice(1, 4).map(({ label }) => label);
  return [...new Set([...(await readRecent(scan.model)), ...guesses])];
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
