"use strict";
// The page without its charts: tables, filters, pictures, runs side by side. Texts of strangers are set as text only.

let data = JSON.parse(document.getElementById("data").textContent);
const state = {chapter: 0, text: "", brushes: new Map(), moment: null, moved: false, sides: [null, null]};
const listeners = []; // called after the choice of settings has changed
const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function el(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

const chapter = () => data.chapters[state.chapter];
const runOf = (id) => data.runs.find((run) => run.id === id);

function readable(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return value.toLocaleString("en").replaceAll(",", "\u202f");
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-3 ? value.toExponential(2) : value.toPrecision(Math.max(3, Math.floor(Math.log10(size)) + 1));
}

// --- which settings are chosen: a text of conditions, and what was dragged over in charts

const columnsOf = (part) => {
  const columns = new Map();
  const add = (name, get) => name && !columns.has(plainName(name)) && columns.set(plainName(name), get);
  part.keys.forEach((key, i) => { add(key, (s) => s.values[i]); add(part.names[i], (s) => s.values[i]); });
  add(part.objective, (s) => s.value);
  part.metrics.forEach((name, i) => add(name, (s) => s.metrics[i]));
  add("rank", (s) => s.rank);
  add("seconds", (s) => s.seconds);
  add("seeds", (s) => s.runs.filter((id) => runOf(id)?.state === "COMPLETED").length);
  add("order", (s) => Math.min(...s.runs.map((id) => runOf(id)?.number ?? 0)) + 1);
  return columns;
};
const plainName = (name) => name.trim().toLowerCase().replaceAll("_", " ");

const TESTS = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "=": (a, b) => a === b, "!=": (a, b) => a !== b,
};

function condition(text, columns) {
  const parts = text.match(/^(.*?)\s*(<=|>=|!=|==|<|>|=)\s*(.*)$/);
  if (!parts) return (s) => `${s.name} ${s.why} ${s.word ?? ""}`.toLowerCase().includes(text.toLowerCase());
  const [, name, typed, value] = parts, get = columns.get(plainName(name)), test = TESTS[typed === "==" ? "=" : typed];
  if (!get) throw new Error(`no column "${name}": ${[...columns.keys()].join(", ")}`);
  const number = Number(value);
  if (value === "" || Number.isNaN(number)) {
    if (typed.includes("<") || typed.includes(">")) throw new Error(`${name} ${typed}: expected a number, got "${value}"`);
    return (s) => test(String(get(s) ?? "").toLowerCase(), value.toLowerCase());
  }
  return (s) => typeof get(s) === "number" && test(get(s), number);
}

function chosen(part = chapter()) {
  const columns = columnsOf(part), note = part === chapter() ? $("#shown") : null;
  let tests = [];
  try {
    tests = state.text.split(/[,;]/).map((each) => each.trim()).filter(Boolean).map((each) => condition(each, columns));
    note?.classList.remove("wrong");
  } catch (error) {
    note?.classList.add("wrong");
    if (note) note.textContent = error.message;
  }
  const kept = new Set();
  part.settings.forEach((s, i) => {
    const brushed = part !== chapter() || [...state.brushes.values()].every((set) => set.has(i));
    if (brushed && tests.every((test) => test(s))) kept.add(i);
  });
  return kept;
}

function changed() {
  const part = chapter(), kept = chosen();
  for (const each of data.chapters) {
    const shown = each === part ? kept : chosen(each);
    for (const row of all(`#${each.id}-board tbody tr`)) row.hidden = !shown.has(Number(row.dataset.setting));
  }
  if (!$("#shown").classList.contains("wrong"))
    $("#shown").textContent = `${kept.size} of ${part.settings.length} settings`;
  for (const listener of listeners) listener(kept);
}

function brush(name, settings) {
  if (settings) state.brushes.set(name, settings);
  else state.brushes.delete(name);
  changed();
}

// --- tables

function sortable(table) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column], number = cell.querySelector("data");
    if (cell.dataset.sort !== undefined) return cell.dataset.sort === "" ? "" : Number(cell.dataset.sort);
    return number ? Number(number.value) : Number(cell.textContent) || cell.textContent.trim();
  };
  const isEmpty = (v) => v === "" || v === "–" || Number.isNaN(v);
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true});
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = el("button", {type: "button"}, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [value(row, column), row]);
      rows.sort(([a], [b]) => (isEmpty(a) ? (isEmpty(b) ? 0 : 1) : isEmpty(b) ? -1 : up ? compare(a, b) : compare(b, a)));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

function searching(tools) {
  const table = document.getElementById(tools.dataset.table), shown = $("output", tools);
  $("input", tools).addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    shown.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} shown` : "";
  });
  tools.hidden = false;
}

const heads = (table) => [...table.tHead.rows[0].cells];

function stick(table) {
  // rank and setting columns stay in sight, as long as they take less than half of the width
  let left = 0;
  const keys = 1 + Number(table.dataset.keys), room = table.parentElement.clientWidth * 0.5;
  heads(table).slice(0, keys).forEach((head, column) => {
    const sticks = left + head.offsetWidth <= room;
    for (const row of table.rows) {
      row.cells[column].classList.toggle("sticky", sticks);
      row.cells[column].style.left = sticks ? `${left}px` : "";
    }
    left += sticks ? head.offsetWidth : room;
  });
}

function columnChooser(tools, table) {
  const boxes = heads(table).map((head, column) => {
    const box = el("input", {type: "checkbox", checked: true});
    box.addEventListener("change", () => {
      for (const row of table.rows) row.cells[column].hidden = !box.checked;
      stick(table);
    });
    return el("label", {}, box, ` ${head.textContent}`);
  });
  $(".columns div", tools).append(...boxes.slice(1));
}

function csv(table) {
  const guarded = (text) => (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const cell = (c) => {
    const numbers = all("data", c);
    const exact = numbers.length === 1 && !c.querySelector(".note") ? numbers[0].value : "";
    return quoted(guarded(exact || c.textContent.trim().replace(/\s+/g, " ").replace(/^–$/, "")));
  };
  const rows = [table.tHead.rows[0], ...table.tBodies[0].rows].filter((row) => !row.hidden);
  return rows.map((row) => [...row.cells].filter((c) => !c.hidden).map(cell).join(",")).join("\n") + "\n";
}

function boards() {
  for (const table of all("table.sortable")) sortable(table);
  for (const tools of all(".tools[data-table]")) searching(tools);
  for (const tools of all(".tools[data-board]")) {
    const table = document.getElementById(`${tools.dataset.board}-board`);
    const number = data.chapters.findIndex((part) => part.id === tools.dataset.board);
    columnChooser(tools, table);
    stick(table);
    $(".csv", tools).addEventListener("click", () => {
      const link = el("a", {href: URL.createObjectURL(new Blob([csv(table)], {type: "text/csv"})), download: "settings.csv"});
      link.click();
      URL.revokeObjectURL(link.href);
    });
    table.tBodies[0].addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row && !getSelection().toString()) openSetting(number, Number(row.dataset.setting), event);
    });
    tools.hidden = false;
  }
}

function copying() {
  for (const button of all(".copy")) {
    button.onclick = async () => {
      const code = $("code", button.parentElement);
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code); // where the browser refuses: one key stroke is left
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    };
  }
}

// --- pictures by epoch, and two runs side by side

const epochsOf = (id) => Object.keys(data.pictures[id] ?? {}).map(Number).sort((a, b) => a - b);
const pictureAt = (id, epoch) => {
  const at = epochsOf(id).filter((each) => each <= epoch).pop() ?? epochsOf(id)[0];
  return at === undefined ? null : {epoch: at, url: data.pictures[id][at]};
};
const moments = () => [...new Set(Object.keys(data.pictures).flatMap(epochsOf))].sort((a, b) => a - b);

function gallery(kept) {
  const place = $("#gallery"), part = chapter();
  if (!place) return;
  const epoch = moments()[state.moment] ?? Infinity;
  const figures = data.real[part.id] ? [el("figure", {}, el("img", {src: data.real[part.id], alt: `real ${part.dataset}`}), el("figcaption", {}, "real"))] : [];
  part.settings.forEach((s, i) => {
    const id = s.runs.find((each) => data.pictures[each]);
    if (!kept.has(i) || !id) return;
    const shown = pictureAt(id, epoch);
    const image = el("img", {src: shown.url, alt: `${s.name}: samples after epoch ${shown.epoch}`});
    const button = el("button", {type: "button", title: "see this run"}, image);
    button.addEventListener("click", (event) => openRun(id, event));
    figures.push(el("figure", {className: s.rank === 1 ? "winner" : ""}, button, el("figcaption", {}, `${s.rank ? `${s.rank}. ` : ""}${s.name}, epoch ${shown.epoch}`)));
  });
  place.replaceChildren(...(figures.length ? figures : ["No run has sample pictures yet."]));
}

function slider() {
  const tools = $("#moment"), epochs = moments();
  if (!tools) return;
  const range = $("input", tools), last = epochs.length - 1;
  if (!state.moved || state.moment > last) state.moment = last;
  Object.assign(range, {max: Math.max(0, last), value: state.moment});
  $("output", tools).textContent = epochs[state.moment] ?? "";
  tools.hidden = last < 1;
  range.oninput = () => {
    state.moment = Number(range.value);
    state.moved = state.moment < last;
    $("output", tools).textContent = epochs[state.moment];
    gallery(chosen());
    for (const side of [0, 1]) showRun(side);
  };
}

function openSetting(number, setting, event) {
  const runs = data.chapters[number].settings[setting].runs;
  openRun(runs.find((id) => data.pictures[id]) ?? runs[0], event);
}

function openRun(id, event) {
  if (!$("#run")) return;
  const side = event?.shiftKey ? 1 : 0;
  state.sides[side] = id;
  showRun(side);
  $("#run").scrollIntoView();
}

const describe = (run) => {
  const s = data.chapters.flatMap((part) => part.settings).find((each) => each.runs.includes(run.id));
  return `${s ? `${s.rank ? `${s.rank}. ` : ""}${s.name}` : run.id.slice(0, 8)}, seed ${run.seed}`;
};

function showRun(side) {
  const slot = all("#run .slot")[side], run = slot && runOf(state.sides[side]);
  if (!run) return;
  const about = $(".about", slot), picture = pictureAt(run.id, moments()[state.moment] ?? Infinity);
  $("select", slot).value = run.id;
  const value = run.value === null ? "" : `, ${run.objective} ${readable(run.value)} (${run.value})`;
  const nodes = [el("p", {}, `${run.state}, epoch ${run.epoch} of ${run.epochs}${value}`)];
  if (run.error) nodes.push(el("p", {className: "wrong"}, run.error));
  if (picture) {
    nodes.push(el("img", {src: picture.url, alt: `samples of ${describe(run)} after epoch ${picture.epoch}`}));
    const range = el("input", {type: "range", min: 0, max: moments().length - 1, value: state.moment});
    range.setAttribute("aria-label", "epoch of the pictures");
    range.addEventListener("input", () => { const main = $("#moment input"); main.value = range.value; main.oninput(); $(`.slot[data-side="${"AB"[side]}"] input[type=range]`)?.focus(); });
    nodes.push(el("p", {className: "note"}, `epoch ${picture.epoch} `, range));
  } else nodes.push(el("p", {className: "note"}, run.state === "PENDING" ? "It has not begun." : "Its pictures are not in this page; they lie in its folder."));
  nodes.push(el("div", {className: "chart losses"}), el("div", {className: "chart balance"}));
  const copy = el("button", {type: "button", className: "copy"}, "Copy");
  nodes.push(el("div", {className: "command"}, el("pre", {}, el("code", {}, run.command)), copy));
  if (run.folder && run.state !== "PENDING") nodes.push(el("p", {}, el("a", {href: run.folder}, "its folder"), " · ", el("a", {href: `${run.folder}losses.png`}, "losses.png"), " · ", el("a", {href: `${run.folder}metrics.csv`}, "metrics.csv")));
  about.replaceChildren(...nodes);
  copying();
  window.drawRun?.(about, run);
}

function sides() {
  const first = chapter()?.settings.slice(0, 2).map((s) => s.runs.find((id) => data.pictures[id]) ?? s.runs[0]) ?? [];
  all("#run .slot").forEach((slot, side) => {
    const select = $("select", slot);
    select.replaceChildren(...data.runs.map((run) => el("option", {value: run.id}, describe(run).slice(0, 120))));
    state.sides[side] ??= first[side] ?? first[0] ?? null;
    select.onchange = () => { state.sides[side] = select.value; showRun(side); };
    showRun(side);
  });
}

function filters() {
  const tools = $("#filters"), pick = $("#chapter");
  if (!data.chapters.length) return;
  pick.replaceChildren(...data.chapters.map((part, i) => el("option", {value: i}, part.title)));
  pick.parentElement.hidden = data.chapters.length < 2;
  pick.onchange = () => { state.chapter = Number(pick.value); state.brushes.clear(); window.drawAll?.(); sides(); changed(); };
  $("#filter").oninput = (event) => { state.text = event.target.value; changed(); };
  $("#reset").onclick = () => { state.text = $("#filter").value = ""; state.brushes.clear(); window.drawAll?.(); changed(); };
  tools.hidden = false;
}

listeners.push(gallery);
function start() {
  boards();
  copying();
  filters();
  slider();
  sides();
  if (data.chapters.length) changed();
}
start();
