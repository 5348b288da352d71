// Prints the golden vectors as the WebAssembly module computes them: node vectors.mjs MODULE DIRECTORY
//
// DIRECTORY contains the lexicons, window-code.lex and optimal.lex.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [module, directory] = process.argv.slice(2);
const { instance: { exports: wasm } } = await WebAssembly.instantiate(readFileSync(module));
const vectors = (part, input = new Uint8Array()) => {
  const room = wasm.input_room(input.length);
  new Uint8Array(wasm.memory.buffer, room, input.length).set(input);
  wasm.compute_vectors(part);
  process.stdout.write(new Uint8Array(wasm.memory.buffer, wasm.output_start(), wasm.output_length()));
};
vectors(0);
vectors(1);
vectors(2, readFileSync(join(directory, "window-code.lex")));
vectors(3, readFileSync(join(directory, "optimal.lex")));
