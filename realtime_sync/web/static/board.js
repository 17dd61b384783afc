"use strict";
// Asks for what has changed and shows it. Whatever a call says is set as text.

const EVERY = 500;
const token = new URLSearchParams(location.search).get("token") || "";
const $ = (id) => document.getElementById(id);

const ms = (value) => (value === null ? "–" : Math.round(value).toLocaleString("en"));
const count = (value) => value.toLocaleString("en");
const clock = (seconds) => {
  const whole = Math.floor(seconds);
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return `${hours ? `${hours}:` : ""}${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
};

// Heading, what it shows of a row, what it is sorted by.
const COLUMNS = [
  { name: "Call", key: (row) => row.name },
  { name: "State", text: (row) => row.state, key: (row) => row.state },
  { name: "Time", text: (row) => clock(seconds(row)), key: (row) => -seconds(row) },
  { name: "Turns", text: (row) => count(row.turns), key: (row) => -row.turns },
  { name: "p50 ms", text: (row) => ms(row.p50_ms), key: (row) => -(row.p50_ms || 0) },
  { name: "p95 ms", text: (row) => ms(row.p95_ms), key: (row) => -(row.p95_ms || 0) },
  { name: "Tokens in", text: (row) => count(row.input_tokens), key: (row) => -row.input_tokens },
  { name: "Tokens out", text: (row) => count(row.output_tokens), key: (row) => -row.output_tokens },
  { name: "Billed s", text: (row) => (row.billed_seconds ? row.billed_seconds.toFixed(0) : "–"), key: (row) => -row.billed_seconds },
  { name: "Errors", text: (row) => count(row.errors), key: (row) => -row.errors },
  { name: "Last said", text: (row) => row.last_line, key: (row) => row.last_line, words: true },
];

const calls = new Map(); // id -> { row, at, tr, cells }
let order = [];
let change = 0;
let chosen = null;
let shown = "";

function seconds(row) {
  const call = calls.get(row.id);
  const since = call && row.state !== "ended" ? (performance.now() - call.at) / 1000 : 0;
  return row.seconds + since;
}

function address(path, query = {}) {
  return `${location.pathname}/${path}?${new URLSearchParams({ token, ...query })}`;
}

async function asked(path, query, options) {
  const answer = await fetch(address(path, query), options);
  if (!answer.ok) throw new Error(`the program answers ${answer.status}`);
  return answer.json();
}

function set(node, text) {
  // Only what is otherwise: a screen reader and a selection stay where they are.
  if (node.textContent !== text) node.textContent = text;
}

function made(name, properties = {}, ...inside) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...inside);
  return node;
}

function newCall(id) {
  const name = made("button", { type: "button", className: "name" });
  const about = made("small");
  const state = made("span");
  const end = made("button", { type: "button", className: "end danger", textContent: "Hang up" });
  name.addEventListener("click", () => choose(id));
  end.addEventListener("click", () => ask(id));
  const cells = COLUMNS.map((column) => {
    const cell = made("td", { className: column.words ? "words" : "" });
    if (column.text) cell.dataset.name = column.name;
    // In a box of its own, so that two lines of it can be shown.
    if (column.words) cell.append(made("span"));
    return cell;
  });
  cells[0].append(name, about);
  cells[1].append(state);
  const last = made("td", { className: "wide" }, end);
  return { row: null, at: 0, tr: made("tr", {}, ...cells, last), cells, name, about, state, end };
}

function draw(call) {
  const { row, cells } = call;
  set(call.name, row.name || row.id);
  set(call.about, [row.model, row.protocol === "realtime" ? "" : row.protocol, row.worker].filter(Boolean).join(" · "));
  set(call.state, row.state);
  call.state.className = `state ${/^[a-z]+$/.test(row.state) ? row.state : ""}`;
  COLUMNS.forEach((column, place) => {
    if (place > 1) set(column.words ? cells[place].firstChild : cells[place], column.text(row));
  });
  cells[9].className = row.errors ? "some" : "";
  cells[9].title = row.last_error;
  cells[10].className = row.last_line ? "words" : "words none";
  cells[10].title = row.last_line;
  call.tr.classList.toggle("ended", row.state === "ended");
  mark(call);
  call.end.hidden = row.state === "ended";
  call.end.setAttribute("aria-label", `Hang up ${row.name}`);
}

function mark(call) {
  call.tr.classList.toggle("chosen", call.row.id === chosen);
  call.name.setAttribute("aria-expanded", String(call.row.id === chosen));
}

function visible() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const column = COLUMNS[$("sort").value];
  const found = order.map((id) => calls.get(id)).filter((call) => {
    const { row } = call;
    if (row.state === "ended" && !$("ended").checked) return false;
    const text = [row.name, row.model, row.protocol, row.state, row.worker, row.last_line, row.last_error].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  if (!column) return found;
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  return found.sort((a, b) => compare(column.key(a.row), column.key(b.row)));
}

function arrange() {
  const found = visible();
  const wanted = found.map((call) => call.row.id).join("\n");
  if (wanted !== shown) {
    shown = wanted;
    const focused = document.activeElement;
    $("rows").replaceChildren(...found.map((call) => call.tr));
    if (focused && focused.isConnected) focused.focus();
  }
  $("none").hidden = found.length > 0;
  $("calls").hidden = !found.length;
  set($("none"), order.length ? "No call fits the filter." : "No call is running. Sessions appear here when they open.");
}

function sums() {
  const open = [...calls.values()].map((call) => call.row).filter((row) => row.state !== "ended");
  const sum = (name) => open.reduce((total, row) => total + row[name], 0);
  const p95 = open.map((row) => row.p95_ms).filter((value) => value !== null);
  const told = {
    "open": count(open.length),
    "answering": count(open.filter((row) => row.state === "answering").length),
    "slowest p95": p95.length ? `${ms(Math.max(...p95))} ms` : "–",
    "tokens in": count(sum("input_tokens")),
    "tokens out": count(sum("output_tokens")),
    "errors": count(sum("errors")),
  };
  const list = $("sums");
  if (!list.children.length) {
    for (const name of Object.keys(told)) list.append(made("div", {}, made("dt", { textContent: name }), made("dd")));
  }
  Object.values(told).forEach((value, place) => set(list.children[place].lastChild, value));
}

function health({ failed, late, age }) {
  const told = [];
  if (failed) told.push(failed === 1 ? "One source of calls fails." : `${failed} sources of calls fail.`);
  if (late) told.push(`${late === 1 ? "One source of calls has" : `${late} sources of calls have`} not answered for ${clock(age)}.`);
  return told.length ? [...told, "Those calls are as they were."].join(" ") : "Live";
}

function take(answer) {
  change = answer.change;
  for (const row of answer.rows) {
    const call = calls.get(row.id) || newCall(row.id);
    Object.assign(call, { row, at: performance.now() });
    calls.set(row.id, call);
    draw(call);
  }
  if (answer.order) {
    order = answer.order;
    const known = new Set(order);
    for (const id of [...calls.keys()]) if (!known.has(id)) calls.delete(id);
    if (chosen && !known.has(chosen)) choose(null);
  }
  set($("state"), health(answer));
  for (const call of calls.values()) set(call.cells[2], clock(seconds(call.row)));
  arrange();
  sums();
}

function choose(id) {
  const before = chosen;
  chosen = id === chosen ? null : id;
  for (const call of calls.values()) mark(call);
  $("call").hidden = chosen === null;
  document.querySelector("main").classList.toggle("two", chosen !== null);
  if (chosen === null) {
    const call = calls.get(before);
    if (call) call.name.focus();
    return;
  }
  $("lines").replaceChildren();
  follow().then(() => $("call-name").focus());
}

async function follow() {
  const call = calls.get(chosen);
  if (!call) return;
  const { row } = call;
  set($("call-name"), row.name || row.id);
  set($("call-about"), `${row.state} · ${clock(seconds(row))} · ${row.model || "no model"} · ${count(row.events)} events · ${count(row.queued)} waiting for handlers`);
  $("call-error").hidden = !row.last_error;
  set($("call-error"), row.last_error);
  const { lines } = await asked("transcript", { id: row.id });
  if (chosen !== row.id) return;
  const list = $("lines");
  lines.forEach((line, place) => {
    if (!list.children[place]) list.append(made("li", {}, made("small"), made("span")));
    const [role, text] = list.children[place].children;
    list.children[place].className = line.role === "user" ? "user" : "";
    set(role, line.role);
    set(text, line.text);
  });
  while (list.children.length > lines.length) list.lastChild.remove();
  $("unsaid").hidden = lines.length > 0;
}

function ask(id) {
  const call = calls.get(id);
  set($("sure-name"), `${call.row.name}, ${clock(seconds(call.row))}`);
  const dialog = $("sure");
  dialog.returnValue = "no";
  dialog.onclose = async () => {
    if (dialog.returnValue !== "yes") return;
    call.end.disabled = true;
    try {
      await asked("hang-up", { id }, { method: "POST" });
    } catch (error) {
      set($("state"), `Not hung up: ${error.message}`);
    }
    call.end.disabled = false;
  };
  dialog.showModal();
}

async function turn() {
  if (document.visibilityState === "visible") {
    try {
      take(await asked("rows", { since: change }));
      if (chosen) await follow();
    } catch (error) {
      set($("state"), `No answer: ${error.message}. Trying again.`);
      change = 0;
    }
  }
  setTimeout(turn, EVERY);
}

$("names").append(
  ...COLUMNS.map((column) => made("th", { scope: "col", textContent: column.name, className: column.words ? "words" : "" })),
  made("th", { scope: "col" }, made("span", { className: "away", textContent: "Hang up" })),
);
$("sort").append(made("option", { value: "", textContent: "beginning" }));
COLUMNS.forEach((column, place) => $("sort").append(made("option", { value: place, textContent: column.name.toLowerCase() })));
for (const id of ["filter", "ended", "sort"]) $(id).addEventListener("input", arrange);
$("tools").addEventListener("submit", (event) => event.preventDefault());
$("shut").addEventListener("click", () => choose(chosen));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen && !$("sure").open) choose(chosen);
});
turn();
