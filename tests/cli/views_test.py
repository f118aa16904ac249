#!/usr/bin/env python3
"""What `draw` and the Perfetto report write, read by somebody else: dot, docutils, a trace's own rules.

FENCECHECK_BINARY=build/dev/checker/fencecheck python3 tests/cli/views_test.py [CLASS[.METHOD]]
"""

import json
import shutil
import subprocess
import unittest

import grammar
from cli_test import BAD_INPUT, CLEAN, CYCLE_DOT, SECONDS, SOURCE, UNKNOWN, USAGE, Case

VIEWS = ("instances", "classes", "cycle", "schedule")
FUTURE = "cases/indefinite/future-fence.yaml"
CONFIRMED = (FUTURE, "cases/locking/ww-locks.yaml", "cases/timeouts/hang-after-timeout.yaml",
             "cases/queues/head-of-line.yaml")


class Draw(Case):
    def drawn(self, view, form, name=FUTURE):
        return self.expect(CLEAN, "draw", name, "--view", view, "--to", form, cwd=SOURCE).stdout

    def test_dot_reads_every_view(self):
        if shutil.which("dot") is None:
            self.skipTest("Graphviz's dot is not installed")
        for name in CONFIRMED:
            for view in VIEWS:
                with self.subTest(name, view=view):
                    text = self.drawn(view, "dot", name)
                    self.assertNotIn("<table", text.lower())
                    done = subprocess.run(["dot", "-Tplain"], input=text, capture_output=True, text=True,
                                          timeout=SECONDS)
                    self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_lanes_are_columns_and_steps_are_rows(self):
        if shutil.which("dot") is None:
            self.skipTest("Graphviz's dot is not installed")
        for name in CONFIRMED:
            with self.subTest(name):
                done = subprocess.run(["dot", "-Tplain"], input=self.drawn("schedule", "dot", name),
                                      capture_output=True, text=True, timeout=SECONDS, check=True)
                places = {words[1]: (float(words[2]), float(words[3]))
                          for words in map(str.split, done.stdout.splitlines()) if words[0] == "node"}
                steps = [places[f"s{i}"] for i in range(1, 1 + sum(name[0] == "s" for name in places))]
                lanes = [x for name, (x, _) in sorted(places.items()) if name.startswith("lane")]
                for x, _ in steps:
                    self.assertLess(min(abs(x - lane) for lane in lanes), 0.02)
                heights = [y for _, y in steps]
                self.assertEqual(sorted(heights, reverse=True), heights, "time runs downwards")
                self.assertEqual(sorted(lanes), lanes)

    def test_documentation_block_is_read_by_docutils(self):
        try:
            from docutils import core, nodes
            from docutils.parsers.rst import Directive, directives
        except ImportError:
            self.skipTest("docutils is not installed")

        class KernelRender(Directive):  # as Documentation/sphinx/kfigure.py declares it
            has_content = True
            required_arguments = 1
            option_spec = {"alt": directives.unchanged, "caption": directives.unchanged}
            seen = []

            def run(self):
                self.seen.append((self.arguments[0], self.options, "\n".join(self.content)))
                caption, messages = self.state.inline_text(self.options["caption"], self.lineno)
                return [nodes.paragraph("", "", *caption), *messages]

        directives.register_directive("kernel-render", KernelRender)
        title = "*bold* `code` |bar| <angle> under_ a: b"
        name = self.file("hostile.dot", CYCLE_DOT.replace("design", json.dumps(title)))
        for view in VIEWS[:3]:
            with self.subTest(view):
                KernelRender.seen.clear()
                text = self.expect(CLEAN, "draw", name, "--view", view, "--to", "rst").stdout
                page = core.publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 2})
                self.assertEqual(title, page.astext().strip())
                (language, options, content), = KernelRender.seen
                self.assertEqual("DOT", language)
                self.assertIn("nothing waits" if view == "classes" else "fence", options["alt"])
                same = self.expect(CLEAN, "draw", name, "--view", view).stdout.replace("\t", "    ")
                self.assertEqual(same.strip(), content.strip())

    def test_formats_follow_the_ending_or_the_option(self):
        name = self.file("cycle.dot", CYCLE_DOT)
        for ending, opens in (("mmd", b"flowchart"), ("rst", b".. kernel-render:: DOT"), ("svg", b"<?xml")):
            with self.subTest(ending):
                self.expect(CLEAN, "draw", name, "-o", f"out.{ending}")
                self.assertTrue((self.folder / f"out.{ending}").read_bytes().startswith(opens))
        self.expect(CLEAN, "draw", name, "-o", "picture", "--to", "mermaid")
        self.assertTrue((self.folder / "picture").read_text().startswith("flowchart"))
        self.expect(USAGE, "draw", name, "-o", "picture")
        self.expect(USAGE, "draw", name, "--to", "gif")
        self.assertTrue(self.expect(CLEAN, "draw", name, "-o", "-").stdout.startswith("digraph"))

    def test_what_was_not_decided_is_said_in_the_picture(self):
        for view in ("cycle", "instances", "classes"):
            with self.subTest(view):
                done = self.expect(UNKNOWN if view == "cycle" else CLEAN, "draw", FUTURE, "--view", view, "--timeout",
                                   "0.001", cwd=SOURCE)
                self.assertIn("was not decided: the time limit was reached", done.stderr)
                self.assertIn("was not decided", done.stdout.replace("\\\n", ""))
        done = self.expect(UNKNOWN, "draw", FUTURE, "--view", "schedule", "--timeout", "0.001", "-o",
                           str(self.folder / "x.svg"), cwd=SOURCE)
        self.assertIn("was not decided", done.stderr)
        self.assertFalse((self.folder / "x.svg").exists())

    def test_an_empty_picture_of_cycles_says_so(self):
        name = self.file("line.dot", "digraph design {\n  job -> fence;\n}\n")
        for form in ("dot", "mermaid", "svg", "rst"):
            with self.subTest(form):
                drawn = self.expect(CLEAN, "draw", name, "--view", "cycle", "--to", form).stdout
                self.assertIn("no cycle was found", drawn.replace("\\\n", ""))

    def test_a_picture_does_not_overwrite_its_input(self):
        name = self.file("cycle.dot", CYCLE_DOT)
        (self.folder / "link.dot").symlink_to(name)
        for output in (name, "./cycle.dot", "link.dot"):
            self.assertIn("is an input", self.expect(USAGE, "draw", name, "-o", output).stderr)
        self.assertEqual(CYCLE_DOT, (self.folder / name).read_text())

    def test_wrong_requests(self):
        name = self.file("cycle.dot", CYCLE_DOT)
        self.assertIn("requires --view schedule", self.expect(USAGE, "draw", name, "--finding", "0123").stderr)
        self.assertIn("a folder: draw takes files", self.expect(BAD_INPUT, "draw", ".").stderr)

    def test_a_graph_has_no_schedule(self):
        done = self.expect(USAGE, "draw", self.file("cycle.dot", CYCLE_DOT), "--view", "schedule", "-o", "x.svg")
        self.assertIn("cycle.dot: error: there is no schedule to draw", done.stderr)
        self.assertFalse((self.folder / "x.svg").exists())

    def test_large_graphs_are_cut(self):
        arrows = "".join(f"n{i} -> n{(i + 1) % 500}; n{i} -> n{(i * 7 + 3) % 500};\n" for i in range(500))
        name = self.file("large.dot", "digraph large {\n" + arrows + "}\n")
        done = self.expect(CLEAN, "draw", name, "-o", "large.svg")
        picture = (self.folder / "large.svg").read_text()
        self.assertRegex(picture, r"\d+ more vertices and \d+ more arrows are not drawn")
        self.assertEqual("", done.stderr)
        self.assertIn("440 more vertices", self.expect(CLEAN, "draw", name, "--most", "60").stdout)
        self.assertNotIn("not drawn", self.expect(CLEAN, "draw", name, "--most", "0").stdout)


class Perfetto(Case):
    """What the trace of a schedule says; reports_test.py applies the rules of its format to every case."""

    def trace(self, *inputs):
        path = self.folder / "trace.json"
        done = self.run_it("check", *inputs, "--report", f"perfetto={path}", cwd=SOURCE, seconds=10 * SECONDS)
        self.assertIn(done.returncode, (0, 1, 2))
        grammar.perfetto(path.read_text())
        return json.loads(path.read_text())

    def test_what_released_a_wait_has_an_arrow_to_it(self):
        _, flows = grammar.perfetto(json.dumps(self.trace(*CONFIRMED)))
        self.assertGreater(len(flows), 5)

    def test_waits_and_their_ends(self):
        trace = self.trace(FUTURE)
        names = [event["name"] for event in trace["traceEvents"] if event["ph"] == "X"]
        self.assertTrue(any(name.endswith(", for ever") for name in names))
        tracks = {event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "thread_name"}
        self.assertIn("user 'compositor'", tracks)

    def test_waits_of_traces_have_their_times(self):
        events = self.trace("cases/traces/open-cycle.trace")["traceEvents"]
        self.assertTrue(any(event["ph"] == "X" and "ended by" in event["args"] for event in events))

    def test_nothing_to_show_is_an_empty_trace(self):
        self.assertEqual([], self.trace("cases/indefinite/future-fence+wait-first.yaml")["traceEvents"])


if __name__ == "__main__":
    unittest.main()
