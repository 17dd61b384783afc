// The page: a conversation over a WebSocket of its own.

import { Talk } from "./talk.js";

const ENDINGS = {
  1001: "The program that serves this page has ended.",
  1007: "The program does not understand this page: reload it.",
  1008: "This page was too slow to take what was said. Start again.",
  1009: "What this page has sent is too long. Start again.",
  1011: "The program could not go on with this page; its log says why.",
};
const LOST = "The connection to the program is lost. Start again once it runs.";
const REFUSED = "The program does not answer: it has ended, or this address has an old token.";

class Socket {
  constructor(path) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.url = `${scheme}://${location.host}${path}${location.search}`;
    this.busy = "The program does not answer at present; what you say is not sent.";
    this.socket = null;
  }

  open() {
    this.close();
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.url);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => { this.socket = socket; resolve(); };
      socket.onmessage = event => this.took(event.data);
      socket.onclose = event => {
        if (this.socket === socket) { this.socket = null; this.onlost(ENDINGS[event.code] || LOST); }
        else reject(new Error(REFUSED));
      };
    });
  }

  // The far end ends the conversation that this one carried.
  close() {
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.close();
  }

  send(message, sound = null) {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return;
    if (sound === null) { this.socket.send(JSON.stringify(message)); return; }
    const head = new TextEncoder().encode(JSON.stringify(message));
    const data = new Uint8Array(4 + head.length + sound.byteLength);
    new DataView(data.buffer).setUint32(0, head.length, true);
    data.set(head, 4);
    data.set(new Uint8Array(sound), 4 + head.length);
    this.socket.send(data);
  }

  took(data) {
    const length = new DataView(data).getUint32(0, true);
    const head = new TextDecoder().decode(new Uint8Array(data, 4, length));
    this.onmessage(JSON.parse(head), data.slice(4 + length));
  }
}

export const talk = new Talk(document.querySelector("main"), new Socket("/talk/socket"), {
  workletUrl: "/static/audio_worklet.js",
  heading: document.title,
});
for (const link of document.querySelectorAll("nav a")) link.href += location.search;
