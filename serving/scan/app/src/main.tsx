import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./app.tsx";
import { startCorrections } from "./correcting/corrections.ts";
import { learnPhotoDays } from "./correcting/photos.ts";
import { startCounts } from "./counting/counts.ts";
import { running, startModel } from "./delivery/models.ts";
import { registerWorker } from "./offline/control.ts";
import { followNames } from "./words/names.ts";

const place = document.getElementById("app");
if (place === null) throw new Error("index.html has no #app");
render(<App />, place);
void startModel();
void startCounts();
startCorrections();
effect(() => void followNames(running.value?.model ?? null));
effect(() => {
  const model = running.value?.model.manifest.model;
  if (model !== undefined) void learnPhotoDays(model);
});
registerWorker();
