// A conversation in the output of a notebook's cell: over the kernel's own channel.

import { Talk } from "./talk.js";

const HELLO_MS = 5000;
const BUSY = "The kernel does not answer: it runs a cell, or was restarted. What you say is not sent meanwhile.";

// Several windows may show one output; each has a name, so that what is said to one is
// not heard in all of them.
class KernelChannel {
  constructor(model) {
    this.model = model;
    this.busy = BUSY;
    this.view = `${Date.now()}-${Math.random()}`;
    this.heard = (message, buffers) => this.took(message, buffers);
    model.on("msg:custom", this.heard);
  }

  open() {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => { this.opened = null; reject(new Error(BUSY)); }, HELLO_MS);
      this.opened = () => { clearTimeout(late); this.opened = null; resolve(); };
      this.send({ kind: "alive", number: 0 });
    });
  }

  send(message, sound = null) {
    this.model.send({ ...message, view: this.view }, undefined, sound === null ? [] : [sound]);
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
