"use strict";
// A dashboard's page asks its server for the data block again and again, and shows what has changed.

const SECONDS = 3;
let seen = null;

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const s = Math.round(seconds);
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

function showStates() {
  const order = ["RUNNING", "STALE", "FAILED", "DIVERGED", "INTERRUPTED", "PENDING", "PRUNED", "COMPLETED"]; // what needs attention first
  const sorted = [...data.runs].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || a.number - b.number);
  const rows = sorted.map((run) => {
    const cells = [run.id.slice(0, 8), describe(run).replace(/, seed \d+$/, ""), run.seed, run.state, `${run.epoch} / ${run.epochs}`, duration(run.left), readable(run.value), run.error];
    const row = el("tr", {className: `state-${run.state.toLowerCase()}`}, ...cells.map((text, i) => el("td", {className: [2, 4, 5, 6].includes(i) ? "num" : i === 7 ? "text" : ""}, String(text))));
    row.addEventListener("click", (event) => openRun(run.id, event));
    row.tabIndex = 0;
    row.addEventListener("keydown", (event) => { if (event.key === "Enter") openRun(run.id, event); });
    return row;
  });
  $("#live-runs tbody").replaceChildren(...rows);
  const done = data.runs.reduce((sum, run) => sum + Math.min(run.epoch, run.epochs), 0);
  const asked = data.runs.reduce((sum, run) => sum + run.epochs, 0);
  const counts = new Map();
  for (const run of data.runs) counts.set(run.state, (counts.get(run.state) ?? 0) + 1);
  const left = data.left === null ? "" : `; about ${duration(data.left)} left`;
  $("#live .counts").textContent = `${data.runs.length} runs: ${[...counts].map(([name, n]) => `${n} ${name}`).join(", ")}; ${done} of ${asked} epochs${left}`;
  $("#live progress").value = asked ? done / asked : 1;
}

// By what each leaderboard is sorted, and which of its columns are hidden: [its id, column, direction, hidden columns].
const sorting = () => all("table.board").map((table) => {
  const cells = heads(table), column = cells.findIndex((head) => head.hasAttribute("aria-sort"));
  return [table.id, column, cells[column]?.getAttribute("aria-sort"), cells.flatMap((head, i) => (head.hidden ? [i] : []))];
});

function resort(boards) {
  for (const [id, column, direction, hidden] of boards) {
    const table = document.getElementById(id), head = table && heads(table)[column];
    if (!table) continue;
    for (let times = 0; head && head.getAttribute("aria-sort") !== direction && times < 2; times++) $("button", head).click();
    const boxes = all(`.tools[data-board="${id.replace(/-board$/, "")}"] .columns input`);
    for (const i of hidden) if (boxes[i - 1]?.checked) boxes[i - 1].click();
  }
}

async function refresh() {
  try {
    const answer = await fetch("data.json", {cache: "no-store", headers: seen ? {"If-None-Match": seen} : {}});
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
    seen = answer.headers.get("ETag");
    const names = (block) => JSON.stringify(block.chapters.map((part) => part.settings.map((each) => each.name)));
    const before = names(data), sorted = sorting();
    data = await answer.json();
    if (names(data) !== before) state.brushes.clear(); // they hold rows, which mean other settings now
    const fresh = new DOMParser().parseFromString(await (await fetch(".", {cache: "no-store"})).text(), "text/html");
    for (const id of ["verdict", "leaderboard", "matters", "search", "warnings", "provenance", "asked"]) {
      const [old, now] = [document.getElementById(id), fresh.getElementById(id)];
      if (old && now) old.replaceWith(now);
    }
    state.chapter = Math.min(state.chapter, Math.max(0, data.chapters.length - 1));
    start();
    resort(sorted);
    showStates();
    drawAll();
    generators();
    $("#live .trouble")?.remove();
  } catch (error) {
    const note = $("#live .trouble") ?? $("#live h2").insertAdjacentElement("afterend", el("p", {className: "trouble wrong"}));
    note.textContent = `Not refreshed: ${error.message}. Trying again.`;
  } finally {
    setTimeout(refresh, SECONDS * 1000);
  }
}

if (data.live) {
  showStates();
  setTimeout(refresh, SECONDS * 1000);
}
