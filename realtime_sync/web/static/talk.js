// A conversation to look at and to talk in, over any transport: an object with `open()`,
// `close()`, `send(message, buffer)`, a sentence `busy`, and, set here, `onmessage(message,
// buffer)` and `onlost(text)`.
// What is said is only ever put in as text.

import { AudioProblem, Sound } from "./audio.js";

const UNANSWERED_MS = 3000;
const LATENCIES = [["found", "end of speech found"], ["first", "first sound"], ["done", "complete"]];
const WORDS = {
  idle: "not started", opening: "connecting", waiting: "waiting for you", listening: "listening to you",
  thinking: "thinking", answering: "answering", paused: "paused", closing: "ending", closed: "over",
};
const ROLES = { user: "You", assistant: "Answer", system: "System", tool: "Tool" };

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// A level as people hear it: -60 dB is nothing, 0 dB is everything.
function loud(level) {
  return Math.max(0, Math.min(1, 1 + Math.log10(Math.max(level, 1e-6)) / 3));
}

export class Talk {
  constructor(root, transport, { workletUrl, heading = null, openPage = null }) {
    this.transport = transport;
    this.workletUrl = workletUrl;
    this.openPage = openPage;
    this.sound = null;
    this.running = false;
    this.lines = new Map();
    this.answered = 0;
    this.asked = 0;
    this.build(root, heading);
    transport.onmessage = (message, buffer) => this.receive(message, buffer);
    transport.onlost = text => this.lost(text);
    this.show("idle");
  }

  // -- what is seen ------------------------------------------------------------

  build(root, heading) {
    const button = (text, press, more = {}) => {
      const one = make("button", { type: "button", ...more }, text);
      one.addEventListener("click", press);
      return one;
    };
    // Not announced, as the transcript is not: it would be read aloud over the answer,
    // and heard by the microphone. What is in the way is, for it is an alert.
    this.state = make("span", { class: "rs-state" });
    this.startButton = button("Start", () => this.running ? this.stop() : this.start(), { class: "first" });
    this.deafButton = button("Start without microphone", () => this.start(false), { hidden: true });
    this.muteButton = button("Mute", () => this.mute(), { "aria-pressed": "false" });
    this.interruptButton = button("Interrupt", () => this.interrupt());
    this.pushBox = make("input", { type: "checkbox" });
    this.pushBox.addEventListener("change", () => this.choose());
    this.holdButton = make("button", { type: "button", class: "rs-hold", hidden: true }, "Hold to talk");
    this.hold();
    this.you = make("meter", { min: 0, max: 1, value: 0 });
    this.other = make("meter", { min: 0, max: 1, value: 0 });
    this.problem = make("p", { class: "rs-problem", role: "alert" });
    this.log = make("ol");
    this.transcript = make("div", { class: "rs-log", role: "log", "aria-live": "off", "aria-label": "Transcript", tabindex: "0" }, this.log);
    this.atEnd = true;
    this.transcript.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.transcript;
      this.atEnd = scrollHeight - scrollTop - clientHeight < 40;
    });
    new ResizeObserver(() => this.follow()).observe(this.transcript);
    this.empty = make("p", { class: "rs-soft" }, "What is said will stand here.");
    this.text = make("input", { type: "text", "aria-label": "Type instead of speaking", placeholder: "Type instead of speaking", autocomplete: "off" });
    this.sendButton = make("button", { type: "submit" }, "Send");
    const form = make("form", { class: "rs-form" }, this.text, this.sendButton);
    form.addEventListener("submit", event => { event.preventDefault(); this.say(); });
    this.rows = make("tbody");
    this.table = make("table", { hidden: true },
      make("caption", {}, "Milliseconds after the end of your speech, last turns"),
      make("thead", {}, make("tr", {}, ...LATENCIES.map(([, text]) => make("th", { scope: "col" }, text)))),
      this.rows);
    this.root = make("section", { class: "rs-talk", "aria-label": "Conversation" },
      make("header", {}, ...(heading ? [make("h1", {}, heading)] : []), this.state),
      make("div", { class: "rs-controls", role: "group", "aria-label": "Controls" },
        this.startButton, this.deafButton, this.muteButton, this.interruptButton, this.holdButton,
        make("label", { class: "rs-choice" }, this.pushBox, "Push to talk")),
      make("div", { class: "rs-meters" },
        make("label", {}, "You", this.you), make("label", {}, "Answer", this.other)),
      this.problem, this.empty, this.transcript, form, this.table);
    this.root.addEventListener("keydown", event => { if (event.key === "Escape") this.interrupt(); });
    // A click is what lets a browser go on with sound that it has paused.
    this.root.addEventListener("pointerdown", () => this.sound && this.sound.resume());
    root.append(this.root);
  }

  hold() {
    const down = () => { this.press(true); };
    const up = () => { this.press(false); };
    const key = event => event.key === " " || event.key === "Enter";
    this.holdButton.addEventListener("pointerdown", event => { this.holdButton.setPointerCapture(event.pointerId); down(); });
    this.holdButton.addEventListener("pointerup", up);
    this.holdButton.addEventListener("pointercancel", up);
    this.holdButton.addEventListener("keydown", event => { if (key(event)) { event.preventDefault(); if (!event.repeat) down(); } });
    this.holdButton.addEventListener("keyup", event => { if (key(event)) { event.preventDefault(); up(); } });
    this.holdButton.addEventListener("blur", up);
    this.holdButton.addEventListener("contextmenu", event => event.preventDefault());
  }

  show(state) {
    this.word = state;
    this.state.textContent = WORDS[state] || state;
    this.state.dataset.state = state;
    this.startButton.textContent = this.running ? "End" : "Start";
    this.startButton.classList.toggle("first", !this.running);
    for (const each of [this.muteButton, this.interruptButton, this.holdButton, this.sendButton, this.text]) each.disabled = !this.running;
    this.muteButton.disabled = !this.running || !this.sound || !this.sound.stream;
    this.holdButton.hidden = !this.pushBox.checked;
  }

  tell(text, code = "") {
    this.problem.textContent = text;
    this.problem.dataset.code = code;
    if (this.openPage && (code === "barred" || code === "insecure")) {
      const ask = make("button", { type: "button" }, "Offer a page");
      ask.addEventListener("click", () => this.openPage());
      this.problem.append(" ", ask);
    }
  }

  showPage(url) {
    const link = make("a", { href: url, target: "_blank", rel: "noopener" }, "Talk in a window of the browser");
    this.problem.replaceChildren(link, " (on the machine of the kernel; from another one, through ssh -L)");
  }

  // -- what a person does ------------------------------------------------------

  async start(microphone = true) {
    if (this.running || this.starting) return;
    this.starting = true;
    this.tell("");
    this.show("opening");
    this.startButton.disabled = true;
    // Nothing more of the conversation before, which may still be ending; and its lines
    // would stay until this one has some.
    this.transport.close();
    this.showLines({ order: [], changed: [] });
    this.showTurns([]);
    try {
      this.sound = await Sound.open({ workletUrl: this.workletUrl, tell: this.told(), microphone });
      await Promise.race([this.sound.resume(), new Promise(done => setTimeout(done, 500))]);
      await this.transport.open();
      this.running = true;
      this.lastAnswer = performance.now();
      this.beats = setInterval(() => this.beat(), 1000);
      this.transport.send({ kind: "start", push: this.pushBox.checked, microphone });
      this.deafButton.hidden = true;
      if (!this.sound.running) this.told().state(false);
    } catch (error) {
      const problem = error instanceof AudioProblem;
      this.tell(error.message, problem ? error.code : "");
      this.deafButton.hidden = !problem || ["outdated"].includes(error.code);
      this.end("idle");
    }
    this.starting = false;
    this.startButton.disabled = false;
    this.show(this.word);
  }

  stop() {
    this.transport.send({ kind: "stop" });
    this.end("closing");
  }

  end(state) {
    this.running = false;
    clearInterval(this.beats);
    if (this.sound) this.sound.close();
    this.sound = null;
    this.you.value = this.other.value = 0;
    this.muteButton.setAttribute("aria-pressed", "false");
    this.show(state);
  }

  lost(text) {
    if (!this.running && this.word !== "closing") return;
    this.end("closed");
    this.tell(text);
  }

  // The program has ended what a person has ended, unless it was begun anew meanwhile.
  ended(text) {
    if (this.word !== "closing") return;
    this.transport.close();
    this.show("closed");
    this.tell(text, "ended");
  }

  mute() {
    const on = this.muteButton.getAttribute("aria-pressed") !== "true";
    this.muteButton.setAttribute("aria-pressed", String(on));
    if (this.sound) this.sound.mute(on);
  }

  interrupt() {
    if (this.running) this.transport.send({ kind: "interrupt" });
  }

  choose() {
    if (this.running) this.transport.send({ kind: "push", on: this.pushBox.checked });
    this.show(this.word);
  }

  press(down) {
    if (!this.running || down === this.down) return;
    this.down = down;
    this.holdButton.classList.toggle("rs-down", down);
    this.transport.send({ kind: down ? "press" : "release" });
  }

  say() {
    const text = this.text.value.trim();
    if (!text || !this.running) return;
    this.transport.send({ kind: "say", text });
    this.text.value = "";
  }

  // -- sound -------------------------------------------------------------------

  told() {
    return {
      block: (sound, level) => {
        this.you.value = loud(level);
        // What nobody takes would pile up, and be heard long after it was said.
        if (this.running && !this.unanswered()) this.transport.send({ kind: "microphone" }, sound);
      },
      played: (position, time) => this.running && this.transport.send({ kind: "played", position, time }),
      cleared: (played, time) => { this.cleared = { played, time }; },
      level: (level, played) => { this.other.value = loud(level); this.played = played; },
      state: running => {
        if (!this.running) return;
        this.transport.send({ kind: "running", on: running });
        if (!running) this.tell(new AudioProblem("suspended").message, "suspended");
        else if (this.problem.dataset.code === "suspended") this.tell("");
      },
      problem: problem => this.tell(problem.message, problem.code),
    };
  }

  unanswered() { return performance.now() - this.lastAnswer > UNANSWERED_MS; }

  beat() {
    this.transport.send({ kind: "alive", number: ++this.asked });
    if (this.unanswered()) this.tell(this.transport.busy, "busy-program");
    else if (this.problem.dataset.code === "busy-program") this.tell("");
  }

  // -- what the program says ---------------------------------------------------

  receive(message, buffer) {
    this.lastAnswer = performance.now();
    if (message.kind === "sound") { if (this.sound) this.sound.play(buffer); }
    else if (message.kind === "mark") { if (this.sound) this.sound.mark(message.position); }
    else if (message.kind === "clear") { if (this.sound) this.sound.clear(); }
    else if (message.kind === "lines") this.showLines(message);
    else if (message.kind === "state") { if (this.running) this.show(message.state); }
    else if (message.kind === "turns") this.showTurns(message.turns);
    else if (message.kind === "page") this.showPage(message.url);
    else if (message.kind === "problem") this.tell(message.text, "program");
    else if (message.kind === "solved") { if (this.problem.dataset.code === "program") this.tell(""); }
    else if (message.kind === "ended") this.ended(message.text);
    else if (message.kind === "over") { this.transport.close(); this.end("closed"); if (message.text) this.tell(message.text); }
  }

  showLines({ order, changed }) {
    for (const line of changed) this.lines.set(line.id, this.line(line, this.lines.get(line.id)));
    for (const [id, element] of this.lines) {
      if (!order.includes(id)) { element.remove(); this.lines.delete(id); }
    }
    order.forEach((id, place) => {
      const element = this.lines.get(id);
      if (element && this.log.children[place] !== element) this.log.insertBefore(element, this.log.children[place] || null);
    });
    this.empty.hidden = order.length > 0;
    this.follow();
  }

  // What was said last stays in view, also where the window changes, unless a person
  // reads further up.
  follow() {
    if (this.atEnd) this.transcript.scrollTop = this.transcript.scrollHeight;
  }

  line(line, element) {
    const item = element || make("li", {},
      make("span", { class: "rs-who" }), make("span", { class: "rs-said" }), make("del", { title: "not heard" }), make("small", {}));
    const [who, said, unheard, remark] = item.children;
    item.className = `rs-by-${ROLES[line.role] ? line.role : "tool"}`;
    who.textContent = ROLES[line.role] || line.role;
    said.textContent = line.text;
    unheard.textContent = line.unheard;
    unheard.hidden = !line.unheard;
    remark.textContent = line.remark;
    return item;
  }

  showTurns(turns) {
    this.table.hidden = !turns.length;
    this.rows.replaceChildren(...turns.map(turn => make("tr", {},
      ...LATENCIES.map(([name]) => make("td", {}, turn[name] === null ? "–" : String(Math.round(turn[name])))))));
  }
}
