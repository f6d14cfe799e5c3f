import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { CountScreen } from "./counting/CountScreen.tsx";
import { Icon } from "./icons.tsx";
import { ScanScreen } from "./scanning/ScanScreen.tsx";
import { SettingsScreen } from "./settings/SettingsScreen.tsx";
import { language, say } from "./words/words.ts";

const SCREENS = { scan: ScanScreen, count: CountScreen, settings: SettingsScreen };
type Screen = keyof typeof SCREENS;
const NAMES = Object.keys(SCREENS) as Screen[];

const screen = signal<Screen>(readScreen());
addEventListener("hashchange", () => {
  screen.value = readScreen();
});

/** The address says which screen is shown, so that "back" works. */
function readScreen(): Screen {
  return NAMES.find((name) => location.hash === `#${name}`) ?? "scan";
}

export function App() {
  const Shown = SCREENS[screen.value];
  useEffect(() => {
    document.documentElement.lang = language.value;
    document.title = `${say(`tab.${screen.value}`)} · Ghostlens`;
  }, [language.value, screen.value]);
  return (
    <>
      <main key={screen.value}>
        <Shown />
      </main>
      <nav class="tabs" aria-label={say("tabs")}>
        {NAMES.map((name) => (
          <a href={`#${name}`} aria-current={name === screen.value ? "page" : undefined}>
            <Icon name={name} />
            {say(`tab.${name}`)}
          </a>
        ))}
      </nav>
    </>
  );
}
