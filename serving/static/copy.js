// Gives each block of code a button that copies it. Without this script the code can be selected.

const status = document.createElement("p");
status.className = "unseen";
status.setAttribute("role", "status");
document.body.append(status);

// Pages that did not come over HTTPS have no clipboard: there the old command copies what is selected.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("this browser does not let pages copy");
}

function select(block) {
  getSelection().selectAllChildren(block);
}

for (const block of document.querySelectorAll("pre.code")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy: ${block.getAttribute("aria-label")}`);
  button.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await copy(block.textContent);
    } catch {
      select(block);
      said = "Selected: press Ctrl+C";
    }
    button.textContent = said;
    status.textContent = "";
    setTimeout(() => { status.textContent = said; }, 50); // the same words twice are said twice
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  const holder = document.createElement("div");
  holder.className = "holder";
  block.replaceWith(holder);
  holder.append(button, block);
}
