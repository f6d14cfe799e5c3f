/** What is going on; screen readers hear of each step, and of each quarter of a download. */

import { type Activity, activity } from "../delivery/models.ts";
import { DownloadNote } from "../DownloadNote.tsx";
import { say } from "../words/words.ts";

const QUARTERS = 4;

export function ActivityNote() {
  const now = activity.value;
  return (
    <>
      {now.kind === "downloading" && <DownloadNote {...now} />}
      <p role="status" class={now.kind === "downloading" ? "visually-hidden" : ""}>
        {describe(now)}
      </p>
    </>
  );
}

/** Returns a text that changes seldom enough to be read out. */
function describe(now: Activity): string {
  if (now.kind === "idle") return "";
  if (now.kind !== "downloading") return say(`settings.activity.${now.kind}`);
  const quarters = Math.floor((now.doneBytes / Math.max(1, now.totalBytes)) * QUARTERS);
  return say("settings.activity.downloading", { percent: (quarters * 100) / QUARTERS });
}
