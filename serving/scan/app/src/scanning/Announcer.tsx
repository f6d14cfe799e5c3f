import { useEffect, useState } from "preact/hooks";
import { SETTLED_FRAMES } from "./pacing.ts";
import { held, live } from "./state.ts";
import { nameAnswer } from "./steady.ts";
import { tellAloud, tellSource } from "./telling.ts";

/** Says answers to who listens: those that stand, never each frame's. */
export function Announcer() {
  const [said, setSaid] = useState("");
  const answer = live.value;
  const settled = answer !== null && answer.frames >= SETTLED_FRAMES ? answer.recognition : null;
  const scan = held.value?.scan;
  const shown = scan?.recognition ?? settled;
  const key = shown && `${scan === undefined} ${scan?.source.by} ${nameAnswer(shown)}`;
  useEffect(() => {
    if (shown === null) return;
    const source = scan === undefined ? "" : tellSource(scan.source, scan.version);
    setSaid(tellAloud(shown, source));
  }, [key]);
  return (
    <p class="visually-hidden" role="status">
      {said}
    </p>
  );
}
