import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { running } from "../delivery/models.ts";
import { Icon } from "../icons.tsx";
import { say } from "../words/words.ts";
import type { Camera } from "./camera.ts";
import { answerFrames, chooseNextCamera, readBarcodes } from "./frames.ts";
import { goOn, holdFrame, noteAnswer } from "./settled.ts";
import { barcode, cameras, cameraState, held } from "./state.ts";

export type VideoRef = RefObject<HTMLVideoElement | null>;

/** What the camera sees, or the picture that is held. */
export function Viewfinder({ video }: { video: VideoRef }) {
  const state = cameraState.value;
  const picture = held.value?.pictureUrl ?? "";
  return (
    <div class="finder">
      <div class="finder-box">
        {state.kind === "on" && <Seen camera={state.camera} video={video} />}
        {picture !== "" && <Picture url={picture} />}
        {picture === "" && state.kind === "on" && <Guide />}
        {picture === "" && state.kind !== "on" && <NoPicture />}
        {barcode.value !== null && held.value === null && (
          <p class="finder-barcode">
            <Icon name="barcode" />
            {barcode.value.value}
          </p>
        )}
      </div>
      {state.kind === "on" && held.value === null && <CameraButtons camera={state.camera} />}
    </div>
  );
}

function Seen({ camera, video }: { camera: Camera; video: VideoRef }) {
  useEffect(() => {
    const shown = video.current;
    if (shown === null) return;
    const ended = new AbortController();
    shown.srcObject = camera.stream;
    void shown.play().catch(() => {}); // interrupted where the camera changes at once
    void answerFrames(shown, ended.signal, (steady) => noteAnswer(shown, steady));
    void readBarcodes(shown, ended.signal);
    return () => {
      ended.abort();
      shown.srcObject = null;
    };
  }, [camera]);
  const press = (): void => {
    if (held.value !== null) goOn();
    else if (video.current !== null) void holdFrame(video.current);
  };
  // The button below says the same to who cannot tap on a picture.
  return <video ref={video} muted playsInline aria-label={say("scan.view")} onClick={press} />;
}

function Picture({ url }: { url: string }) {
  return (
    <>
      <img class="finder-picture" src={url} alt={say("scan.picture")} />
      <p class="finder-held">{say("scan.held")}</p>
    </>
  );
}

/** Shows what of the picture the network looks at: its middle, as the release says. */
function Guide() {
  const guide = useRef<HTMLDivElement>(null);
  const by = running.value?.model.manifest.preprocess;
  useEffect(() => {
    const share = by === undefined ? 1 : by.inputPx / by.resizePx;
    guide.current?.style.setProperty("--share", `${100 * share}%`);
  }, [by]);
  return <div class="finder-guide" ref={guide} />;
}

function CameraButtons({ camera }: { camera: Camera }) {
  const [isLit, setIsLit] = useState(false);
  const light = async (): Promise<void> => {
    await camera.setTorch(!isLit).then(() => setIsLit(!isLit), () => setIsLit(false));
  };
  return (
    <div class="finder-buttons">
      {camera.hasTorch && (
        <button type="button" class="button" aria-pressed={isLit} onClick={() => void light()}>
          <Icon name="torch" />
          <span class="visually-hidden">{say("scan.torch")}</span>
        </button>
      )}
      {cameras.value.length > 1 && (
        <button type="button" class="button" onClick={() => void chooseNextCamera(camera)}>
          <Icon name="turn" />
          <span class="visually-hidden">{say("scan.other-camera")}</span>
        </button>
      )}
    </div>
  );
}

/** Says why there is no picture. */
function NoPicture() {
  const state = cameraState.value;
  if (state.kind === "starting") return <p class="finder-none">{say("scan.camera.starting")}</p>;
  return (
    <div class="finder-none">
      <Icon name="camera" />
      {state.kind === "fault" ? (
        <p role="alert">{say(`scan.camera.${state.fault}`)}</p>
      ) : (
        <p>{say("scan.camera.off")}</p>
      )}
    </div>
  );
}
