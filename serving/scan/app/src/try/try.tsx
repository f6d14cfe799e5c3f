/** The box of a release's page that recognises a photo in this browser and on the server. */

import { render } from "preact";
import { TryBox } from "./TryBox.tsx";
import type { ShownRelease } from "./release.ts";

const place = document.getElementById("try-box");
const told = place?.dataset["release"];
if (place !== null && told !== undefined) {
  place.replaceChildren(); // the form for browsers without scripts
  render(<TryBox release={JSON.parse(told) as ShownRelease} />, place);
}

// What the box runs on; tests compare it with Python, as it is shipped.
export { decodePhoto } from "../recognising/decode.ts";
export { openRecogniser } from "../recognising/recogniser.ts";
