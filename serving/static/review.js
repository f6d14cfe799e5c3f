// Sends each decision, and says what became of it. The next one has the focus then.

const said = document.getElementById("said");

async function decide(item, form, decision) {
  const name = form.elements.right?.value.trim();
  const body = { decision };
  if (decision === "accepted" && name) body.right = { kind: "label", name };
  const response = await fetch(item.dataset.url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Login": "browser" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ?? answer.title);
  return answer;
}

function finish(item, answer) {
  const final = answer.final?.name ?? (answer.final ? "no item" : "");
  let words = answer.state === "accepted" ? `Accepted as ${final}` : "Rejected";
  if (answer.state === "accepted" && !answer.photo_url) words += ". There is no photo, so nothing is exported";
  else if (answer.final?.kind === "other") words += ". Export it with --new-label";
  const done = document.createElement("p");
  done.className = "done";
  done.textContent = words;
  item.querySelector("form").replaceWith(done);
  item.classList.add("decided");
  said.textContent = words;
  document.querySelector(".correction:not(.decided) .decide button")?.focus();
}

for (const form of document.querySelectorAll(".decide")) {
  const item = form.closest(".correction");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const outcome = form.querySelector(".outcome");
    const buttons = form.querySelectorAll("button");
    outcome.textContent = "";
    for (const button of buttons) button.disabled = true;
    try {
      finish(item, await decide(item, form, event.submitter?.value ?? "accepted"));
    } catch (error) {
      outcome.textContent = error instanceof TypeError ? "The server cannot be reached." : error.message;
      for (const button of buttons) button.disabled = false;
    }
  });
}
