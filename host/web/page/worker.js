// Decodes one stream, or checks the golden vectors, and tells the page as it goes.
"use strict";

onmessage = ({ data: { module, stream } }) => {
  const { exports: wasm } = new WebAssembly.Instance(module);
  const said = () => new Uint8Array(wasm.memory.buffer, wasm.output_start(), wasm.output_length()).slice();
  const words = () => new TextDecoder().decode(said());
  if (stream) {
    decode(wasm, stream, said, words);
  } else {
    verify(wasm, words);
  }
};

function decode(wasm, stream, said, words) {
  const room = wasm.input_room(stream.length);
  new Uint8Array(wasm.memory.buffer, room, stream.length).set(stream);
  if (!wasm.open_stream()) {
    postMessage({ refused: words() });
    return;
  }
  postMessage({ opened: JSON.parse(words()) });
  const started = performance.now();
  let steps = [];
  let sent = started;
  for (;;) {
    const kind = wasm.next_step();
    if (kind === 0) break;
    steps.push({ kind, bytes: said() });
    const now = performance.now();
    if (now - sent > 40) {
      postMessage({ steps });
      steps = [];
      sent = now;
    }
  }
  postMessage({ steps, seconds: (performance.now() - started) / 1000, done: true });
}

// The vectors of the coders and of the models; those of the lexicons need files that the page does not carry.
function verify(wasm, words) {
  wasm.golden_file();
  const golden = new Set(words().split("\n"));
  const computed = [0, 1].flatMap((part) => {
    wasm.compute_vectors(part);
    return words().trimEnd().split("\n");
  });
  const different = computed.filter((line) => !golden.has(line));
  postMessage({ vectors: computed.length, different });
}
