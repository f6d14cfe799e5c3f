import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { listNames, nameOf } from "../words/names.ts";
import { say, sayMany } from "../words/words.ts";
import type { Right } from "./queue.ts";
import { fold, makeIndex, search } from "./search.ts";

/** More are not shown, but counted: nobody reads on, and 5,000 would take long to draw. */
const MOST_SHOWN = 50;
/** What the server takes as a label or a name, in characters. */
const MAX_NAME_CHARS = 200;

interface Properties {
  readonly labels: readonly string[];
  /** Labels that come first. */
  readonly first: readonly string[];
  readonly onPick: (right: Right) => void;
  /** What stands above the list: a tap in that is the end. */
  readonly children?: ComponentChildren;
}

/** A field to search in labels, with what was found below it; ARIA's combobox with a listbox. */
export function LabelSearch({ labels, first, onPick, children }: Properties) {
  const query = useSignal("");
  // The place of the option that Enter takes; -1 for none.
  const active = useSignal(-1);
  const field = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const index = useMemo(() => makeIndex(sortByName(labels), listNames), [labels]);
  const found = useMemo(() => search(index, query.value, first), [index, query.value, first]);
  const options = listOptions(found, query.value);

  useEffect(() => {
    // On a phone its keyboard would cover the list, in which most are found without typing.
    if (!isTouched()) field.current?.focus();
  }, []);
  useEffect(() => {
    list.current?.children[active.value]?.scrollIntoView({ block: "nearest" });
  }, [active.value]);

  const onKey = (event: KeyboardEvent): void => {
    if (event.isComposing) return; // Enter and arrows belong to the input method
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && options.length > 0) {
      const from = step < 0 ? Math.max(active.value, 0) : active.value;
      active.value = (from + step + options.length) % options.length;
    } else if (event.key === "Enter") {
      const chosen = options[active.value] ?? findMeant(found, options, query.value.trim());
      if (chosen !== undefined) onPick(chosen);
      else if (isTouched()) field.current?.blur(); // which closes its keyboard
    } else {
      return;
    }
    event.preventDefault();
  };
  const onInput = (event: { currentTarget: HTMLInputElement }): void => {
    query.value = event.currentTarget.value;
    active.value = -1;
    if (list.current !== null) list.current.scrollTop = 0;
  };

  return (
    <>
      <label class="field">
        <span>{say("correct.search")}</span>
        <input
          ref={field}
          type="text"
          role="combobox"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          enterkeyhint="done"
          maxLength={MAX_NAME_CHARS}
          aria-autocomplete="list"
          aria-expanded={options.length > 0}
          aria-controls="label-options"
          aria-activedescendant={active.value < 0 ? undefined : `label-option-${active.value}`}
          value={query.value}
          onInput={onInput}
          onKeyDown={onKey}
        />
      </label>
      {children}
      <p class="quiet" role="status">
        {sayMany("correct.found", found.length)}
      </p>
      <ul
        id="label-options"
        class="options"
        role="listbox"
        aria-label={say("correct.list")}
        ref={list}
      >
        {options.map((right, place) => (
          <li
            key={right.kind + right.name}
            id={`label-option-${place}`}
            role="option"
            aria-selected={place === active.value}
            onClick={() => onPick(right)}
          >
            {right.kind === "label" ? (
              <LabelName label={right.name} />
            ) : (
              say("correct.other", { name: right.name })
            )}
          </li>
        ))}
      </ul>
      {found.length > MOST_SHOWN && (
        <p class="quiet">{say("correct.more", { count: found.length - MOST_SHOWN })}</p>
      )}
    </>
  );
}

/** A name, and the label beside it where that is another text. */
function LabelName({ label }: { label: string }) {
  const name = nameOf(label);
  return (
    <>
      {name}
      {name !== label && <span class="quiet"> {label}</span>}
    </>
  );
}

type Named = Right & { readonly name: string };

/** Returns what can be chosen: labels, and last what was typed, unless it is one of them. */
function listOptions(found: readonly string[], query: string): Named[] {
  const options = found.slice(0, MOST_SHOWN).map((name): Named => ({ kind: "label", name }));
  const typed = query.normalize("NFC").trim();
  const wanted = fold(typed);
  // One that is called so comes first.
  const isKnown = listNames(found[0] ?? "").some((name) => fold(name) === wanted);
  return wanted === "" || isKnown ? options : [...options, { kind: "other", name: typed }];
}

/** Returns what Enter means where nothing is chosen: the only label found, or the one called so. */
function findMeant(
  found: readonly string[],
  options: readonly Named[],
  query: string,
): Named | undefined {
  const isClear = found.length === 1 || options.every(({ kind }) => kind === "label");
  return query !== "" && isClear ? options.find(({ kind }) => kind === "label") : undefined;
}

function isTouched(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

function sortByName(labels: readonly string[]): string[] {
  const { compare } = new Intl.Collator(document.documentElement.lang, { numeric: true });
  const named = labels.map((label) => ({ label, name: nameOf(label) }));
  return named.sort((a, b) => compare(a.name, b.name)).map(({ label }) => label);
}
