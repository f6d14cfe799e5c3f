/** The key that the server may ask for. */

import { useRef, useState } from "preact/hooks";
import { updateModel } from "../delivery/models.ts";
import { apiKey, keepKey } from "../server.ts";
import { say } from "../words/words.ts";

export function AccessSettings() {
  const [typed, setTyped] = useState("");
  const [outcome, setOutcome] = useState<"none" | "saved" | "bad">("none");
  const field = useRef<HTMLInputElement>(null);
  const keep = (key: string): void => {
    const isKept = keepKey(key);
    setOutcome(isKept ? "saved" : "bad");
    // The button that was pressed goes, or cannot be pressed any more.
    field.current?.focus();
    if (!isKept) return;
    setTyped("");
    void updateModel();
  };
  return (
    <section class="card" aria-labelledby="settings-access">
      <h2 id="settings-access">{say("settings.access")}</h2>
      <p class="quiet" id="settings-key-why">
        {say(apiKey.value === "" ? "settings.keyNone" : "settings.keyKept")}
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (typed.trim() !== "") keep(typed);
        }}
      >
        <label class="field">
          <span>{say("settings.key")}</span>
          <input
            ref={field}
            type="password"
            value={typed}
            autocomplete="off"
            spellcheck={false}
            aria-describedby={`settings-key-why ${outcome === "bad" ? "settings-key-bad" : ""}`}
            aria-invalid={outcome === "bad"}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </label>
        {outcome === "bad" && (
          <p role="alert" id="settings-key-bad" class="note warn">
            {say("settings.keyBad")}
          </p>
        )}
        <div class="buttons">
          <button class="button" type="submit" disabled={typed.trim() === ""}>
            {say("settings.keepKey")}
          </button>
          {apiKey.value !== "" && (
            <button class="button" type="button" onClick={() => keep("")}>
              {say("settings.forgetKey")}
            </button>
          )}
        </div>
      </form>
      <p role="status">{outcome === "saved" ? say("settings.keySaved") : ""}</p>
    </section>
  );
}
