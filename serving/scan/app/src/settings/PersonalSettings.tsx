/** Language, the place of use, and what this device may tell the server. */

import { MAX_SITE_CHARS, keepSite, site } from "../site.ts";
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
      <label class="field">
        <span>{say("settings.site")}</span>
        <input
          value={site.value}
          maxLength={MAX_SITE_CHARS}
          autocomplete="off"
          aria-describedby="settings-site-why"
          onChange={(event) => keepSite(event.currentTarget.value)}
        />
      </label>
      <p id="settings-site-why" class="quiet">
        {say("settings.siteWhy")}
      </p>
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
