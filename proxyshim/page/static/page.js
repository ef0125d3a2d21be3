"use strict";
// Pages work without this. It shows what a search finds while it is typed, and puts commands on the clipboard.

const field = document.getElementById("q");
const results = () => document.getElementById("results");
let waiting, asking;

async function search() {
  asking?.abort();
  asking = new AbortController();
  const url = "/?" + new URLSearchParams({ q: field.value });
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: asking.signal });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    results().replaceWith(document.adoptNode(page.getElementById("results")));
    history.replaceState(null, "", url);
  } catch (e) {
    if (e.name !== "AbortError") throw e;
  }
}

if (field && results()) {
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, 150);
  });
}
if (field) {
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !e.ctrlKey && !e.metaKey && !e.altKey && document.activeElement !== field) {
      e.preventDefault();
      field.focus();
    }
  });
}

async function copy(text, code) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  getSelection().selectAllChildren(code); // by plain HTTP a browser lends no clipboard
  document.execCommand("copy");
}

for (const button of document.querySelectorAll("button.copies")) {
  const code = button.parentElement.querySelector("code");
  button.hidden = false;
  button.addEventListener("click", async () => {
    await copy(code.textContent, code);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
