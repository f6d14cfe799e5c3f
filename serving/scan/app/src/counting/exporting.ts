/** Hands a table over: to another app, or into the folder of downloads. */

/** Whether this browser can hand a table to another app. */
export function canShare(): boolean {
  const probe = new File(["x"], "x.csv", { type: "text/csv" });
  return navigator.canShare?.({ files: [probe] }) ?? false;
}

/** Offers a table to other apps; one that is turned down is no error. */
export async function shareCsv(name: string, text: string): Promise<void> {
  try {
    await navigator.share({ files: [makeFile(name, text)] });
  } catch (error) {
    if ((error as Error).name !== "AbortError") throw error;
  }
}

/** Saves a table where the browser saves downloads. */
export function saveCsv(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(makeFile(name, text));
  link.download = name;
  link.click();
  // The download has begun by then; before, browsers would save nothing.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function makeFile(name: string, text: string): File {
  return new File([text], name, { type: "text/csv;charset=utf-8" });
}
