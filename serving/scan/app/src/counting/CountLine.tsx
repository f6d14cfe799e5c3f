import { useSignal } from "@preact/signals";
import { Icon } from "../icons.tsx";
import { nameOf } from "../words/names.ts";
import { say } from "../words/words.ts";
import { addToLine, removeLine, setCount } from "./counts.ts";
import { type Line, MAX_COUNT, readCount } from "./lines.ts";

/** The button that takes the last change back. */
export const UNDO = "count-undo";

/** Returns what an item is called now, or was when it was counted: labels go with releases. */
export function nameOfLine(line: Line): string {
  const name = nameOf(line.label);
  return name === line.label ? line.name : name;
}

/** One line of a counting list: its count can be changed by tapping and by typing. */
export function CountLine({ line }: { line: Line }) {
  const name = nameOfLine(line);
  const places = [line.site, line.barcode && say("count.barcode", { code: line.barcode })];
  return (
    <li>
      <span>
        {name}
        <span class="quiet places">{places.filter((text) => text).join(" · ")}</span>
      </span>
      <span class="steps">
        <button
          type="button"
          class="button"
          aria-label={say("count.fewer", { name })}
          disabled={line.count === 0}
          onClick={() => void addToLine(line, -1)}
        >
          <Icon name="minus" />
        </button>
        <NumberField line={line} name={name} />
        <button
          type="button"
          class="button"
          aria-label={say("count.more", { name })}
          onClick={() => void addToLine(line, 1)}
        >
          <Icon name="plus" />
        </button>
        <button
          type="button"
          class="button plain"
          aria-label={say("count.remove", { name })}
          onClick={({ currentTarget }) => void remove(line, currentTarget)}
        >
          <Icon name="none" />
        </button>
      </span>
    </li>
  );
}

/** Deletes a line; who goes on by keyboard is then at the next one, or where it can be undone. */
async function remove(line: Line, button: HTMLElement): Promise<void> {
  const place = button.closest("li");
  const other = place?.nextElementSibling ?? place?.previousElementSibling;
  if (!(await removeLine(line))) return;
  const next = other?.querySelector<HTMLElement>("button.plain") ?? document.getElementById(UNDO);
  next?.focus();
}

function NumberField({ line, name }: { line: Line; name: string }) {
  const isBad = useSignal(false);
  const note = `bad-${line.id}`;
  const take = (input: HTMLInputElement): void => {
    const count = readCount(input.value);
    isBad.value = count === null;
    if (count === null) input.value = String(line.count);
    else void setCount(line, count);
  };
  return (
    <>
      <input
        inputMode="numeric"
        autocomplete="off"
        aria-label={say("count.number", { name })}
        aria-describedby={isBad.value ? note : undefined}
        value={String(line.count)}
        onFocus={(event) => event.currentTarget.select()}
        onChange={(event) => take(event.currentTarget)}
      />
      {isBad.value && (
        <span id={note} role="alert" class="quiet bad">
          {say("count.bad-number", { most: MAX_COUNT, count: line.count })}
        </span>
      )}
    </>
  );
}
