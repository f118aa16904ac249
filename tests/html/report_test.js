// The HTML report in a real Chromium: node report_test.js FENCECHECK SOURCE OUTPUT
//
// Makes reports with the built program, opens them as files and uses them as a
// reader does. Screenshots stay in OUTPUT.
"use strict";
const assert = require("node:assert/strict");
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { wanted, run } = require("./browser.js");

const axe = wanted("axe-core");
const [fencecheck, source, output] = process.argv.slice(2).map((each) => path.resolve(each));

// ---- reports to look at

fs.rmSync(output, { recursive: true, force: true });
fs.mkdirSync(path.join(output, "screenshots"), { recursive: true });

function report(name, folder, input) {
  const file = path.join(output, `${name}.html`);
  const done = spawnSync(fencecheck, ["check", input, "--report", `html=${file}`],
    { cwd: folder, encoding: "utf8", maxBuffer: 1 << 28 });
  assert.ok([0, 1, 2, 65].includes(done.status), done.stderr);
  return file;
}

// A title that would be a script in a careless page, and one of everything that steps can do.
const hostile = `fencecheck: 1
title: "</script><img src=x onerror=document.title='owned'> & <b>"
fences: {a: kernel, b: kernel}
locks: {m: mutex}
threads:
  one: {kind: worker, steps: [{publish: a}, {lock: m}, {wait: b}, {signal: a}, {unlock: m}]}
  two: {kind: worker, steps: [{publish: b}, {lock: m}, {signal: b}, {unlock: m}]}
`;

function small_scenario(number) {
  const [first, second] = number % 3 === 0 ? ["y", "x"] : ["x", "y"];
  return `fencecheck: 1
title: "design ${number}"
locks: {x: mutex, y: mutex}
threads:
  left: {kind: worker, steps: [{lock: x}, {lock: y}, {unlock: y}, {unlock: x}]}
  right: {kind: worker, steps: [{lock: ${first}}, {lock: ${second}}, {unlock: ${second}}, {unlock: ${first}}]}
`;
}

function write_many(count) {
  const folder = path.join(output, "many");
  fs.mkdirSync(folder);
  for (let i = 1; i <= count; ++i)
    fs.writeFileSync(path.join(folder, `design-${String(i).padStart(4, "0")}.yaml`), small_scenario(i));
}

// ---- helpers

const tests = [];
const test = (name, body) => tests.push({ name, body });
const url = (file, hash) => pathToFileURL(file).href + (hash || "");
const future = "cases/indefinite/future-fence.yaml";
const link = (words) => `#${new URLSearchParams(words)}`;

async function open(browser, file, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options.context });
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) problems.push(message.text()); });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => { if (!/^(file|data):/.test(request.url())) problems.push(`request: ${request.url()}`); });
  await page.goto(url(file, options.hash));
  return { page, problems, close: async () => { assert.deepEqual(problems, []); await context.close(); } };
}

// Addresses are followed by an event: wait until it has been.
const settled = (page) => page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); }));
const visible_inputs = (page) => page.locator("#inputs li:not([hidden])").count();
const state = (page) => page.locator("table.state tbody").allInnerTexts();
const where = (page) => page.locator(".player output").innerText();

async function accessible(page, what) {
  // The page's own policy forbids scripts from elsewhere; evaluate() runs beside it.
  await page.evaluate(axe.source);
  const result = await page.evaluate(async () => axe.run(document, { resultTypes: ["violations"] }));
  assert.deepEqual(result.violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.target).join(", ")}`), [], what);
}

async function no_sideways_scrolling(page, what) {
  // Not window.innerWidth: on a phone it grows with what does not fit.
  const inner = await page.evaluate(() => document.documentElement.scrollWidth);
  const outer = page.viewportSize().width;
  assert.ok(inner <= outer, `${what}: ${inner} px wide on a screen of ${outer}`);
}

// ---- tests

test("it opens with every input and asks the network for nothing", async (browser, files) => {
  const { page, close } = await open(browser, files.cases);
  const listed = JSON.parse(await page.locator("#data").textContent()).inputs.length;
  assert.ok(listed > 40);
  assert.equal(await visible_inputs(page), listed);
  assert.match(await page.locator("#summary").innerText(), new RegExp(`${listed} inputs`));
  await close();
});

test("the list is filtered by words and by verdicts", async (browser, files) => {
  const { page, close } = await open(browser, files.cases);
  const all = await visible_inputs(page);
  await page.keyboard.press("/");
  await page.keyboard.type("future-fence timeout");
  const some = await visible_inputs(page);
  assert.ok(some > 0 && some < all);
  assert.match(await page.locator("#count").innerText(), new RegExp(`^${some} of ${all}`));
  await page.locator("#filter").fill("");
  await page.locator("#verdicts button", { hasText: "holds" }).click();
  const rest = await visible_inputs(page);
  assert.ok(rest > 0 && rest < all);
  assert.equal(await page.locator("#inputs li:not([hidden]) .sign.holds").count(), 0);
  await page.locator("#filter").fill("no such thing");
  assert.equal(await visible_inputs(page), 0);
  await close();
});

test("a schedule is stepped forwards and backwards", async (browser, files) => {
  const { page, close } = await open(browser, files.cases);
  await page.locator("#inputs a", { hasText: future }).first().click();
  await settled(page);
  assert.match(await page.locator("#detail h2").innerText(), /violated/);
  const last = Number(await page.locator(".player input").getAttribute("max"));
  assert.ok(last > 3);
  assert.equal(await where(page), `after step ${last} of ${last}`);
  assert.ok(await page.locator("tr.blocked.now").count() > 0, "the steps that never complete are marked at the end");
  await page.keyboard.press("Home");
  assert.match(await where(page), /^before step 1/);
  const forwards = [await state(page)];
  for (let i = 0; i < last; ++i) {
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.locator(".steps tr.now:not(.blocked)").count(), 1);
    forwards.push(await state(page));
  }
  assert.ok(new Set(forwards.map(String)).size > 3, "the state changes");
  for (let i = last; i > 0; --i) {
    assert.deepEqual(await state(page), forwards[i]);
    await page.getByRole("button", { name: "One step back" }).click();
  }
  assert.deepEqual(await state(page), forwards[0]);
  await page.locator(".steps tbody tr").nth(2).locator("button").click();
  assert.match(await where(page), /^after step 3 /);
  assert.deepEqual(await state(page), forwards[3]);
  await close();
});

test("the state is what the operational semantics say", async (browser, files) => {
  const { page, close } = await open(browser, files.hostile, { hash: link({ input: "hostile.yaml", step: 0 }) });
  const value = (name) => page.locator("table.state tr", { has: page.locator(`th:text-is("${name}")`) }).locator("td").innerText();
  assert.equal(await value("a"), "unpublished");
  assert.equal(await value("m"), "free");
  await page.keyboard.press("End");
  assert.match(await value("a"), /published/);
  assert.match(await value("m"), /held by worker 'one'/);
  const threads = await page.locator("table.state tbody").first().innerText();
  assert.match(threads, /stuck for ever: waits for fence 'b'/);
  assert.match(threads, /stuck for ever: waits for lock 'm'/);
  await close();
});

test("links lead to an input, a finding and a step", async (browser, files) => {
  const { page, close } = await open(browser, files.cases, { hash: link({ input: future, step: 2 }) });
  assert.match(await where(page), /^after step 2 /);
  const fingerprints = await page.locator(".findings a").count();
  assert.ok(fingerprints >= 2);
  const address = async () => { await settled(page); return page.evaluate(() => location.href); };
  await page.locator(".findings a").nth(1).click();
  const second = await address();
  assert.match(second, /finding=[0-9a-f]{16}/);
  await page.keyboard.press("j");
  assert.notEqual(await address(), second);
  await page.goBack();
  assert.equal(await address(), second);
  assert.equal(await page.locator(".findings a[aria-current]").count(), 1);
  await page.goto(url(files.cases, link({ input: future, finding: "0000000000000000" })));
  await settled(page);
  assert.match(await page.locator("#detail [role=alert]").innerText(), /not in the report any more/);
  await page.goto(url(files.cases, link({ input: "gone.yaml" })));
  await settled(page);
  assert.match(await page.locator("#detail [role=alert]").innerText(), /no input called/);
  await close();
});

test("the source line of a step is marked", async (browser, files) => {
  const { page, close } = await open(browser, files.cases, { hash: link({ input: future, step: 1 }) });
  const lines = fs.readFileSync(path.join(source, future), "utf8").split("\n");
  for (let i = 0; i < 3; ++i) {
    const marked = page.locator(".source li.now");
    assert.equal(await marked.count(), 1);
    const number = Number(await marked.getAttribute("data-line"));
    assert.ok((await marked.innerText()).endsWith(lines[number - 1].trimEnd()));
    const row = await page.locator(".steps tr.now").innerText();
    assert.match(row, new RegExp(`line ${number}\\b`));
    await page.keyboard.press("l");
  }
  assert.ok(await page.locator(".source li.marked").count() > 0);
  await close();
});

test("the graph has its views, and words for who cannot see it", async (browser, files) => {
  const { page, close } = await open(browser, files.cases, { hash: link({ input: future }) });
  const svg = page.locator(".graph svg");
  assert.match(await svg.getAttribute("aria-label"), /waits for/);
  assert.ok(await page.locator(".graph .edge.on-cycle").count() > 1);
  await page.locator(".graph button", { hasText: "classes" }).click();
  assert.match(await svg.textContent(), /Kernel DMA Fences/);
  assert.equal(await page.locator(".graph button[aria-pressed=true]").innerText(), "classes");
  await close();
});

test("texts of inputs stay texts", async (browser, files) => {
  const { page, close } = await open(browser, files.hostile, { hash: link({ input: "hostile.yaml" }) });
  assert.match(await page.locator("#detail h2").innerText(), /<\/script><img src=x/);
  assert.equal(await page.locator("#detail img").count(), 0);
  assert.notEqual(await page.title(), "owned");
  await close();
});

test("an input that is not usable says why", async (browser, files) => {
  const { page, close } = await open(browser, files.broken);
  assert.match(await page.locator("#detail").innerText(), /bad input[\s\S]*error:/);
  await close();
});

const looks = [
  { name: "light", context: { colorScheme: "light" } },
  { name: "dark", context: { colorScheme: "dark" } },
  { name: "phone", context: { colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } },
  { name: "phone-dark", context: { colorScheme: "dark", viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true } },
];
for (const look of looks) {
  test(`it is accessible and fits: ${look.name}`, async (browser, files) => {
    const { page, close } = await open(browser, files.cases, look);
    const shot = (name, whole) => page.screenshot({ path: path.join(output, "screenshots", `${look.name}-${name}.png`), fullPage: whole });
    await shot("list", false);
    await accessible(page, `${look.name}, the list`);
    await no_sideways_scrolling(page, `${look.name}, the list`);
    await page.goto(url(files.cases, link({ input: future, step: 4 })));
    await page.locator(".player").waitFor();
    await shot("finding", true);
    await page.locator(".player").scrollIntoViewIfNeeded();
    await shot("step", false);
    await accessible(page, `${look.name}, a finding`);
    await no_sideways_scrolling(page, `${look.name}, a finding`);
    await close();
  });
}

test("a phone shows the list, then the finding, and the way back", async (browser, files) => {
  const { page, close } = await open(browser, files.cases, looks[2]);
  assert.ok(await page.locator("#inputs").isVisible());
  await page.locator("#inputs a", { hasText: future }).first().tap();
  await settled(page);
  assert.ok(!await page.locator("#inputs").isVisible());
  await page.getByRole("button", { name: "One step back" }).tap();
  assert.match(await where(page), /^after step/);
  await page.locator(".back").tap();
  await settled(page);
  assert.ok(await page.locator("#inputs").isVisible());
  await close();
});

test("five hundred inputs", async (browser, files) => {
  const before = Date.now();
  const { page, close } = await open(browser, files.many);
  assert.equal(await visible_inputs(page), 500);
  const loaded = Date.now() - before;
  await page.locator("#filter").fill("0321");
  assert.equal(await visible_inputs(page), 1);
  await page.locator("#inputs li:not([hidden]) a").click();
  await page.locator(".player, .answers").first().waitFor();
  console.log(`#   ${fs.statSync(files.many).size} bytes, opened in ${loaded} ms`);
  await close();
});

// ---- run them

fs.writeFileSync(path.join(output, "hostile.yaml"), hostile);
fs.writeFileSync(path.join(output, "broken.yaml"), "fencecheck: 1\nthreads: [\n");
write_many(500);
run(tests, { cases: report("cases", source, "cases"), hostile: report("hostile", output, "hostile.yaml"),
             broken: report("broken", output, "broken.yaml"), many: report("many", output, "many") });
