import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { CountScreen } from "./counting/CountScreen.tsx";
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
  }, [language.value]);
  return (
    <>
      <main>
        <Shown />
      </main>
      <nav class="tabs">
        {NAMES.map((name) => (
          <a href={`#${name}`} aria-current={name === screen.value ? "page" : undefined}>
            {say(`tab.${name}`)}
          </a>
        ))}
      </nav>
    </>
  );
}
