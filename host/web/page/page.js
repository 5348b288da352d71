"use strict";

const find = (id) => document.getElementById(id);
const { module: wasm, streams } = JSON.parse(find("data").textContent);
const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const compiled = WebAssembly.compile(bytesOf(wasm));
const workerUrl = URL.createObjectURL(new Blob([find("worker").textContent], { type: "text/javascript" }));

const WINDOW = 1, STORED = 3, DAMAGE = 4;
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
  view = { windows: [], textBytes: 0, count: 0, shown: 0, damage: 0, size: stream.length, decoder: new TextDecoder() };
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
    const valueLength = kind === WINDOW ? view.header.bits / 8 : 0;
    const text = bytes.subarray(valueLength);
    if (kind === DAMAGE) {
      view.damage += 1;
    } else {
      view.textBytes += text.length;
    }
    view.count += 1;
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
      piece.dataset.number = view.windows.length;
      view.windows.push({ value: bytes.subarray(0, valueLength), text });
    }
    pieces.append(piece);
  }
  find("text").append(pieces);
}

function facts(seconds) {
  const { header, size, textBytes, windows } = view;
  const name = header.method === "equal-info" ? `${header.bits} bits` : header.method;
  const rows = [
    [header.bits ? "Window" : "Method", header.code === "delay" ? `${name}, delay` : name],
    ["Model", header.model],
    ["Text", `${grouped(textBytes)} B`],
    ["Stream", `${grouped(size)} B`],
    ["Bits/byte", fixed((8 * size) / textBytes, 2)],
  ];
  if (windows.length) rows.push(["Windows", grouped(windows.length)], ["Bytes/window", fixed(textBytes / windows.length, 2)]);
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
  const number = Number(piece.dataset.number);
  const { value, text } = view.windows[number];
  const hex = [...value].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const code = Object.assign(document.createElement("code"), { textContent: `0x${hex}` });
  const shown = Object.assign(document.createElement("code"), { textContent: JSON.stringify(visible(new TextDecoder().decode(text))) });
  const quiet = (words) => Object.assign(document.createElement("span"), { textContent: words });
  const cost = fixed(view.header.bits / text.length, 2);
  find("detail").replaceChildren(
    quiet(`Window ${grouped(number + 1)}: `), code, quiet(" stands for "), shown,
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
  show(new Uint8Array(await file.arrayBuffer()));
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
