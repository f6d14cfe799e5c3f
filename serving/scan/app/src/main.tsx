import { render } from "preact";
import { App } from "./app.tsx";
import { startModel } from "./delivery/models.ts";

const place = document.getElementById("app");
if (place === null) throw new Error("index.html has no #app");
render(<App />, place);
void startModel();
if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("/scan/sw.js").catch((error: unknown) => {
    console.warn("the page will not open without a network:", error);
  });
}
