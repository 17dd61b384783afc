"use strict";
// Steps through a recording. Whatever was said in it is set as text.

const TICK = 100;
const token = new URLSearchParams(location.search).get("token") || "";
const $ = (id) => document.getElementById(id);
const ARROWS = { in: "◂", out: "▸", note: "·" };
const SAID = { in: "from the server", out: "to the server", note: "noted by the library" };

let about = { events: 0, seconds: 0 };
let now = { number: 0, at: 0 };
let log = { events: [], before: 0, after: 0, previous: null, next: null };
let running = null; // { at, since }
let chain = Promise.resolve();

function address(path, query = {}) {
  return `${location.pathname}/${path}?${new URLSearchParams({ token, ...query })}`;
}

async function asked(path, query) {
  const answer = await fetch(address(path, query));
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return answer.json();
}

function made(name, properties = {}, ...inside) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...inside);
  return node;
}

const time = (seconds) => seconds.toFixed(3);
const json = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
// Long names end their lines between words.
const broken = (name) => name.split(/(?<=[._])/).flatMap((part) => [part, document.createElement("wbr")]);
const brief = (value) => (value === null || value === undefined ? "nothing" : typeof value === "string" ? value : JSON.stringify(value));

function filter() {
  const directions = [...document.querySelectorAll(".direction:checked")].map((box) => box.value);
  return { words: $("words").value, directions: directions.join(" "), sound: $("sound").checked ? "yes" : "no" };
}

function tell(action) {
  // One question after the other, or an earlier answer would replace a later one.
  chain = chain.then(async () => {
    try {
      await action();
      $("trouble").textContent = "";
    } catch (error) {
      stop();
      $("trouble").textContent = `The program does not answer. ${error.message}`;
    }
  });
  return chain;
}

function show(step) {
  now = step;
  $("seek").value = step.at;
  $("seek").setAttribute("aria-valuetext", `${time(step.at)} seconds, event ${step.number + 1}, ${step.type}`);
  $("where").textContent = `${time(step.at)} of ${time(about.seconds)} s · event ${step.number + 1} of ${about.events}`;
  const connection = step.connection === 1 ? "" : ` · connection ${step.connection}`;
  $("event-title").textContent = step.type || "what is no event";
  $("event-about").textContent = `${SAID[step.direction]} at ${time(step.at)} s${step.size ? ` · ${step.size.toLocaleString("en")} bytes` : ""}${connection}`;
  $("frame").textContent = json(step.frame);
  $("changes").replaceChildren(...step.changes.map((each) =>
    made("li", {}, made("code", { textContent: each.path }), " ", made("del", { textContent: brief(each.before) }), " → ", made("ins", { textContent: brief(each.after) }))));
  $("unchanged").hidden = step.changes.length > 0;
  $("facts").replaceChildren(...Object.entries(step.facts).map(([name, value]) =>
    made("div", {}, made("dt", { textContent: name }), made("dd", { textContent: value === "" ? "–" : value }))));
  $("lines").replaceChildren(...step.lines.map((line) =>
    made("li", { className: line.role === "user" ? "user" : "" },
      made("small", { textContent: [line.role, line.status].filter((word) => word && word !== "completed").join(" · ") }),
      line.text, made("del", { textContent: line.unheard, title: "not heard" }))));
  $("unsaid").hidden = step.lines.length > 0;
  $("called").hidden = !step.calls.length;
  $("calls").replaceChildren(...step.calls.map((call) =>
    made("li", {}, made("small", { textContent: call.status }), `${call.name}(${call.arguments})${call.output ? ` → ${call.output}` : ""}`)));
  $("odd").hidden = !step.problems.length;
  $("problems").replaceChildren(...step.problems.map((text) => made("li", { textContent: text })));
  whole();
}

function whole() {
  // A long call's snapshot is long: it is written out for whoever opens it.
  $("snapshot").textContent = $("whole").open ? json(now.snapshot) : "";
}

function mark() {
  let current = null;
  for (const item of $("events").children) {
    const button = item.firstChild;
    const here = Number(button.value) === now.number;
    if (here) {
      button.setAttribute("aria-current", "true");
      current = item;
    } else button.removeAttribute("aria-current");
  }
  if (current) {
    const list = $("events");
    const out = current.offsetTop < list.scrollTop || current.offsetTop + current.offsetHeight > list.scrollTop + list.clientHeight;
    if (out) list.scrollTop = current.offsetTop - list.clientHeight / 2;
  }
}

function list(answer) {
  log = answer;
  $("events").replaceChildren(...log.events.map(([number, at, direction, type]) =>
    made("li", { className: direction },
      made("button", { type: "button", value: number, onclick: () => { stop(); go({ number }); } },
        made("time", { textContent: time(at) }),
        made("i", { textContent: ARROWS[direction], title: SAID[direction] }),
        made("span", {}, ...broken(type || "(no event)"))))));
  $("nothing").hidden = log.events.length > 0;
  for (const [id, count, word] of [["earlier", log.before, "earlier"], ["later", log.after, "later"]]) {
    $(id).hidden = !count;
    $(id).textContent = `${count.toLocaleString("en")} ${word}`;
  }
}

async function around(number) {
  list(await asked("events", { around: number, ...filter() }));
}

async function look(query) {
  const step = await asked("step", query);
  if (step.number !== now.number || !now.type) show(step);
  const numbers = log.events.map((each) => each[0]);
  const inside = numbers.length && numbers[0] <= now.number && now.number <= numbers[numbers.length - 1];
  const whole = !log.before && !log.after;
  if (!whole && !inside) await around(now.number);
  mark();
}

const go = (query) => tell(() => look(query));

function neighbour(side) {
  stop();
  return tell(async () => {
    // Within the list where it has one; else the program knows.
    const numbers = log.events.map((each) => each[0]);
    let near = side < 0 ? numbers.filter((number) => number < now.number).pop() : numbers.find((number) => number > now.number);
    if (near === undefined) {
      await around(now.number);
      near = side < 0 ? log.previous : log.next;
    }
    if (near !== undefined && near !== null) await look({ number: near });
  });
}

function start() {
  if (now.number >= about.events - 1) now = { ...now, at: 0 };
  running = { at: now.at, since: performance.now() };
  $("run").textContent = "Pause";
  $("run").setAttribute("aria-pressed", "true");
  tick();
}

function stop() {
  running = null;
  $("run").textContent = "Run on";
  $("run").setAttribute("aria-pressed", "false");
}

async function tick() {
  if (!running) return;
  const at = running.at + ((performance.now() - running.since) / 1000) * Number($("speed").value);
  await go({ at: Math.min(at, about.seconds) });
  if (at >= about.seconds) stop();
  if (running) setTimeout(tick, TICK);
}

function jump(number) {
  stop();
  go({ number });
}

$("first").addEventListener("click", () => jump(0));
$("last").addEventListener("click", () => jump(about.events - 1));
$("previous").addEventListener("click", () => neighbour(-1));
$("next").addEventListener("click", () => neighbour(1));
$("run").addEventListener("click", () => (running ? stop() : start()));
$("speed").addEventListener("change", () => { if (running) running = { at: now.at, since: performance.now() }; });
let sought = null;
$("seek").addEventListener("input", () => {
  stop();
  // The places that were passed on the way are not asked for.
  const asked = sought !== null;
  sought = $("seek").value;
  if (!asked) {
    tell(async () => {
      const at = sought;
      sought = null;
      await look({ at });
    });
  }
});
for (const box of [$("words"), $("sound"), ...document.querySelectorAll(".direction")]) {
  box.addEventListener("input", () => tell(async () => { await around(now.number); mark(); }));
}
$("tools").addEventListener("submit", (event) => event.preventDefault());
$("earlier").addEventListener("click", () => tell(() => around(log.events[0][0])));
$("later").addEventListener("click", () => tell(() => around(log.events[log.events.length - 1][0])));
$("whole").addEventListener("toggle", whole);
addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = { ArrowLeft: () => neighbour(-1), ArrowRight: () => neighbour(1), Home: () => jump(0), End: () => jump(about.events - 1) };
  const act = keys[event.key] || (event.key === " " && event.target === document.body ? () => (running ? stop() : start()) : null);
  if (act) {
    event.preventDefault();
    act();
  }
});

tell(async () => {
  about = await asked("about");
  document.title = $("name").textContent = about.name;
  const when = about.started ? `${new Date(about.started * 1000).toLocaleString("en")} · ` : "";
  $("about").textContent = `${when}${about.session_type}, ${about.dialect} · ${about.events.toLocaleString("en")} events · ${about.seconds.toFixed(1)} s`;
  $("seek").max = about.seconds;
  $("download").hidden = !about.downloadable;
  $("download").href = address("recording");
  $("download").download = about.name;
  if (!about.events) {
    $("nothing").hidden = false;
    return;
  }
  await around(0);
  await look({ number: 0 });
});
