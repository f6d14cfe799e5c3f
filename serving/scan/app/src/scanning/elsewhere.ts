/** Stand-ins for what `delivery/` and `settings/` are about to bring. */

import { signal } from "@preact/signals";
import type { Recognition } from "ghostlens";

export const mayAsk = signal(true);
export async function noteScan(_recognition: Recognition, _sent: boolean): Promise<void> {}
