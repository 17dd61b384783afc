// A conversation in the output of a notebook's cell: over the kernel's own channel.

import { Talk } from "./talk.js";

const HELLO_MS = 5000;
const BLOCKS = 3;           // of the microphone for one message: a kernel says two for each that it takes
const BUSY = "The kernel does not answer: it runs a cell, or was restarted. What you say is not sent meanwhile.";
const GONE = "The kernel was restarted, or has ended: run the cell that connects, and this one, again.";

// Several windows may show one output; each has a name, so that what is said to one is
// not heard in all of them.
class KernelChannel {
  constructor(model) {
    this.model = model;
    this.busy = BUSY;
    this.view = `${Date.now()}-${Math.random()}`;
    this.blocks = [];
    this.heard = (message, buffers) => this.took(message, buffers);
    model.on("msg:custom", this.heard);
  }

  open() {
    return new Promise((resolve, reject) => {
      const settle = (done, value) => { clearTimeout(late); this.opened = this.failed = null; done(value); };
      this.opened = () => settle(resolve);
      this.failed = text => settle(reject, new Error(text));
      const late = setTimeout(() => this.failed(BUSY), HELLO_MS);
      this.send({ kind: "alive", number: 0 });
    });
  }

  send(message, sound = null) {
    if (message.kind === "microphone") {
      this.blocks.push(sound);
      if (this.blocks.length >= BLOCKS) this.flush();
      return;
    }
    // Letting go of the button comes after what was said.
    this.flush();
    this.post(message, []);
  }

  flush() {
    if (!this.blocks.length) return;
    const sound = new Uint8Array(this.blocks.reduce((size, each) => size + each.byteLength, 0));
    let at = 0;
    for (const each of this.blocks) { sound.set(new Uint8Array(each), at); at += each.byteLength; }
    this.blocks = [];
    this.post({ kind: "microphone" }, [sound.buffer]);
  }

  // A kernel that was restarted knows nothing of this output, and the notebook takes
  // nothing more for it.
  post(message, buffers) {
    try {
      this.model.send({ ...message, view: this.view }, undefined, buffers);
    } catch {
      (this.failed || this.onlost)(GONE);
    }
  }

  took(message, buffers) {
    if (message.view !== this.view) return;
    if (this.opened) this.opened();
    const first = buffers && buffers[0];
    // A copy: what a notebook gives is a view into a larger buffer.
    const sound = first ? new Uint8Array(first.buffer || first, first.byteOffset || 0, first.byteLength).slice().buffer : null;
    this.onmessage(message, sound);
  }

  close() {}

  leave() {
    this.send({ kind: "stop" });
    this.model.off("msg:custom", this.heard);
  }
}

function render({ model, el }) {
  const channel = new KernelChannel(model);
  const worklet = URL.createObjectURL(new Blob([AUDIO_WORKLET], { type: "text/javascript" }));
  const talk = new Talk(el, channel, {
    workletUrl: worklet,
    openPage: () => channel.send({ kind: "page" }),
  });
  el.talk = talk;
  return () => {
    channel.leave();
    talk.end("closed");
    URL.revokeObjectURL(worklet);
  };
}

export default { render };
