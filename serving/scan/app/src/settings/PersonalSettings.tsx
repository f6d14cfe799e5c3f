/** Language, the place of use, and what this device may tell the server. */

import { SiteField } from "../SiteField.tsx";
import { LANGUAGES, type Language, chooseLanguage, language, say } from "../words/words.ts";
import { keepMayAsk, keepShareUsage, mayAsk, shareUsage } from "./choices.ts";

export function PersonalSettings() {
  return (
    <section class="card" aria-labelledby="settings-use">
      <h2 id="settings-use">{say("settings.use")}</h2>
      <label class="field">
        <span>{say("settings.language")}</span>
        <select
          value={language.value}
          onChange={(event) => chooseLanguage(event.currentTarget.value as Language)}
        >
          {Object.entries(LANGUAGES).map(([tag, name]) => (
            <option value={tag} lang={tag}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <SiteField />
      <Choice
        id="settings-ask"
        label={say("settings.mayAsk")}
        why={say("settings.mayAskWhy")}
        isAllowed={mayAsk.value}
        keep={keepMayAsk}
      />
      <Choice
        id="settings-share"
        label={say("settings.shareUsage")}
        why={say("settings.shareUsageWhy")}
        isAllowed={shareUsage.value}
        keep={keepShareUsage}
      />
    </section>
  );
}

interface ChoiceProps {
  readonly id: string;
  readonly label: string;
  readonly why: string;
  readonly isAllowed: boolean;
  readonly keep: (allowed: boolean) => void;
}

function Choice({ id, label, why, isAllowed, keep }: ChoiceProps) {
  return (
    <>
      <label class="choice">
        <input
          type="checkbox"
          checked={isAllowed}
          aria-describedby={id}
          onChange={(event) => keep(event.currentTarget.checked)}
        />
        <span>{label}</span>
      </label>
      <p id={id} class="quiet">
        {why}
      </p>
    </>
  );
}
