import { keepSite, MAX_SITE_CHARS, site } from "./site.ts";
import { say } from "./words/words.ts";

/** Asks where this device is used; one field on two screens. */
export function SiteField() {
  return (
    <>
      <label class="field site">
        <span>{say("count.site")}</span>
        <input
          value={site.value}
          maxLength={MAX_SITE_CHARS}
          autocomplete="off"
          aria-describedby="site-hint"
          onChange={(event) => keepSite(event.currentTarget.value)}
        />
      </label>
      <p id="site-hint" class="quiet">
        {say("count.site-hint")}
      </p>
    </>
  );
}
