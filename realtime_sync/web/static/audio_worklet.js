// What runs in the browser's audio thread: a microphone and a loudspeaker, both of
// 16-bit PCM at 24 kHz, whatever rate the device has.

const RATE = 24000;
const BLOCK = 480;          // 20 ms of the microphone for one message
const CROSSINGS = 16;       // of the resampler's kernel, on either side
const STEPS = 256;          // of its table, between two crossings

const KERNEL = (() => {
  const size = CROSSINGS * STEPS;
  const table = new Float32Array(size + 2);
  for (let i = 0; i <= size; i++) {
    const x = Math.PI * i / STEPS;
    const window = 0.5 + 0.5 * Math.cos(Math.PI * i / size);
    table[i] = (i ? Math.sin(x) / x : 1) * window;
  }
  return table;
})();

// Band-limited, piece by piece: nothing is heard where two pieces meet.
class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.cut = Math.min(1, to / from);
    this.half = CROSSINGS / this.cut;
    this.kept = new Float32Array(Math.ceil(this.half));   // silence before the first
    this.at = this.kept.length;
  }

  feed(piece) {
    if (this.step === 1) return piece;
    const input = new Float32Array(this.kept.length + piece.length);
    input.set(this.kept);
    input.set(piece, this.kept.length);
    const most = Math.max(0, Math.ceil((input.length - this.half - this.at) / this.step));
    const output = new Float32Array(most);
    let count = 0;
    for (; this.at + this.half < input.length; this.at += this.step) {
      const first = Math.max(0, Math.ceil(this.at - this.half));
      const last = Math.floor(this.at + this.half);
      let sum = 0;
      for (let n = first; n <= last; n++) {
        const place = Math.abs(n - this.at) * this.cut * STEPS;
        const whole = Math.floor(place);
        const weight = KERNEL[whole] + (place - whole) * (KERNEL[whole + 1] - KERNEL[whole]);
        sum += input[n] * weight;
      }
      output[count++] = sum * this.cut;
    }
    const start = Math.max(0, Math.floor(this.at - this.half));
    this.kept = input.slice(start);
    this.at -= start;
    return output.subarray(0, count);
  }
}

function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / (samples.length || 1));
}

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.block = new Int16Array(BLOCK);
    this.filled = 0;
    this.sum = 0;
  }

  process(inputs) {
    const channels = inputs[0];
    if (!channels.length) return true;
    let mono = channels[0];
    if (channels.length > 1) {
      mono = mono.map((_, i) => channels.reduce((sum, each) => sum + each[i], 0) / channels.length);
    }
    for (const sample of this.resampler.feed(mono)) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.block[this.filled++] = Math.round(clipped * 32767);
      this.sum += clipped * clipped;
      if (this.filled === BLOCK) this.tell();
    }
    return true;
  }

  tell() {
    const sound = this.block.buffer;
    const level = Math.sqrt(this.sum / BLOCK);
    this.port.postMessage({ sound, level, time: currentTime }, [sound]);
    this.block = new Int16Array(BLOCK);
    this.filled = 0;
    this.sum = 0;
  }
}

class Loudspeaker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(RATE, sampleRate);
    this.queue = [];        // pieces of samples, and marks between them
    this.offset = 0;        // in the first piece
    this.given = 0;         // samples at 24 kHz since the beginning
    this.queued = 0;        // of these, not yet played
    this.tapped = false;    // whether the page wants what was played
    this.count = 0;
    this.port.onmessage = event => this.receive(event.data);
  }

  receive(order) {
    if (order.kind === "sound") {
      const samples = new Int16Array(order.sound);
      this.given += samples.length;
      this.queued += samples.length;
      this.queue.push({ samples, ready: null });
    } else if (order.kind === "mark") {
      this.queue.push({ mark: order.position });
    } else if (order.kind === "clear") {
      this.queue = [];
      this.offset = 0;
      this.given -= this.queued;
      this.queued = 0;
      this.resampler = new Resampler(RATE, sampleRate);
      this.port.postMessage({ kind: "cleared", played: this.given, time: currentTime });
    } else if (order.kind === "tap") {
      this.tapped = order.on;
    }
  }

  process(inputs, outputs) {
    const output = outputs[0][0];
    let filled = 0;
    while (this.queue.length && filled < output.length) {
      const piece = this.queue[0];
      if ("mark" in piece) {
        this.queue.shift();
        this.port.postMessage({ kind: "played", position: piece.mark, time: currentTime + filled / sampleRate });
        continue;
      }
      if (piece.ready === null) {
        const samples = new Float32Array(piece.samples.length);
        for (let i = 0; i < samples.length; i++) samples[i] = piece.samples[i] / 32768;
        piece.ready = this.resampler.feed(samples);
      }
      const take = Math.min(output.length - filled, piece.ready.length - this.offset);
      output.set(piece.ready.subarray(this.offset, this.offset + take), filled);
      filled += take;
      this.offset += take;
      if (this.offset >= piece.ready.length) {
        this.queue.shift();
        this.queued -= piece.samples.length - (piece.counted || 0);
        this.offset = 0;
      } else {
        // Of a piece that is half played, half counts as played.
        const counted = Math.floor(piece.samples.length * this.offset / piece.ready.length);
        this.queued -= counted - (piece.counted || 0);
        piece.counted = counted;
      }
    }
    if (this.tapped && filled) this.port.postMessage({ kind: "tap", samples: output.slice(0, filled) });
    this.count += output.length;
    if (this.count >= sampleRate / 20) {
      this.count = 0;
      this.port.postMessage({ kind: "level", level: loudness(output), played: this.given - this.queued, time: currentTime });
    }
    return true;
  }
}

registerProcessor("realtime-sync-microphone", Microphone);
registerProcessor("realtime-sync-loudspeaker", Loudspeaker);
