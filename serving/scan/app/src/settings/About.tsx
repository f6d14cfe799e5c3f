import { PAGE_VERSION } from "../delivery/self.ts";
import { say } from "../words/words.ts";

export function About() {
  return (
    <section class="card" aria-labelledby="settings-about">
      <h2 id="settings-about">{say("settings.about")}</h2>
      <p>{say("settings.aboutText")}</p>
      <p class="quiet">{say("settings.versions", { page: PAGE_VERSION })}</p>
      <p>
        <a href="/">{say("settings.serverPage")}</a>
      </p>
    </section>
  );
}
