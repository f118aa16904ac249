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

// Names and titles that are Mermaid's words, its syntax, or HTML to a careless writer.
const hostile = {
  "hostile.yaml": String.raw`fencecheck: 1
title: "end; graph %% <b>#9829;</b>"
fences: {end: kernel, graph: kernel}
locks: {click: mutex}
threads:
  subgraph: {kind: worker, steps: [{publish: end}, {lock: click}, {wait: graph}, {signal: end}, {unlock: click}]}
  note: {kind: worker, steps: [{publish: graph}, {lock: click}, {signal: graph}, {unlock: click}]}
`,
  "hostile.dot": String.raw`digraph "a --> b; c" {
  one [label="a-->|b|"]; two [label="<i>two]["]; three [label="end"];
  one -> two [label="%%"]; two -> three; three -> one;
}
`,
};

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
  await page.evaluate(async (definition) => {
    window.mermaid.initialize({ startOnLoad: false, securityLevel: "strict" });
    document.body.innerHTML = (await window.mermaid.render("picture", definition)).svg;
  }, text);
  await page.screenshot({ path: path.join(output, `${name}.png`), fullPage: true });
  const words = await page.evaluate(() => {
    document.querySelector("style").remove();
    return document.body.textContent;
  });
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
      assert.match(words, /fence|lock/i);
    } });
  }
for (const [input, view, names] of [["hostile.yaml", "instances", ["end", "graph", "click"]],
                                    ["hostile.yaml", "schedule", ["subgraph", "note", "end", "graph", "click"]],
                                    ["hostile.dot", "instances", ["a-->|b|", "<i>two][", "end"]]])
  tests.push({ name: `names that are syntax: ${input}, ${view}`, body: async (browser) => {
    fs.writeFileSync(path.join(output, input), hostile[input]);
    const words = await shown(browser, drawn(output, input, view), `${input}-${view}`);
    for (const name of names) assert.ok(words.includes(name), `${name} is not in: ${words}`);
  } });

run(tests);
