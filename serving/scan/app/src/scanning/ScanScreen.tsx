import { useEffect, useRef, useState } from "preact/hooks";
import { CorrectionDialog } from "../correcting/CorrectionDialog.tsx";
import { CorrectionNote } from "../correcting/CorrectionNote.tsx";
import type { Right } from "../correcting/queue.ts";
import { CountNote } from "../counting/CountNote.tsx";
import { say } from "../words/words.ts";
import { Actions } from "./Actions.tsx";
import { Announcer } from "./Announcer.tsx";
import { AnswerPanel } from "./AnswerPanel.tsx";
import { noteOnline } from "./fallback.ts";
import { recallCamera, startCamera, stopCamera } from "./frames.ts";
import "./scanning.css";
import { goOn, openPhoto, takeCorrection } from "./settled.ts";
import { cameraState, held } from "./state.ts";
import { Viewfinder } from "./Viewfinder.tsx";

export function ScanScreen() {
  const video = useRef<HTMLVideoElement>(null);
  const [isWrong, setIsWrong] = useState(false);
  useEffect(followPage, []);
  const done = (right: Right | null): void => {
    setIsWrong(false);
    if (right !== null) takeCorrection(right);
  };
  return (
    <section
      class="scan"
      aria-label={say("tab.scan")}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        openFirst(event.dataTransfer?.files);
      }}
    >
      <Viewfinder video={video} />
      <div class="scan-below">
        <CountNote />
        <CorrectionNote />
        <AnswerPanel />
        <Actions video={video} onWrong={() => setIsWrong(true)} />
      </div>
      <Announcer />
      {isWrong && held.value !== null && (
        <CorrectionDialog scan={held.value.scan} onDone={done} />
      )}
    </section>
  );
}

/** The camera is on while the screen is seen, if the user ever turned it on; pictures are pasted. */
function followPage(): () => void {
  let wasOn = recallCamera() !== null;
  const follow = (): void => {
    if (document.hidden) {
      wasOn ||= cameraState.value.kind === "on" || cameraState.value.kind === "starting";
      stopCamera();
    } else if (wasOn && cameraState.value.kind === "off") void startCamera(recallCamera() ?? "");
  };
  const paste = (event: ClipboardEvent): void => openFirst(event.clipboardData?.files);
  follow();
  document.addEventListener("visibilitychange", follow);
  document.addEventListener("paste", paste);
  addEventListener("online", noteOnline);
  return () => {
    document.removeEventListener("visibilitychange", follow);
    document.removeEventListener("paste", paste);
    removeEventListener("online", noteOnline);
    stopCamera();
    goOn();
  };
}

function openFirst(files: FileList | undefined): void {
  const file = Array.from(files ?? []).find(({ type }) => type.startsWith("image/"));
  if (file !== undefined) void openPhoto(file);
}
