// Opens the page in headless Chromium and uses it: node check.mjs PAGE.html CHROMIUM DIRECTORY
//
// DIRECTORY holds what the page is compared with (sample.txt, file.txt, file.eqi, windows.json) and receives
// screenshots. puppeteer-core must be installed there or above.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [page, executablePath, directory] = process.argv.slice(2);
const require = createRequire(resolve(directory, "check.cjs"));
const { default: puppeteer } = await import(require.resolve("puppeteer-core"));
const read = (name) => readFileSync(join(directory, name), "utf8");

const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
const browser = await puppeteer.launch({ executablePath, args: sandbox });
const tab = await browser.newPage();
const complaints = [];
tab.on("pageerror", (error) => complaints.push(error.message));
tab.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
// A page that needs nothing from elsewhere asks for nothing.
tab.on("request", (request) => /^(file|data|blob):/.test(request.url()) || complaints.push(`asks for ${request.url()}`));

const done = (state) => tab.waitForSelector(`body[data-done="${state}"]`);
const text = () => tab.$eval("#text", (element) => [...element.querySelectorAll("span")].map((piece) => piece.textContent).join(""));
const count = (selector) => tab.$$eval(selector, (found) => found.length);
const words = (selector) => tab.$eval(selector, (element) => element.textContent);

try {
  await tab.setViewport({ width: 1100, height: 900 });
  await tab.goto(`file://${resolve(page)}`);
  await done("complete");

  // The sample in every form, and as many windows as the tool says there are.
  const windows = JSON.parse(read("windows.json"));
  const samples = await tab.$$eval("#samples input", (inputs) => inputs.map((input) => input.value));
  assert.deepEqual(samples, ["16 bits", "24 bits", "32 bits", "64 bits", "128 bits", "AC"]);
  for (const [index, name] of samples.entries()) {
    await tab.$$eval("#samples label", (labels, index) => labels[index].click(), index);
    await done("complete");
    assert.equal(await text(), read("sample.txt"), name);
    assert.equal(await count(".window"), windows[name] ?? 0, name);
  }

  // Neighbours differ in colour, in both schemes; the screenshots are for people.
  await tab.$$eval("#samples label", ([first]) => first.click());
  await done("complete");
  for (const scheme of ["light", "dark"]) {
    await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    const colors = await tab.$$eval(".window", (all) => all.slice(0, 8).map((one) => getComputedStyle(one).backgroundColor));
    colors.forEach((color, index) => assert.notEqual(color, colors[index + 1], scheme));
    assert.equal(new Set(colors).size, 4);
    await tab.hover(".window:nth-of-type(9)");
    assert.match(await words("#detail"), /^Window 8: 0x[0-9a-f]{4} stands for ".+", \d+ bytes?, [\d.]+ bits\/byte$/);
    await tab.screenshot({ path: join(directory, `${scheme}.png`) });
  }

  // A file of the user's, whole and damaged, and one that is no stream.
  const input = await tab.$("#file");
  const upload = async (name, state) => {
    await input.uploadFile(join(directory, name));
    await done(state);
  };
  await upload("file.eqi", "complete");
  assert.equal(await text(), read("file.txt"));
  const stream = readFileSync(join(directory, "file.eqi"));
  stream[60] ^= 1;
  writeFileSync(join(directory, "damaged.eqi"), stream);
  await upload("damaged.eqi", "damaged");
  assert.match(await words("#status"), /^Damaged in 1 place/);
  assert.equal(await count(".damage-mark"), 1);
  // All but the first block are shown, and nothing of it: what decodes before its checksum is not known to be its text.
  const behindFirst = readFileSync(join(directory, "file.txt")).subarray(4096).toString();
  assert.equal(await text(), behindFirst);
  // Windows of the lost block are counted, as the tool counts them.
  const { blocks } = JSON.parse(read("file.json"));
  await tab.hover(".window");
  assert.match(await words("#detail"), new RegExp(`^Window ${blocks[1].first_window.toLocaleString("en")}: `));

  // Streams one after the other are one text.
  const [sms, whole] = [readFileSync(join(directory, "sample.eqi")), readFileSync(join(directory, "file.eqi"))];
  writeFileSync(join(directory, "both.eqi"), Buffer.concat([whole, sms]));
  await upload("both.eqi", "complete");
  assert.equal(await text(), read("file.txt") + read("sample.txt"));
  assert.match(await words("#facts"), /2 streams/);
  writeFileSync(join(directory, "both.eqi"), Buffer.concat([stream, sms]));
  await upload("both.eqi", "damaged");
  assert.equal(await text(), behindFirst + read("sample.txt"));
  writeFileSync(join(directory, "surplus.eqi"), Buffer.concat([whole, Buffer.from("surplus")]));
  await upload("surplus.eqi", "damaged");
  assert.match(await words(".damage-mark"), /^7 bytes follow/);
  await upload("sample.txt", "refused");
  assert.match(await words("#status"), /^This cannot be decoded/);

  await tab.waitForSelector("#verdict.good");
  await tab.setViewport({ width: 360, height: 740 });
  await tab.$$eval("#samples label", ([first]) => first.click());
  await done("complete");
  const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${overflow} pixels too wide for a telephone`);
  await tab.screenshot({ path: join(directory, "narrow.png") });

  assert.deepEqual(complaints, []);
  console.log(`the page: ${samples.length} samples, files, damage, both colour schemes; ${await words("#verdict")}`);
} finally {
  await browser.close();
}
