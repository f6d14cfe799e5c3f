/** The device's cameras. */

/** Why there is no picture. `insecure`: a page over plain http gets no camera, but from localhost. */
export type CameraFault = "insecure" | "missing" | "none" | "refused" | "busy" | "lost";

export class CameraError extends Error {
  constructor(
    readonly fault: CameraFault,
    cause: unknown,
  ) {
    super(cause instanceof Error ? `${cause.name}: ${cause.message}` : fault, { cause });
  }
}

/** A camera that is on. */
export interface Camera {
  readonly stream: MediaStream;
  readonly deviceId: string;
  readonly hasTorch: boolean;
  /** @throws CameraError the camera does not do it, whatever it said. */
  setTorch(on: boolean): Promise<void>;
  stop(): void;
}

/** Networks take 224 to 288 pixels: more would cost time in every frame and show nothing more. */
const SIZE = { width: { ideal: 960 }, height: { ideal: 720 } };

/**
 * Turns a camera on.
 *
 * @param deviceId which one; empty for one that looks away from the user.
 * @param onLost it was unplugged, or taken away.
 * @throws CameraError there is no picture.
 */
export async function openCamera(deviceId: string, onLost: () => void): Promise<Camera> {
  // Some browsers within apps have none at all.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) throw new CameraError("missing", null);
  // Where the chosen one is gone, the browser takes another that looks away.
  const chosen = deviceId === "" ? {} : { deviceId: { ideal: deviceId } };
  const which = { facingMode: { ideal: "environment" }, ...chosen };
  let stream: MediaStream;
  try {
    stream = await devices.getUserMedia({ video: { ...which, ...SIZE }, audio: false });
  } catch (error) {
    throw new CameraError(findFault(error), error);
  }
  const track = stream.getVideoTracks()[0];
  if (track === undefined) throw new CameraError("none", null);
  track.addEventListener("ended", onLost);
  const abilities = (track.getCapabilities?.() ?? {}) as { torch?: boolean };
  return {
    stream,
    deviceId: track.getSettings().deviceId ?? "",
    hasTorch: abilities.torch === true,
    setTorch: async (on) => {
      try {
        await track.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] });
      } catch (error) {
        throw new CameraError("lost", error);
      }
    },
    stop: () => {
      track.removeEventListener("ended", onLost);
      for (const each of stream.getTracks()) each.stop();
    },
  };
}

/** Returns the ids of all cameras; those of a page that has no permission yet have no ids. */
export async function listCameras(): Promise<string[]> {
  const found = await navigator.mediaDevices.enumerateDevices();
  return found.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId !== "").map(({ deviceId }) => deviceId);
}

function findFault(error: unknown): CameraFault {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "none";
  return "busy";
}
