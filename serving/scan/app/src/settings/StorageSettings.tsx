/** What this page keeps on the device, and how all of it is deleted. */

import { useEffect, useRef, useState } from "preact/hooks";
import { running, stopUpdate } from "../delivery/models.ts";
import { toMegabytes } from "../delivery/problems.ts";
import { estimateStorage } from "../delivery/self.ts";
import { say } from "../words/words.ts";
import { deleteEverything } from "./deleting.ts";

export function StorageSettings() {
  const [usage, setUsage] = useState<number | null>(null);
  const [isLasting, setLasting] = useState<boolean | null>(null);
  useEffect(() => {
    void estimateStorage().then((found) => setUsage(found.usage ?? null));
    void navigator.storage?.persisted?.().then(setLasting, () => undefined);
  }, [running.value]);
  return (
    <section class="card" aria-labelledby="settings-storage">
      <h2 id="settings-storage">{say("settings.storage")}</h2>
      {usage !== null && <p>{say("settings.used", { size: toMegabytes(usage) })}</p>}
      {isLasting !== null && (
        <p class="quiet">{say(isLasting ? "settings.lasting" : "settings.notLasting")}</p>
      )}
      <Deleting />
    </section>
  );
}

function Deleting() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [hasFailed, setFailed] = useState(false);
  const remove = (): void => {
    stopUpdate();
    deleteEverything().catch((error: unknown) => {
      console.warn("not everything could be deleted:", error);
      dialog.current?.close();
      setFailed(true);
    });
  };
  return (
    <>
      <button class="button" onClick={() => dialog.current?.showModal()}>
        {say("settings.delete")}
      </button>
      {hasFailed && (
        <p class="note warn" role="alert">
          {say("settings.deleteFailed")}
        </p>
      )}
      <dialog ref={dialog} aria-labelledby="settings-delete">
        <h2 id="settings-delete">{say("settings.deleteSure")}</h2>
        <p>{say("settings.deleteWhat")}</p>
        <div class="buttons">
          <button class="button" onClick={() => dialog.current?.close()}>
            {say("settings.keep")}
          </button>
          <button class="button primary" onClick={remove}>
            {say("settings.deleteNow")}
          </button>
        </div>
      </dialog>
    </>
  );
}
