import { useLayoutEffect, useRef } from "preact/hooks";
import { running } from "../delivery/models.ts";
import { Icon } from "../icons.tsx";
import { say } from "../words/words.ts";
import { canAsk } from "./fallback.ts";
import { recallCamera, startCamera } from "./frames.ts";
import { askAboutHeld, countHeld, goOn, holdFrame, openPhoto } from "./settled.ts";
import { asking, cameraState, type Held, held, live } from "./state.ts";
import type { VideoRef } from "./Viewfinder.tsx";

/** What can be done now, where a thumb reaches it. */
export function Actions({ video, onWrong }: { video: VideoRef; onWrong: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const isHeld = held.value !== null;
  // Asked before the buttons are exchanged: the one that was pressed goes, and its focus with it.
  const hadFocus = place.current?.contains(document.activeElement) ?? false;
  useLayoutEffect(() => {
    if (hadFocus) place.current?.focus();
  }, [isHeld]);
  return (
    <div class="actions" ref={place} tabIndex={-1}>
      {held.value === null ? (
        <LiveActions video={video} />
      ) : (
        <HeldActions held={held.value} onWrong={onWrong} />
      )}
    </div>
  );
}

function LiveActions({ video }: { video: VideoRef }) {
  const hold = (): void => {
    if (video.current !== null) void holdFrame(video.current);
  };
  return (
    <>
      <PhotoButton />
      {cameraState.value.kind === "on" ? (
        <button type="button" class="button primary" disabled={live.value === null} onClick={hold}>
          <Icon name="scan" />
          {say("scan.hold")}
        </button>
      ) : (
        <StartButton />
      )}
    </>
  );
}

/** Turns the camera on; not shown where the browser gives none, whatever one does. */
function StartButton() {
  const state = cameraState.value;
  const isFault = state.kind === "fault";
  if (isFault && (state.fault === "insecure" || state.fault === "missing")) return null;
  return (
    <button
      type="button"
      class="button primary"
      disabled={state.kind === "starting"}
      onClick={() => void startCamera(isFault ? "" : (recallCamera() ?? ""))}
    >
      <Icon name="camera" />
      {say(isFault ? "scan.camera.again" : "scan.camera.start")}
    </button>
  );
}

function PhotoButton() {
  const open = (chooser: HTMLInputElement): void => {
    const file = chooser.files?.[0];
    if (file !== undefined) void openPhoto(file);
    chooser.value = ""; // so that the same file can be chosen again
  };
  return (
    <label class="button photo" aria-disabled={running.value === null}>
      <Icon name="photo" />
      {say("scan.photo")}
      <input
        type="file"
        accept="image/*"
        class="visually-hidden"
        disabled={running.value === null}
        onChange={({ currentTarget }) => open(currentTarget)}
      />
    </label>
  );
}

function HeldActions({ held: { scan, label }, onWrong }: { held: Held; onWrong: () => void }) {
  const isDevices = scan.source.by === "device" && scan.recognition.verdict !== "sure";
  const canWant = isDevices && asking.value.kind !== "busy" && canAsk(true);
  return (
    <>
      {canWant && (
        <button type="button" class="button plain wide" onClick={askAboutHeld}>
          {say("scan.ask")}
        </button>
      )}
      <button type="button" class="button" onClick={goOn}>
        {say("scan.next")}
      </button>
      <button type="button" class="button" onClick={onWrong}>
        {say(scan.recognition.verdict === "unknown" ? "scan.name-it" : "scan.wrong")}
      </button>
      <button
        type="button"
        class="button primary"
        disabled={label === null}
        onClick={() => void countHeld()}
      >
        <Icon name="plus" />
        {say("scan.count")}
      </button>
    </>
  );
}
