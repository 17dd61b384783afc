// A microphone and a loudspeaker of the browser: blocks of 16-bit PCM at 24 kHz out,
// blocks in, and how far they were played by the clock of the AudioContext.

export const RATE = 24000;

// What may be in the way, and a sentence for the person that says what to do.
export const PROBLEMS = {
  insecure: "This page may not use a microphone: browsers allow it at https:// and on this machine only. Open it at 127.0.0.1 (for another machine, through ssh -L), or serve it with TLS.",
  barred: "This window may not use a microphone: the program that shows it does not allow it. Open the page in a browser instead.",
  denied: "The microphone was not allowed. Allow it in the browser's address bar, then start again.",
  none: "There is no microphone. Plug one in, then start again.",
  busy: "The microphone cannot be opened: another program may have it. Close that program, then start again.",
  gone: "The microphone is gone: it was unplugged, or it is no longer allowed. Start again once it is back.",
  suspended: "The browser has paused the sound. Press any button here to go on.",
  outdated: "This browser is too old for this page: it has no AudioWorklet.",
  unknown: "The microphone cannot be opened.",
};

const NAMES = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  PermissionDeniedError: "denied",
  NotFoundError: "none",
  DevicesNotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  TrackStartError: "busy",
  AbortError: "busy",
};

export class AudioProblem extends Error {
  constructor(code, detail = "") {
    super(PROBLEMS[code] + (detail && code === "unknown" ? ` (${detail})` : ""));
    this.code = code;
  }
}

function barred() {
  const policy = document.permissionsPolicy || document.featurePolicy;
  return Boolean(policy && policy.allowsFeature && !policy.allowsFeature("microphone"));
}

// The stream of the microphone, echo cancelled by the browser.
export async function openMicrophone(devices = navigator.mediaDevices) {
  if (!window.isSecureContext || !devices || !devices.getUserMedia) {
    throw new AudioProblem(window.self === window.top || !window.isSecureContext ? "insecure" : "barred");
  }
  if (barred()) throw new AudioProblem("barred");
  try {
    return await devices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (error) {
    throw new AudioProblem(NAMES[error.name] || "unknown", error.message);
  }
}

async function openContext(rate, workletUrl) {
  const context = new AudioContext(rate ? { sampleRate: rate, latencyHint: "interactive" } : { latencyHint: "interactive" });
  try {
    await context.audioWorklet.addModule(workletUrl);
  } catch (error) {
    await context.close();
    throw error;
  }
  return context;
}

// Sound of one conversation. Told to `tell`, an object of functions:
//   block(sound, level)      20 ms of the microphone, an ArrayBuffer
//   played(position, time)   a mark was reached; time is that of the AudioContext
//   cleared(played, time)    what was queued is dropped; samples played since the beginning
//   level(level, played)     of the loudspeaker, twenty times a second
//   state(running)           whether the AudioContext runs
//   problem(AudioProblem)    what came in the way later
export class Sound {
  static async open({ workletUrl, tell, microphone = true, rate = RATE }) {
    if (typeof AudioContext === "undefined" || typeof AudioWorkletNode === "undefined") {
      throw new AudioProblem(window.isSecureContext ? "outdated" : "insecure");
    }
    const stream = microphone ? await openMicrophone() : null;
    try {
      return await Sound.build(rate, workletUrl, stream, tell);
    } catch (error) {
      // Some browsers join a microphone and a context of one rate only: then the
      // context takes the device's, and the worklet resamples.
      try {
        return await Sound.build(0, workletUrl, stream, tell);
      } catch (again) {
        if (stream) stream.getTracks().forEach(track => track.stop());
        throw new AudioProblem("unknown", again.message);
      }
    }
  }

  static async build(rate, workletUrl, stream, tell) {
    const context = await openContext(rate, workletUrl);
    try {
      return new Sound(context, stream, tell);
    } catch (error) {
      await context.close();
      throw error;
    }
  }

  constructor(context, stream, tell) {
    this.context = context;
    this.stream = stream;
    this.tell = tell;
    this.closed = false;
    this.taps = [];
    this.loudspeaker = new AudioWorkletNode(context, "realtime-sync-loudspeaker", { numberOfInputs: 0, outputChannelCount: [1] });
    this.loudspeaker.port.onmessage = event => this.heard(event.data);
    this.loudspeaker.connect(context.destination);
    if (stream) this.listen(stream);
    context.onstatechange = () => this.closed || tell.state(context.state === "running");
    this.wake = () => document.hidden || this.resume();
    document.addEventListener("visibilitychange", this.wake);
  }

  listen(stream) {
    const source = this.context.createMediaStreamSource(stream);
    const microphone = new AudioWorkletNode(this.context, "realtime-sync-microphone", { numberOfOutputs: 0 });
    microphone.port.onmessage = event => this.tell.block(event.data.sound, event.data.level);
    source.connect(microphone);
    this.source = source;             // kept, or a browser collects it and is silent
    this.microphone = microphone;
    stream.getAudioTracks().forEach(track => {
      track.onended = () => this.closed || this.tell.problem(new AudioProblem("gone"));
    });
  }

  heard(news) {
    if (news.kind === "played") this.tell.played(news.position, news.time);
    if (news.kind === "cleared") this.tell.cleared(news.played, news.time);
    if (news.kind === "level") this.tell.level(news.level, news.played);
    if (news.kind === "tap") this.taps.push(news.samples);
  }

  get running() { return this.context.state === "running"; }

  // Needs a click before it, in most browsers.
  resume() { return this.closed || this.running ? Promise.resolve() : this.context.resume().catch(() => {}); }

  play(sound) { this.loudspeaker.port.postMessage({ kind: "sound", sound }, [sound]); }

  mark(position) { this.loudspeaker.port.postMessage({ kind: "mark", position }); }

  clear() { this.loudspeaker.port.postMessage({ kind: "clear" }); }

  // Keep what is played, in `taps`, at the rate of the context.
  tap(on) { this.loudspeaker.port.postMessage({ kind: "tap", on }); }

  // A muted microphone gives silence, so that the other side still finds ends of turns.
  mute(on) { if (this.stream) this.stream.getAudioTracks().forEach(track => { track.enabled = !on; }); }

  close() {
    if (this.closed) return Promise.resolve();
    this.closed = true;
    document.removeEventListener("visibilitychange", this.wake);
    if (this.stream) this.stream.getTracks().forEach(track => track.stop());
    return this.context.close();
  }
}
