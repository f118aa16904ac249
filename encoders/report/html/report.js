// Shows the data of the report. Nothing is computed here about fences or locks:
// each step of a schedule comes with what it changes, as the operational
// semantics of fencecheck said; this adds the changes up to the chosen step.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const inputs = data.inputs;
  const verdicts = { violated: ["✗", "violated"], unknown: ["?", "unknown"], holds: ["✓", "holds"], error: ["!", "bad input"] };
  const $ = (id) => document.getElementById(id);
  const detail = $("detail");

  // make("p", {class: "x"}, "text", child, …)
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  }
  const verdict = (id) => make("span", { class: `verdict ${id}` }, `${verdicts[id][0]} ${verdicts[id][1]}`);
  const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

  // ---- where we are: #input=NAME&finding=FINGERPRINT&step=N

  const place = { input: -1, finding: 0, step: 0 };
  let view = null;  // what is on the page for the current finding

  function address(input, finding, step) {
    const words = new URLSearchParams();
    words.set("input", inputs[input].name);
    const found = inputs[input].findings[finding];
    if (found) words.set("finding", found.fingerprint);
    if (found && step !== undefined) words.set("step", step);
    return `#${words}`;
  }

  function read_address() {
    const words = new URLSearchParams(location.hash.slice(1));
    if (!words.has("input")) return null;
    const input = inputs.findIndex((each) => each.name === words.get("input"));
    if (input < 0) return { missing: words.get("input") };
    const findings = inputs[input].findings;
    const found = findings.findIndex((each) => each.fingerprint === words.get("finding"));
    const finding = found < 0 ? 0 : found;
    const last = findings.length ? last_position(findings[finding]) : 0;
    const step = words.has("step") ? Number.parseInt(words.get("step"), 10) : last;
    return { input, finding, step: Math.min(Math.max(Number.isNaN(step) ? last : step, 0), last),
             lost: words.has("finding") && found < 0 };
  }

  function follow() {
    const to = read_address();
    if (!to || to.missing !== undefined) {
      place.input = -1;
      document.body.classList.remove("reading");
      show_overview(to && to.missing);
      mark_current();
      return;
    }
    document.body.classList.add("reading");
    const same = to.input === place.input && to.finding === place.finding && view !== null;
    Object.assign(place, { input: to.input, finding: to.finding, step: to.step });
    if (!same) show_input(to.lost);
    mark_current();
    show_step(same);
  }

  const go = (input, finding, step) => { location.hash = address(input, finding, step); };

  // Stepping leaves no trail in the history: Back leads to the previous finding.
  function go_to_step(step) {
    if (!view) return;
    place.step = Math.min(Math.max(step, 0), view.last);
    history.replaceState(null, "", address(place.input, place.finding, place.step));
    show_step(true);
  }

  // ---- the list

  const shown_verdicts = new Set(Object.keys(verdicts));
  const rows = inputs.map((input, index) => {
    const kinds = [...new Set(input.findings.map((each) => each.kind))].join(", ");
    const link = make("a", { href: address(index, 0) },
      make("span", { class: `sign ${input.verdict}`, "aria-hidden": "true" }, verdicts[input.verdict][0]),
      input.title,
      make("small", {}, input.name),
      make("small", {}, verdicts[input.verdict][1], kinds ? `: ${kinds}` : "", input.outcome ? ` — ${input.outcome}` : ""));
    const words = [input.title, input.name, kinds, ...input.findings.flatMap((each) => [each.fingerprint, each.message, each.id])];
    return { element: make("li", {}, link), link, words: words.join("\n").toLowerCase(), verdict: input.verdict };
  });

  function apply_filter() {
    const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const fits = shown_verdicts.has(row.verdict) && words.every((word) => row.words.includes(word));
      row.element.hidden = !fits;
      count += fits;
    }
    $("count").textContent = count === rows.length ? plural(count, "input", "inputs") : `${count} of ${plural(rows.length, "input", "inputs")}`;
  }

  function mark_current() {
    rows.forEach((row, index) => {
      if (index === place.input) row.link.setAttribute("aria-current", "page");
      else row.link.removeAttribute("aria-current");
    });
    if (place.input >= 0) rows[place.input].link.scrollIntoView({ block: "nearest" });
  }

  function neighbour(direction) {
    for (let i = place.input + direction; i >= 0 && i < rows.length; i += direction)
      if (!rows[i].element.hidden) return go(i, 0);
    return undefined;
  }

  // ---- one input

  function show_overview(missing) {
    view = null;
    document.title = "fencecheck report";
    const failed = inputs.findIndex((input) => input.result === "failed");
    const worst = failed >= 0 ? failed : rows.findIndex((row) => row.verdict === "violated");
    detail.replaceChildren(
      missing ? make("p", { class: "note", role: "alert" }, `This report has no input called “${missing}”.`) : "",
      make("h2", {}, "Choose an input"),
      make("p", {}, data.summary),
      worst >= 0 ? make("p", {}, make("a", { href: address(worst, 0) }, "Go to the first input with a finding")) : "");
  }

  function answers(input) {
    return make("table", { class: "answers" }, make("caption", { class: "visually-hidden" }, "Answers"), make("tbody", {},
      ...input.answers.map((each) => make("tr", {}, make("th", { scope: "row" }, each.property),
        make("td", {}, verdict(each.verdict)), make("td", { class: "quiet" }, each.reason)))));
  }

  function notes(input) {
    const lines = [...input.messages.map((each) => `${each.severity}: ${each.message}${each.line ? ` (line ${each.line})` : ""}`),
                   ...input.losses, ...input.assumptions.map((each) => `assumed: ${each}`), ...input.left_out];
    if (!lines.length) return "";
    return make("details", { open: input.messages.length > 0 || input.left_out.length > 0 },
      make("summary", {}, "What this rests on"), make("ul", {}, ...lines.map((each) => make("li", {}, each))));
  }

  function show_input(lost) {
    const input = inputs[place.input];
    document.title = `${input.title} — fencecheck`;
    view = null;
    const finding = input.findings[place.finding];
    detail.replaceChildren(
      make("a", { class: "back", href: "#" }, "← all inputs"),
      make("h2", {}, verdict(input.verdict), ` ${input.title}`),
      make("p", { class: "quiet" }, make("span", { class: "mono" }, input.name), ` — ${[input.kind, input.size].filter(Boolean).join(", ")}`,
        input.outcome ? `, ${input.outcome}` : ""),
      lost ? make("p", { class: "note", role: "alert" }, "The finding of this link is not in the report any more; this is the first one.") : "",
      answers(input), notes(input));
    if (input.findings.length) detail.append(make("h3", {}, plural(input.findings.length, "finding", "findings")), finding_links(input));
    if (finding) detail.append(...show_finding(input, finding));
    else detail.append(...[source_panel(input, []), graph_panel(input)].filter(Boolean));
    window.scrollTo(0, 0);
  }

  const finding_links = (input) => make("ul", { class: "findings" }, ...input.findings.map((each, index) =>
    make("li", {}, make("a", { href: address(place.input, index), "aria-current": index === place.finding ? "true" : null },
      `${each.kind}${each.rule ? ` ${each.rule}` : ""}`, each.count > 1 ? ` ×${each.count}` : "", each.excuse === "known" ? " (known)" : "", " ",
      make("span", { class: "quiet mono" }, each.fingerprint.slice(0, 8))))));

  function party(each) {
    return make("li", {}, make("strong", {}, each.name), each.holds.length ? ` (${each.holds.join(", ")})` : "",
      each.waits_for ? make("div", {}, "waits for ", make("span", { class: "mono" }, each.waits_for),
        ` [${each.cause}]${each.line ? `, line ${each.line}` : ""}`) : "",
      ...each.waits.map((wait) => make("div", { class: "quiet" }, wait)),
      each.released_by ? make("div", { class: "quiet" }, each.released_by) : "");
  }

  // Why a finding does not fail the check.
  const excuses = {
    none: () => "",
    expected: () => "no: the input expects it",
    known: (finding) => `no: it is known${finding.known ? ` (${finding.known})` : ""}`,
  };

  function facts(finding) {
    const list = [["counts", excuses[finding.excuse](finding)], ["needs", finding.needs], ["lasts", finding.lasts], ["ended", finding.killed.join("; ")],
                  ["notes", finding.notes.join("; ")], ["fix", finding.fix], ["see", finding.see],
                  ["evidence", finding.strength], ["fingerprint", finding.fingerprint]];
    return make("dl", { class: "facts" }, ...list.filter(([, value]) => value)
      .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  }

  function show_finding(input, finding) {
    const parts = [make("h3", { id: "finding" }, `${finding.kind}: ${finding.message}`)];
    if (finding.parties.length)
      parts.push(make("h4", {}, finding.closed ? "Who waits for whom" : "What it comes down to"),
        make("ol", { class: "parties" }, ...finding.parties.map(party)));
    parts.push(facts(finding));
    const lines = finding.parties.map((each) => each.line).filter(Boolean);
    if (finding.line) lines.push(finding.line);
    if (finding.steps.length) parts.push(make("h3", {}, "How it happens"), ...timeline(input, finding, lines));
    else parts.push(source_panel(input, lines));
    parts.push(graph_panel(input));
    return parts.filter(Boolean);
  }

  // ---- the schedule: position p is the state after p steps; the steps that never complete come after all others

  const last_position = (finding) => finding.steps.filter((each) => !each.stuck).length;

  function timeline(input, finding, lines) {
    const last = last_position(finding);
    const button = (label, text, step) => make("button", { type: "button", "aria-label": label, title: label, onclick: () => go_to_step(step()) }, text);
    const slider = make("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "Step", oninput: () => go_to_step(Number(slider.value)) });
    const output = make("output", {});
    const controls = [button("Before the first step", "|◀", () => 0), button("One step back", "◀", () => place.step - 1),
                      button("One step on", "▶", () => place.step + 1), button("After the last step", "▶|", () => last)];
    const player = make("div", { class: "player", role: "group", "aria-label": "Step through the schedule" }, ...controls, slider, output);

    const table_rows = finding.steps.map((step, index) => {
      const text = [step.does];
      const hints = [step.why, step.by !== null ? `had waited; step ${step.by + 1} let it go on` : "", step.line ? `line ${step.line}` : ""];
      if (step.stuck) text.push(` — ${step.stuck}`);
      const cell = make("button", { type: "button", onclick: () => go_to_step(step.stuck ? last : index + 1) }, ...text,
        make("small", {}, hints.filter(Boolean).join(" · ")));
      const row = make("tr", { class: step.stuck ? "blocked" : "" },
        make("th", { scope: "row" }, step.stuck ? make("span", { title: "never completes" }, "∞") : String(index + 1)),
        ...finding.lanes.map((lane, number) => make("td", { "data-lane": lane }, number === step.lane ? cell : "")));
      return { row, step, cell };
    });
    const table = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Schedule, one column for each thread" },
      make("table", { class: "steps" }, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "#"),
        ...finding.lanes.map((lane) => make("th", { scope: "col" }, lane)))), make("tbody", {}, ...table_rows.map((each) => each.row))));

    const state = make("table", { class: "state" });
    const source = source_panel(input, lines);
    view = { finding, last, table_rows, slider, output, controls, state, source };
    return [player, make("div", { class: "stage" }, table,
      make("div", { class: "side" }, make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "State" }, state), source || ""))];
  }

  // The objects after `position` steps, and which of them the last of these changed.
  function state_at(finding, position) {
    const values = finding.objects.map((each) => each.value);
    const changed = new Set();
    finding.steps.slice(0, position).forEach((step, index) => {
      for (const [object, value] of step.sets) {
        values[object] = value;
        if (index === position - 1) changed.add(object);
      }
    });
    return { values, changed };
  }

  // What each thread does next, and whether it has to wait for that.
  function threads_at(finding, position, last) {
    return finding.lanes.map((lane, number) => {
      const next = finding.steps.findIndex((step, index) => step.lane === number && (step.stuck || index >= position));
      if (next < 0) return { name: lane, value: "does no more here" };
      const step = finding.steps[next];
      const waits = step.stuck ? position === last : step.by !== null && step.by >= position;
      return { name: lane, value: `${waits ? (step.stuck ? `stuck ${step.stuck}: ` : "waits: ") : "next: "}${step.does}` };
    });
  }

  function state_rows(finding, position, last) {
    const { values, changed } = state_at(finding, position);
    const acting = position > 0 ? finding.steps[position - 1].lane : -1;
    const row = (name, value, is_changed) => make("tr", { class: is_changed ? "changed" : "" }, make("th", { scope: "row" }, name),
      make("td", {}, is_changed ? make("span", { title: "changed by this step" }, "● ") : "", value,
        is_changed ? make("span", { class: "visually-hidden" }, " (changed by this step)") : ""));
    const group = (name) => make("tr", { class: "group" }, make("th", { scope: "rowgroup", colspan: 2 }, name));
    const result = [make("tbody", {}, group("threads"),
      ...threads_at(finding, position, last).map((each, number) => row(each.name, each.value, number === acting)))];
    const kinds = [...new Set(finding.objects.map((each) => each.kind))];
    for (const kind of kinds) {
      const members = finding.objects.map((each, index) => [each, index]).filter(([each]) => each.kind === kind);
      result.push(make("tbody", {}, group(kind), ...members.map(([each, index]) => row(each.name, values[index], changed.has(index)))));
    }
    return result;
  }

  function show_step(announce) {
    if (!view) return;
    const { finding, last } = view;
    const position = place.step;
    const at_end = position === last;
    view.slider.value = position;
    view.output.textContent = position === 0 ? `before step 1 of ${last}` : `after step ${position} of ${last}`;
    view.controls[0].disabled = view.controls[1].disabled = position === 0;
    view.controls[2].disabled = view.controls[3].disabled = at_end;
    let now = null;
    view.table_rows.forEach(({ row, step, cell }, index) => {
      const is_now = step.stuck ? at_end : index === position - 1;
      row.classList.toggle("now", is_now);
      row.classList.toggle("ahead", !step.stuck && index >= position);
      if (is_now) cell.setAttribute("aria-current", "step");
      else cell.removeAttribute("aria-current");
      if (index === position - 1) now = row;
    });
    if (now) scroll_inside(now);
    view.state.replaceChildren(make("caption", {}, position === 0 ? "At the beginning" : `State after step ${position}`),
      ...state_rows(finding, position, last));
    const step = position > 0 ? finding.steps[position - 1] : null;
    const lines = at_end ? finding.steps.filter((each) => each.stuck).map((each) => each.line) : step ? [step.line] : [];
    highlight(view.source, lines);
    if (announce) $("said").textContent = step ? `Step ${position} of ${last}: ${finding.lanes[step.lane]} ${step.does}` : "Before the first step";
  }

  // Scrolls only the box around an element, never the page.
  function scroll_inside(element) {
    const box = element.closest(".scroll");
    if (!box) return;
    const inner = element.getBoundingClientRect();
    const outer = box.getBoundingClientRect();
    if (inner.top < outer.top + 40) box.scrollTop -= outer.top + 40 - inner.top;
    else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom;
  }

  // ---- the source

  function source_panel(input, lines) {
    if (!input.source.length) return null;
    const marked = new Set(lines);
    let before = 0;
    const items = [];
    for (const [number, text] of input.source) {
      if (number !== before + 1) items.push(make("li", { class: "gap" }, "…"));
      before = number;
      items.push(make("li", { class: marked.has(number) ? "marked" : "", "data-line": number },
        make("span", { class: "number" }, `${marked.has(number) ? "▸ " : ""}${number}`), text));
    }
    return make("section", { "aria-label": "Source" }, make("h4", {}, "Source ", make("span", { class: "quiet" }, "(▸ part of the finding)")),
      make("div", { class: "scroll source mono", tabindex: "0", role: "region", "aria-label": `Source of ${input.name}` }, make("ol", {}, ...items)));
  }

  function highlight(panel, lines) {
    if (!panel) return;
    const wanted = new Set(lines.filter(Boolean).map(String));
    let first = null;
    for (const item of panel.querySelectorAll("li[data-line]")) {
      const is_now = wanted.has(item.dataset.line);
      item.classList.toggle("now", is_now);
      if (is_now) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
      if (is_now && !first) first = item;
    }
    if (first) scroll_inside(first);
  }

  // ---- the graph

  // The same hue for a dark ground: "#rrggbb" mixed with white.
  const lighter = (colour) => `#${[1, 3, 5].map((at) => Math.round(Number.parseInt(colour.slice(at, at + 2), 16) * 0.4 + 153)
    .toString(16).padStart(2, "0")).join("")}`;

  function graph_panel(input) {
    if (!input.graphs.length) return null;
    const figure = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Dependency graph" });
    const buttons = input.graphs.map((graph) => make("button", { type: "button", title: graph.says, onclick: () => show(graph) }, graph.view));
    function show(graph) {
      const parsed = new DOMParser().parseFromString(graph.svg, "image/svg+xml").documentElement;
      const svg = document.importNode(parsed, true);
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", graph.words);
      for (const edge of svg.querySelectorAll(".edge")) {
        const cause = [...edge.classList].find((each) => data.causes[each]);
        if (!cause) continue;
        edge.style.setProperty("--on-white", data.causes[cause]);
        edge.style.setProperty("--on-black", lighter(data.causes[cause]));
      }
      figure.replaceChildren(svg);
      buttons.forEach((button, index) => button.setAttribute("aria-pressed", input.graphs[index] === graph));
    }
    show(input.graphs[0]);
    return make("section", { class: "graph", "aria-label": "Graph" }, make("h3", {}, "Graph"),
      make("p", { class: "chips", role: "group", "aria-label": "View" }, ...buttons), figure);
  }

  // ---- the page

  function set_up() {
    $("summary").textContent = data.summary;
    for (const [id, [sign, word]] of Object.entries(verdicts)) {
      const count = inputs.filter((each) => each.verdict === id).length;
      if (!count) continue;
      const chip = make("button", { type: "button", "aria-pressed": "true", onclick: () => {
        if (shown_verdicts.has(id)) shown_verdicts.delete(id);
        else shown_verdicts.add(id);
        chip.setAttribute("aria-pressed", shown_verdicts.has(id));
        apply_filter();
      } }, make("span", { class: id }, `${sign} ${word}`), ` ${count}`);
      $("verdicts").append(chip);
    }
    $("inputs").append(...rows.map((row) => row.element));
    $("filter").addEventListener("input", apply_filter);
    $("help").addEventListener("click", () => $("keys").showModal());
    set_up_theme();
    apply_filter();
    window.addEventListener("hashchange", follow);
    document.addEventListener("keydown", key);
    if (!location.hash && inputs.length === 1) history.replaceState(null, "", address(0, 0));
    follow();
  }

  function set_up_theme() {
    const themes = { auto: "auto, as the system", light: "light", dark: "dark" };
    let stored = "auto";
    try { stored = localStorage.getItem("fencecheck-theme") || "auto"; } catch { /* a file may have no storage */ }
    const apply = (theme) => {
      if (theme === "auto") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = theme;
      $("theme").setAttribute("aria-label", `Colours: ${themes[theme]}`);
      $("theme").querySelector("span").textContent = theme;
      stored = theme;
      try { localStorage.setItem("fencecheck-theme", theme); } catch { /* as above */ }
    };
    $("theme").addEventListener("click", () => {
      const names = Object.keys(themes);
      apply(names[(names.indexOf(stored) + 1) % names.length]);
    });
    apply(themes[stored] ? stored : "auto");
  }

  const finding_by = (direction) => {
    const to = place.finding + direction;
    if (place.input >= 0 && inputs[place.input].findings[to]) go(place.input, to);
  };
  const actions = {
    ArrowRight: () => go_to_step(place.step + 1), l: () => go_to_step(place.step + 1),
    ArrowLeft: () => go_to_step(place.step - 1), h: () => go_to_step(place.step - 1),
    Home: () => go_to_step(0), End: () => view && go_to_step(view.last),
    j: () => neighbour(1), k: () => neighbour(-1), n: () => finding_by(1), p: () => finding_by(-1),
    "/": () => { document.body.classList.remove("reading"); $("filter").focus(); },
    "?": () => $("keys").showModal(),
  };

  function key(event) {
    const typing = event.target.closest("input, textarea, dialog");
    if (event.ctrlKey || event.metaKey || event.altKey || typing) {
      if (event.key === "Escape" && event.target.id === "filter") event.target.blur();
      return;
    }
    const moves = { Home: true, End: true, ArrowLeft: true, ArrowRight: true };
    const action = actions[event.key];
    if (!action || (moves[event.key] && !view)) return;
    event.preventDefault();
    action();
  }

  set_up();
})();
