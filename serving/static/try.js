// Sends the chosen photo to the recogniser and shows the answer. Without this script the form
// still works: the browser then shows the server's JSON.

// The server takes the login that the user gave the browser for this page.
const LOGIN = { "X-Login": "browser" };
const percent = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

function makeElement(name, className, text = "") {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

function makeBar({ label, probability }) {
  const row = makeElement("li", "");
  const bar = makeElement("div", "bar");
  const fill = makeElement("i", "");
  fill.style.width = `${100 * probability}%`;
  bar.append(fill);
  row.append(makeElement("span", "", label), makeElement("span", "number", percent.format(probability)), bar);
  return row;
}

function showAnswer(place, answer) {
  const bars = makeElement("ul", `bars ${answer.verdict}`);
  const shown = answer.verdict === "coarse" ? answer.coarse.choices : answer.answers;
  bars.append(...shown.map(makeBar));
  const times = answer.timings_ms;
  const network = answer.answered_by === "cloud" ? "cloud model" : "device model";
  const detail = `Version ${answer.version}, ${network} ${answer.architecture}; photo ${times.prepare.toFixed(1)} ms, model ${times.run.toFixed(1)} ms`;
  place.replaceChildren(
    makeElement("h2", "", "Answer"), makeElement("p", "verdict", answer.words), bars, makeElement("p", "quiet", detail));
}

function showProblem(place, text) {
  place.replaceChildren(makeElement("h2", "", "Answer"), makeElement("p", "notice", text));
}

async function recognise(form) {
  const place = form.parentElement.querySelector(".answer");
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), headers: LOGIN });
    const body = await response.json();
    if (response.ok) showAnswer(place, body);
    else showProblem(place, body.detail);
  } catch (error) {
    showProblem(place, `The server did not answer: ${error.message}`);
  } finally {
    button.disabled = false;
  }
}

function showPreview(form) {
  const file = form.elements.photo.files[0];
  const preview = form.querySelector(".preview");
  URL.revokeObjectURL(preview.src);
  preview.hidden = !file;
  form.querySelector(".hint").hidden = Boolean(file);
  if (file) preview.src = URL.createObjectURL(file);
}

// Puts one of the release's own photos where a chosen one would be.
async function takeSample(form, button) {
  const response = await fetch(button.dataset.url, { headers: LOGIN });
  const blob = await response.blob();
  const files = new DataTransfer();
  files.items.add(new File([blob], "sample", { type: blob.type }));
  form.elements.photo.files = files.files;
  showPreview(form);
  form.requestSubmit();
}

for (const form of document.querySelectorAll("form.try")) {
  const drop = form.querySelector(".drop");
  form.elements.photo.addEventListener("change", () => showPreview(form));
  for (const button of form.querySelectorAll(".sample")) {
    button.addEventListener("click", () => takeSample(form, button));
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); recognise(form); });
  for (const name of ["dragenter", "dragleave", "drop"]) {
    drop.addEventListener(name, () => drop.classList.toggle("over", name === "dragenter"));
  }
}
