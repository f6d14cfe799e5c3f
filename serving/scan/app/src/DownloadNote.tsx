import { toMegabytes } from "./delivery/problems.ts";
import type { Activity } from "./delivery/models.ts";
import { say } from "./words/words.ts";

/** How far the download of a model is. */
export function DownloadNote({ doneBytes, totalBytes }: Activity & { kind: "downloading" }) {
  const values = { done: toMegabytes(doneBytes), total: toMegabytes(totalBytes) };
  return (
    <div class="download">
      <p>{say("model.downloading", values)}</p>
      <progress aria-label={say("model.download")} max={totalBytes} value={doneBytes} />
    </div>
  );
}
