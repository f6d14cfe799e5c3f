import "./settings.css";
import { say } from "../words/words.ts";
import { About } from "./About.tsx";
import { AccessSettings } from "./AccessSettings.tsx";
import { ModelSettings } from "./ModelSettings.tsx";
import { PersonalSettings } from "./PersonalSettings.tsx";
import { StorageSettings } from "./StorageSettings.tsx";

export function SettingsScreen() {
  return (
    <div class="screen">
      <h1>{say("tab.settings")}</h1>
      <ModelSettings />
      <PersonalSettings />
      <AccessSettings />
      <StorageSettings />
      <About />
    </div>
  );
}
