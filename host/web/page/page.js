"use strict";

const find = (id) => document.getElementById(id);
const { module: wasm, streams } = JSON.parse(find("data").textContent);
const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const compiled = WebAssembly.compile(bytesOf(wasm));
const workerUrl = URL.createObjectURL(new Blob([find("worker").textContent], { type: "text/javascript" }));

const WINDOW = 1, STORED = 3, DAMAGE = 4, BLOCK = 5, STREAM = 6;
// Beyond this a browser grows slow; the figures still count everything.
const MOST_SHOWN = 20000;

const grouped = (number) => number.toLocaleString("en");
const fixed = (number, digits) => (Number.isFinite(number) ? number.toFixed(digits) : "–");
// Control characters as their pictures, but for those that lay text out.
const visible = (text) => text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)));

let worker;
let view;

function show(stream) {
  worker?.terminate();
  worker = undefined;
  view = { windows: [], coded: 0, codedBytes: 0, next: 0, streams: 1, textBytes: 0, count: 0, shown: 0, damage: 0, size: stream.length, decoder: new TextDecoder() };
  find("text").replaceChildren();
  find("detail").replaceChildren();
  find("facts").replaceChildren();
  say("Decoding…");
  compiled.then((module) => {
    worker?.terminate();
    worker = new Worker(workerUrl);
    worker.onmessage = ({ data }) => receive(data);
    worker.onerror = (event) => say(`The decoder failed: ${event.message}`, true);
    worker.postMessage({ module, stream });
  });
}

function say(words, damage = false) {
  find("status").textContent = words;
  find("status").classList.toggle("damage", damage);
}

function receive({ refused, opened, steps, seconds, done }) {
  if (refused) {
    say(refused, true);
    document.body.dataset.done = "refused";
    return;
  }
  if (opened) view.header = opened;
  if (steps) add(steps);
  facts(seconds);
  if (done) {
    const hidden = view.count > view.shown ? ` Only the first ${grouped(view.shown)} pieces are shown.` : "";
    const lost = view.damage ? `Damaged in ${view.damage} place${view.damage > 1 ? "s" : ""}; what is intact is shown.` : "";
    say(lost + hidden, view.damage > 0);
    document.body.dataset.done = view.damage ? "damaged" : "complete";
  }
}

function add(steps) {
  const pieces = document.createDocumentFragment();
  for (const { kind, bytes } of steps) {
    if (kind === BLOCK) {
      // As in the tool, windows are counted from 0, those of lost blocks included.
      view.next = bytes.length ? Number(new TextDecoder().decode(bytes)) : NaN;
      continue;
    }
    if (kind === STREAM) {
      view.header = JSON.parse(new TextDecoder().decode(bytes));
      view.streams += 1;
      continue;
    }
    const valueLength = kind === WINDOW ? view.header.bits / 8 : 0;
    const text = bytes.subarray(valueLength);
    if (kind === DAMAGE) {
      view.damage += 1;
    } else {
      view.textBytes += text.length;
    }
    view.count += 1;
    if (kind === WINDOW) {
      view.coded += 1;
      view.codedBytes += text.length;
      view.next += 1;
    }
    if (view.shown >= MOST_SHOWN) continue;
    view.shown += 1;
    const piece = document.createElement(kind === DAMAGE ? "div" : "span");
    if (kind === DAMAGE) {
      piece.className = "damage-mark";
      piece.textContent = new TextDecoder().decode(text);
    } else {
      piece.className = kind === WINDOW ? "window" : kind === STORED ? "stored" : "plain";
      // A letter whose bytes fall into two windows is shown in the second.
      piece.textContent = visible(view.decoder.decode(text, { stream: true }));
    }
    if (kind === WINDOW) {
      piece.dataset.index = view.windows.length;
      view.windows.push({ number: view.next - 1, bits: view.header.bits, value: bytes.subarray(0, valueLength), text });
    }
    pieces.append(piece);
  }
  find("text").append(pieces);
}

function facts(seconds) {
  const { header, size, textBytes, coded, codedBytes, streams } = view;
  const name = header.method === "equal-info" ? `${header.bits} bits` : header.method;
  const rows = [
    [header.bits ? "Window" : "Method", header.code === "delay" ? `${name}, delay` : name],
    ["Model", header.model],
    ["Text", `${grouped(textBytes)} B`],
    [streams > 1 ? `${streams} streams` : "Stream", `${grouped(size)} B`],
    ["Bits/byte", fixed((8 * size) / textBytes, 2)],
  ];
  if (coded) rows.push(["Windows", grouped(coded)], ["Bytes/window", fixed(codedBytes / coded, 2)]);
  if (seconds) rows.push(["Decoded in", seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`]);
  find("facts").replaceChildren(...rows.map(([term, value]) => {
    const row = document.createElement("div");
    row.append(Object.assign(document.createElement("dt"), { textContent: term }));
    row.append(Object.assign(document.createElement("dd"), { textContent: value }));
    return row;
  }));
}

function choose(piece) {
  document.querySelector(".chosen")?.classList.remove("chosen");
  piece.classList.add("chosen");
  const { number, bits, value, text } = view.windows[Number(piece.dataset.index)];
  const hex = [...value].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const code = Object.assign(document.createElement("code"), { textContent: `0x${hex}` });
  const shown = Object.assign(document.createElement("code"), { textContent: JSON.stringify(visible(new TextDecoder().decode(text))) });
  const quiet = (words) => Object.assign(document.createElement("span"), { textContent: words });
  const cost = fixed(bits / text.length, 2);
  find("detail").replaceChildren(
    quiet(`Window ${Number.isNaN(number) ? "behind damage" : grouped(number)}: `), code, quiet(" stands for "), shown,
    quiet(`, ${text.length} byte${text.length === 1 ? "" : "s"}, ${cost} bits/byte`),
  );
}

for (const kind of ["pointerover", "click"]) {
  find("text").addEventListener(kind, ({ target }) => target.classList.contains("window") && choose(target));
}

async function openFile(file) {
  if (!file) return;
  document.querySelectorAll("#samples input").forEach((input) => (input.checked = false));
  delete document.body.dataset.done;
  const stream = new Uint8Array(await file.arrayBuffer());
  // The same file, changed meanwhile, can be opened again.
  find("file").value = "";
  show(stream);
}

find("file").addEventListener("change", ({ target }) => openFile(target.files[0]));
addEventListener("dragover", (event) => { event.preventDefault(); find("text").classList.add("over"); });
addEventListener("dragleave", () => find("text").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  find("text").classList.remove("over");
  openFile(event.dataTransfer.files[0]);
});

streams.forEach(({ name, stream }, index) => {
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "sample", value: name, checked: index === 0 });
  input.addEventListener("change", () => {
    delete document.body.dataset.done;
    find("file").value = "";
    show(bytesOf(stream));
  });
  const label = document.createElement("label");
  label.append(input, name);
  find("samples").append(label);
});
show(bytesOf(streams[0].stream));

compiled.then((module) => {
  const checker = new Worker(workerUrl);
  checker.onmessage = ({ data: { vectors, different } }) => {
    const verdict = find("verdict");
    verdict.className = different.length ? "bad" : "good";
    verdict.textContent = different.length
      ? `${different.length} of ${vectors} golden vectors differ in this browser: do not trust what it decodes.`
      : `This browser computes the ${vectors} golden vectors of coders and models as every other machine does.`;
    checker.terminate();
  };
  checker.postMessage({ module });
});
