// Plays pieces of 16-bit PCM one after the other. Every piece comes with this text,
// so it must work when it is run again, late, or out of order.
(function (order) {
  "use strict";
  const TOO_OLD = 30000;
  if (Date.now() - order.at > TOO_OLD) return;   // an old output of a saved notebook
  const all = (window.realtimeSyncPlayers = window.realtimeSyncPlayers || {});
  const p = (all[order.player] = all[order.player] ||
    { next: order.number, waiting: {}, until: 0, playing: [], seconds: 0 });
  if (order.number < p.next) return;              // shown a second time
  p.waiting[order.number] = order;
  while (p.waiting[p.next]) {
    const piece = p.waiting[p.next];
    delete p.waiting[p.next];
    p.next += 1;
    if (piece.action === "stop") stop(p);
    if (piece.action === "play") play(p, piece);
  }

  function stop(p) {
    p.playing.forEach(function (source) { try { source.stop(); } catch (e) { /* over */ } });
    p.playing = [];
    p.until = 0;
  }

  function play(p, piece) {
    p.context = p.context || new (window.AudioContext || window.webkitAudioContext)();
    if (p.context.state === "suspended") p.context.resume();
    const bytes = Uint8Array.from(atob(piece.data), function (c) { return c.charCodeAt(0); });
    const samples = new Int16Array(bytes.buffer, 0, bytes.length >> 1);
    if (!samples.length) return;
    const buffer = p.context.createBuffer(1, samples.length, piece.rate);
    const channel = buffer.getChannelData(0);
    for (let i = 0; i < samples.length; i++) channel[i] = samples[i] / 32768;
    const source = p.context.createBufferSource();
    source.buffer = buffer;
    source.connect(p.context.destination);
    const start = Math.max(p.until, p.context.currentTime + 0.05);
    source.start(start);
    p.until = start + buffer.duration;
    p.seconds += buffer.duration;
    p.playing.push(source);
    source.onended = function () { p.playing = p.playing.filter(function (s) { return s !== source; }); };
  }
})
