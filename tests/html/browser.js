// What the tests in a browser share. They exit with status 77 (skipped) where Chromium or a module is not
// installed; FENCECHECK_BROWSER_MUST=1 makes that a failure.
"use strict";
const { execFileSync, spawnSync } = require("node:child_process");

function skip(why) {
  console.log(`skipped: ${why}; .ci/run installs it`);
  process.exit(process.env.FENCECHECK_BROWSER_MUST === "1" ? 1 : 77);
}

// Asks for a module, or for the path of one of its files.
function wanted(name, ask = require) {
  try {
    return ask(name);
  } catch (error) {
    return skip(`${name} is not installed (${error.code})`);
  }
}

const { chromium } = wanted("playwright-core");
const executablePath = ["chromium", "chromium-browser", "google-chrome"]
  .map((name) => spawnSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).stdout.trim())
  .find(Boolean);
if (!executablePath) skip("chromium is not installed");

// Runs every { name, body } with a browser and `given`, prints TAP, and ends the program.
async function run(tests, given) {
  console.log(`# ${execFileSync(executablePath, ["--version", "--no-sandbox"], { encoding: "utf8" }).trim()}`);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  let failed = 0;
  for (const [index, { name, body }] of tests.entries()) {
    try {
      await body(browser, given);
      console.log(`ok ${index + 1} ${name}`);
    } catch (error) {
      ++failed;
      console.log(`not ok ${index + 1} ${name}\n${String(error.stack).replace(/^/gm, "#   ")}`);
    }
  }
  await browser.close();
  console.log(`1..${tests.length}`);
  process.exit(failed ? 1 : 0);
}

module.exports = { wanted, run };
