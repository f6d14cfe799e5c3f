/** The key that the server may ask for. */

import { useState } from "preact/hooks";
import { updateModel } from "../delivery/models.ts";
import { apiKey, keepKey } from "../server.ts";
import { say } from "../words/words.ts";

export function AccessSettings() {
  const [typed, setTyped] = useState("");
  const [isKept, setKept] = useState(false);
  const keep = (key: string): void => {
    keepKey(key);
    setTyped("");
    setKept(true);
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
            type="password"
            value={typed}
            autocomplete="off"
            spellcheck={false}
            aria-describedby="settings-key-why"
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </label>
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
      <p role="status">{isKept ? say("settings.keySaved") : ""}</p>
    </section>
  );
}
