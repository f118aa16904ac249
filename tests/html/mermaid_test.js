// Pictures in Mermaid, drawn by Mermaid itself: node mermaid_test.js FENCECHECK SOURCE OUTPUT
"use strict";
const assert = require("node:assert/strict");
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { wanted, run } = require("./browser.js");

const mermaid = wanted("mermaid/dist/mermaid.min.js", require.resolve);
const [fencecheck, source, output] = process.argv.slice(2).map((each) => path.resolve(each));
fs.rmSync(output, { recursive: true, force: true });
fs.mkdirSync(output, { recursive: true });

// Names that are Mermaid's words, its syntax, or HTML in a careless writer.
const hostile = `fencecheck: 1
title: "end; graph %% <b>#9829;</b>"
fences: {"end": kernel, "a-->b": kernel}
locks: {"]x[": mutex}
threads:
  "one\"|": {kind: worker, steps: [{publish: end}, {lock: "]x["}, {wait: "a-->b"}, {signal: end}, {unlock: "]x["}]}
  "<i>two": {kind: worker, steps: [{publish: "a-->b"}, {lock: "]x["}, {signal: "a-->b"}, {unlock: "]x["}]}
`;

function drawn(folder, input, view) {
  const done = spawnSync(fencecheck, ["draw", input, "--view", view, "--to", "mermaid"], { cwd: folder, encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}

// The picture's words, as Mermaid shows them.
async function shown(browser, text, name) {
  const page = await browser.newPage();
  await page.setContent("<body></body>");
  await page.addScriptTag({ path: mermaid });
  const words = await page.evaluate(async (definition) => {
    window.mermaid.initialize({ startOnLoad: false, securityLevel: "strict" });
    const { svg } = await window.mermaid.render("picture", definition);
    document.body.innerHTML = svg;
    return document.body.textContent;
  }, text);
  await page.screenshot({ path: path.join(output, `${name}.png`), fullPage: true });
  await page.close();
  return words;
}

const tests = [];
const cases = ["cases/indefinite/future-fence.yaml", "cases/locking/ww-locks.yaml", "cases/queues/head-of-line.yaml",
               "cases/indefinite/documented-diagram.dot"];
for (const input of cases)
  for (const view of ["instances", "classes", "cycle", "schedule"]) {
    if (view === "schedule" && input.endsWith(".dot")) continue;
    tests.push({ name: `${input}, ${view}`, body: async (browser) => {
      const words = await shown(browser, drawn(source, input, view), `${path.basename(input)}-${view}`);
      assert.doesNotMatch(words, /Syntax error/);
      assert.match(words, /fence/i);
    } });
  }
for (const view of ["instances", "schedule"])
  tests.push({ name: `names that are syntax, ${view}`, body: async (browser) => {
    fs.writeFileSync(path.join(output, "hostile.yaml"), hostile);
    const words = await shown(browser, drawn(output, "hostile.yaml", view), `hostile-${view}`);
    for (const name of ["a-->b", "]x[", "<i>two"]) assert.ok(words.includes(name), `${name} is not in: ${words}`);
  } });

run(tests);
