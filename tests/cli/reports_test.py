#!/usr/bin/env python3
"""Reports as other people's readers see them: JSON Schema, xmllint, Perl's TAP parser, and our grammars.

FENCECHECK_BINARY=build/dev/checker/fencecheck python3 tests/cli/reports_test.py [CLASS[.METHOD]]

FENCECHECK_SCHEMAS names a folder with the official schemas, sarif-schema-2.1.0.json and JUnit.xsd; where it is
absent only our own, in tests/schemas, are applied.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree

import grammar
from cli_test import BAD_INPUT, BINARY, CLEAN, CYCLE_DOT, FINDINGS, SECONDS, SOURCE, UNKNOWN, USAGE, Case

SCHEMAS = SOURCE / "tests" / "schemas"
OFFICIAL = pathlib.Path(os.environ.get("FENCECHECK_SCHEMAS", "no-such-folder"))

TWO_LOCKS = """\
fencecheck: 1
title: two locks
locks: {a: {}, b: {}}
threads:
  first:
    steps: [{lock: a}, {lock: b}, {unlock: b}, {unlock: a}]
  second:
    steps: [{lock: b}, {lock: a}, {unlock: a}, {unlock: b}]
"""
ONE_ORDER = TWO_LOCKS.replace("[{lock: b}, {lock: a}, {unlock: a}, {unlock: b}]",
                              "[{lock: a}, {lock: b}, {unlock: b}, {unlock: a}]")


class ReportCase(Case):
    def report(self, form, *inputs, status=None, options=(), cwd=None):
        done = self.run_it("check", "--report", form, *options, *inputs, cwd=cwd, seconds=10 * SECONDS)
        if status is not None:
            self.assertEqual(status, done.returncode, done.stdout[:2000] + done.stderr[:2000])
        return done.stdout

    def reports(self, forms, *inputs, status, options=(), cwd=None):
        """All these formats of one run: {format: text}."""
        with tempfile.TemporaryDirectory() as folder:
            files = {form: pathlib.Path(folder, form) for form in forms}
            done = self.run_it("check", *(f"--report={form}={path}" for form, path in files.items()), *options, *inputs,
                               cwd=cwd, seconds=20 * SECONDS)
            self.assertEqual(status, done.returncode, done.stdout[-2000:] + done.stderr[:2000])
            return {form: path.read_bytes().decode() for form, path in files.items()}

    def formats(self):
        """Every format, as the help lists them."""
        said = self.expect(CLEAN, "check", "--help").stdout
        return re.findall(r"(?m)^ +(\w+): ", re.search(r"--report .*\n((?: {20,}\w+: .*\n)+)", said)[1])

    def without_expectations(self):
        """The cases and the rejected inputs in the test's folder; what was expected now counts."""
        for name in ("cases", "tests/rejected"):
            shutil.copytree(SOURCE / name, self.folder / name)
        for path in (self.folder / "cases").rglob("*"):
            if path.is_file():
                text = path.read_text()
                text = re.sub(r"(?m)^expect:.*\n(?:[ \t]+.*\n)*", "", text)
                path.write_text(re.sub(r"(?m)^(#|//) fencecheck expect:.*\n", "", text))
        return ["cases", "tests/rejected"]

    def json_schema(self, path):
        try:
            import jsonschema
        except ImportError:
            self.skipTest("python3-jsonschema is not installed")
        schema = json.loads(path.read_text())
        kind = jsonschema.validators.validator_for(schema)
        kind.check_schema(schema)
        return kind(schema)

    def assert_valid(self, path, document):
        errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}"
                  for e in self.json_schema(path).iter_errors(document)]
        self.assertEqual([], errors[:5])


class Formats(ReportCase):
    """Every format, of every case as it is, and of every case with nothing excused, and of broken inputs."""

    runs = []  # of each set of inputs {format: text}, made once for all tests

    def setUp(self):
        super().setUp()
        if Formats.runs:
            return
        forms = self.formats()
        tests = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")}
        self.assertEqual(set(), set(forms) - tests, "a format without a validator")
        odd = [self.file(name, CYCLE_DOT) for name in ("a b.dot", "100%.dot", "a#b,c:d.dot", "ä.dot", "q\"<&>'.dot")]
        Formats.runs = [
            self.reports(forms, "cases", cwd=SOURCE, status=CLEAN),
            self.reports(forms, *self.without_expectations(), "missing.yaml", status=BAD_INPUT),
            self.reports(forms, *odd, "./a b.dot", str(self.folder / "ä.dot"), status=FINDINGS)]

    def texts(self, form):
        return [run[form] for run in Formats.runs]

    def test_html(self):
        for text, json_text in zip(self.texts("html"), self.texts("json")):
            inputs = grammar.html(text)["inputs"]
            self.assertEqual([each["input"] for each in json.loads(json_text)["inputs"]],
                             [each["name"] for each in inputs])
            for finding in (finding for each in inputs for finding in each["findings"]):
                for step in finding["steps"]:
                    self.assertLess(step["lane"], len(finding["lanes"]))
                    for change, _ in step["sets"]:
                        self.assertLess(change, len(finding["objects"]))

    def test_perfetto(self):
        for text in self.texts("perfetto"):
            grammar.perfetto(text)

    def test_fingerprints_do_not_depend_on_lines(self):
        def prints(document):
            return [[finding["fingerprint"] for finding in each["findings"]] for each in document["inputs"]
                    if each["input"].startswith("cases/")]
        self.without_expectations()
        for path in (self.folder / "cases").rglob("*.yaml"):
            path.write_text("# one\n# two\n# three\n" + path.read_text())
        shifted = self.report("json", "cases", options=["--unknown=ok"], status=FINDINGS)
        self.assertEqual(prints(json.loads(self.texts("json")[1])), prints(json.loads(shifted)))

    def test_json(self):
        for text in self.texts("json"):
            document = json.loads(text)
            self.assert_valid(SOURCE / "docs" / "report.schema.json", document)
            self.assertEqual(document["summary"]["inputs"], len(document["inputs"]))

    def test_sarif(self):
        for text in self.texts("sarif"):
            document = json.loads(text)
            self.assert_valid(SCHEMAS / "sarif-github.schema.json", document)
            if (OFFICIAL / "sarif-schema-2.1.0.json").exists():
                self.assert_valid(OFFICIAL / "sarif-schema-2.1.0.json", document)
            run = document["runs"][0]
            for result in run["results"]:
                self.assertEqual(result["ruleId"], run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"])
                for flow in result.get("codeFlows", []):
                    order = sorted(step["executionOrder"] for thread in flow["threadFlows"]
                                   for step in thread["locations"])
                    self.assertEqual(list(range(1, len(order) + 1)), order)

    def test_junit(self):
        if shutil.which("xmllint") is None:
            self.skipTest("libxml2-utils is not installed")
        schemas = [SCHEMAS / "junit.xsd"] + [path for path in [OFFICIAL / "JUnit.xsd"] if path.exists()]
        for text in self.texts("junit"):
            for schema in schemas:
                checked = subprocess.run(["xmllint", "--noout", "--schema", schema, "-"], input=text.encode(),
                                         capture_output=True, timeout=SECONDS)
                self.assertEqual(0, checked.returncode, checked.stderr.decode()[:2000])
            for suite in ElementTree.fromstring(text.encode()):
                tests = suite.findall("testcase")
                self.assertEqual(len(tests), len({test.get("name") for test in tests}), "GitLab drops the second")
                for count, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                    self.assertEqual(int(suite.get(count)), len(suite.findall(f"testcase/{element}")))

    def test_a_violated_answer_is_a_failing_test_and_one_that_holds_passes(self):
        names = {"violated": "failure", "unknown": "failure", "holds": None}
        answers = violated = 0
        for report, text in zip(map(json.loads, self.texts("json")[1:]), self.texts("junit")[1:]):
            for each, suite in zip(report["inputs"], ElementTree.fromstring(text.encode())):
                tests = {test.get("name"): test for test in suite}
                for answer in each.get("answers", []):
                    with self.subTest(each["input"], property=answer["property"]):
                        failed = [child.tag for child in tests[answer["property"]]]
                        wanted = names[answer["verdict"]]
                        self.assertEqual([wanted] if wanted else [], failed)
                    answers += 1
                    violated += answer["verdict"] == "violated"
        self.assertGreater(answers, 100)
        self.assertGreater(violated, 40)

    def test_codequality(self):
        for text in self.texts("codequality"):
            document = json.loads(text)
            self.assert_valid(SCHEMAS / "code-quality.schema.json", document)
            prints = [entry["fingerprint"] for entry in document]
            self.assertEqual(len(prints), len(set(prints)), "GitLab shows one of equal fingerprints")

    def test_github(self):
        expected, nothing_excused, odd = map(grammar.github, self.texts("github"))
        self.assertEqual([], expected, "what is expected is no annotation")
        self.assertGreater(len(nothing_excused), 30)
        self.assertIn("a#b,c:d.dot", [properties["file"] for _, properties, _ in odd])

    def test_terse(self):
        for text in self.texts("terse"):
            grammar.terse(text)
        self.file("cycle.dot", CYCLE_DOT)
        self.assertEqual(self.report("terse", "cycle.dot"), self.run_it("check", "--terse", "cycle.dot").stdout)

    def test_ktap(self):
        for text, all_ok in zip(self.texts("ktap"), (True, False, False)):
            results = grammar.ktap(text)
            self.assertEqual(all_ok, all(ok for ok, *_ in results))

    def test_tap(self):
        if subprocess.run(["perl", "-MTAP::Parser", "-e", "1"], capture_output=True).returncode != 0:
            self.skipTest("perl has no TAP::Parser")
        program = """
            my $parser = TAP::Parser->new({tap => join("", <STDIN>)});
            while (my $line = $parser->next) { print "unknown: ", $line->as_string, "\\n" if $line->is_unknown; }
            print "error: $_\\n" for $parser->parse_errors;
            printf "%d run, %d failed\\n", $parser->tests_run, scalar($parser->failed);
        """
        for text, failing in zip(self.texts("tap"), (False, True, True)):
            parsed = subprocess.run(["perl", "-MTAP::Parser", "-e", program], input=text.encode(), capture_output=True,
                                    timeout=SECONDS)
            self.assertEqual(b"", parsed.stderr)
            said = re.fullmatch(r"(\d+) run, (\d+) failed\n", parsed.stdout.decode())
            self.assertTrue(said, parsed.stdout.decode()[:1000])
            self.assertGreater(int(said[1]), 0)
            self.assertEqual(failing, int(said[2]) > 0)
            self.yaml_blocks(text)

    def yaml_blocks(self, text):
        try:
            import yaml
        except ImportError:
            return
        for block in re.findall(r"(?ms)^  ---\n(.*?)^  \.\.\.\n", text):
            self.assertIn("message", yaml.safe_load(block))

    def test_text(self):
        for text in self.texts("text"):
            self.assertRegex(text.splitlines()[-1], r"^SUMMARY: \d+ inputs?, .*; \d+ findings?")
            self.assertNotIn("\x1b", text)


class Contract(ReportCase):
    def test_the_status_does_not_depend_on_the_format(self):
        self.file("cycle.dot", CYCLE_DOT)
        self.file("good.yaml", ONE_ORDER)
        for form in self.formats():
            with self.subTest(form):
                self.report(form, "cycle.dot", status=FINDINGS)
                self.report(form, "good.yaml", status=CLEAN)
                self.report(form, "missing", "cycle.dot", status=BAD_INPUT)

    def test_several_reports_in_one_run(self):
        self.file("cycle.dot", CYCLE_DOT)
        done = self.expect(FINDINGS, "check", "--report", "json=a.json", "--report", "tap=a.tap", "cycle.dot")
        self.assertIn("SUMMARY:", done.stdout, "the text stays on standard output")
        self.assertEqual(self.report("json", "cycle.dot"), (self.folder / "a.json").read_text())
        self.assertEqual(self.report("tap", "cycle.dot"), (self.folder / "a.tap").read_text())
        self.assertEqual(["a.json", "a.tap", "cycle.dot"], sorted(os.listdir(self.folder)))

    def test_a_report_instead_of_the_text(self):
        self.file("cycle.dot", CYCLE_DOT)
        for spelling in ("json", "json=-"):
            json.loads(self.report(spelling, "cycle.dot", status=FINDINGS))

    def test_wrong_requests(self):
        self.file("cycle.dot", CYCLE_DOT)
        for arguments, says in ((["--report", "jason"], "did you mean 'json'?"),
                                (["--report", "json="], "names no file"),
                                (["--report", "json", "--terse"], "both go to standard output"),
                                (["--report", "json=x", "--report", "tap=x"], "both go to 'x'"),
                                (["--unknown", "maybe"], "is not one of fail, ok"),
                                (["--findings", "0"], "is no number"),
                                (["--jobs", "-1"], "is no number"),
                                (["--timeout", "soon"], "is no number"),
                                (["--memory", "7"], "is no number"),
                                (["--baseline-strict"], "requires --baseline"),
                                (["--update-baseline"], "requires --baseline"),
                                (["--baseline", ""], "is empty"),
                                (["--report", "json=cycle.dot"], "'cycle.dot' is an input"),
                                (["--report", "json=./x/../cycle.dot"], "is an input"),
                                (["--report", "json=a", "--report", "tap=x/../a"], "both go to 'a'"),
                                (["--report", "json=known", "--baseline", "known"], "'known' is the baseline"),
                                (["--update-baseline", "--baseline", "cycle.dot"], "'cycle.dot' is an input"),
                                (["--watch", "--terse"], "--watch excludes")):
            with self.subTest(arguments):
                done = self.expect(USAGE, "check", *arguments, "cycle.dot")
                self.assertIn(says, done.stderr)
                self.assertEqual("", done.stdout)
                self.assertEqual(["cycle.dot"], os.listdir(self.folder))

    def test_a_stall_does_not_last_for_ever(self):
        stalls = [path for path in sorted((SOURCE / "cases").rglob("*.yaml"))
                  if re.search(r"(?m)^expect: stall$", path.read_text())]
        self.assertGreater(len(stalls), 1)
        forms = ("text", "sarif", "html", "perfetto")
        for path in stalls[:3]:
            with self.subTest(path.name):
                document = json.loads(self.report("json", path))
                stuck = [step for finding in document["inputs"][0]["findings"] if finding["kind"] == "stall"
                         for step in finding["schedule"] if step["blocks"]]
                for step in stuck:
                    self.assertRegex(step["action"], "^waits for ")
                for form, text in self.reports(forms, path, status=CLEAN, options=["--story=always"]).items():
                    text = text.split('id="data">')[-1].split("</script>")[0]
                    self.assertIn("until a timeout", text)
                    self.assertNotRegex(text, r"(--|,|stuck) for ever")

    def test_few_shown_findings_excuse_none(self):
        case = (SOURCE / "cases/indefinite/future-fence.yaml").read_text()
        self.file("two.yaml", re.sub(r"(?m)^expect:.*\n(?:[ \t]+.*\n)*", "", case))
        full = json.loads(self.report("json", "two.yaml", status=FINDINGS))["inputs"][0]
        kinds = {finding["kind"] for finding in full["findings"]}
        self.assertGreater(len(kinds), 1)
        few = self.reports(("junit", "ktap", "tap", "text", "json"), "two.yaml", status=FINDINGS,
                           options=["--findings", "1"])
        suite, = ElementTree.fromstring(few["junit"])
        violated = {answer["property"] for answer in full["answers"] if answer["verdict"] == "violated"}
        self.assertEqual(violated, {test.get("name") for test in suite if test.find("failure") is not None})
        self.assertEqual(len(violated), len(re.findall(r"(?m)^not ok ", few["tap"])))
        self.assertEqual(len(violated), len(re.findall(r"(?m)^  not ok ", few["ktap"])))
        for kind in kinds:
            self.assertRegex(few["text"], rf"(?m)^two.yaml: violated \(.*{kind}")
        self.assertIn("1 finding not shown", few["junit"])
        self.assertEqual(len(full["findings"]) - 1, json.loads(few["json"])["inputs"][0]["findings_left_out"])

    def test_bad_input_is_in_the_reports(self):
        self.file("broken.yaml", "fencecheck: 1\nthreads: [\n")
        document = json.loads(self.report("json", "broken.yaml", "missing", status=BAD_INPUT))
        self.assertEqual(["unusable", "unusable"], [each["result"] for each in document["inputs"]])
        self.assertEqual(3, document["inputs"][0]["diagnostics"][0]["at"]["line"])

    def test_unknown_counts_or_not(self):
        trace = (SOURCE / "cases/traces/open-cycle-lost-events.trace").read_text()
        self.file("lost.trace", re.sub(r"(?m)^# fencecheck expect:.*\n", "", trace))
        self.expect(UNKNOWN, "check", "lost.trace")
        self.expect(UNKNOWN, "check", "--unknown=fail", "lost.trace")
        self.expect(CLEAN, "check", "--unknown=ok", "lost.trace")
        self.assertIn("# TIMEOUT", self.report("ktap", "lost.trace"))
        self.assertIn("# SKIP", self.report("ktap", "lost.trace", options=["--unknown=ok"]))

    def test_what_was_cut_short_says_which_option_helps(self):
        self.file("locks.yaml", TWO_LOCKS)
        done = self.expect(UNKNOWN, "check", "--timeout", "0.001", "locks.yaml")
        self.assertIn("--timeout raises the limit", done.stdout)

    def test_same_bytes_with_any_number_of_threads(self):
        one, many = (self.reports(self.formats(), "cases/indefinite", "cases/traces", "cases/locking", cwd=SOURCE,
                                  status=CLEAN, options=["--jobs", jobs]) for jobs in "18")
        for form, text in one.items():
            with self.subTest(form):
                self.assertEqual(text, many[form])

    def test_times_only_if_asked_for(self):
        self.file("cycle.dot", CYCLE_DOT)
        self.assertNotIn("milliseconds", self.report("json", "cycle.dot"))
        document = json.loads(self.report("json", "cycle.dot", options=["--timing"]))
        self.assertGreaterEqual(document["inputs"][0]["milliseconds"], 0)

    def test_no_color_without_a_terminal_and_with_the_variable(self):
        self.file("cycle.dot", CYCLE_DOT)
        for variable, coloured in (({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)):
            with self.subTest(variable):
                shown = self.on_a_terminal("stdout", variable, "check", "cycle.dot")
                self.assertEqual(coloured, b"\x1b[1;31m" in shown)

    def test_columns_are_kept_to(self):
        for width in (50, 72, 132):
            with self.subTest(width):
                done = subprocess.run([BINARY, "check", "--story=always", "cases/locking/ww-locks.yaml"], cwd=SOURCE,
                                      env=dict(os.environ, COLUMNS=str(width)), capture_output=True, timeout=SECONDS)
                lines = done.stdout.decode().splitlines()
                told = lines[2:next(i for i, line in enumerate(lines) if re.match(r"cases/\S+: scenario", line))]
                self.assertGreater(len(told), 5)
                self.assertLessEqual(max(map(len, told)), width)

    def test_progress_is_a_bar_that_goes_away(self):
        for i in range(20):
            self.file(f"designs/{i:02}.yaml", TWO_LOCKS)
        shown = self.on_a_terminal("stderr", {}, "check", "--terse", "designs").decode()
        done = re.findall(r"\r\x1b\[K\[#*\.*\] (\d+)/20", shown)
        self.assertEqual(sorted(map(int, done)), list(map(int, done)))
        self.assertEqual("20", done[-1])
        self.assertTrue(shown.endswith("\r\x1b[K"), "the bar is left behind")
        self.assertEqual("", self.expect(FINDINGS, "check", "--terse", "designs").stderr, "no bar without a terminal")

    def on_a_terminal(self, channel, variables, *arguments):
        import pty
        master, slave = pty.openpty()
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | variables
        channels = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, channel: slave}
        process = subprocess.Popen([BINARY, *arguments], cwd=self.folder, env=environment, **channels)
        os.close(slave)
        output = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            output += piece
        os.close(master)
        process.wait(timeout=SECONDS)
        return output


class Watching(ReportCase):
    def replace(self, name, content):
        """At once, so that no half of it is seen."""
        os.replace(self.folder / self.file(name + ".part", content), self.folder / name)

    def until(self, process, words):
        text = ""
        end = time.monotonic() + 3 * SECONDS
        while words not in text:
            self.assertLess(time.monotonic(), end, text)
            line = process.stdout.readline().decode()
            self.assertNotEqual("", line, text)
            text += line
        return text

    def test_the_edge_that_closed_the_cycle(self):
        self.file("locks.yaml", ONE_ORDER)
        process = subprocess.Popen([BINARY, "check", "--watch", "."], cwd=self.folder, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        try:
            self.assertIn("locks.yaml: holds", self.until(process, "watching"))
            self.replace("locks.yaml", "# moved\n" + TWO_LOCKS)
            text = self.until(process, "watching")
            self.assertRegex(text, r"locks\.yaml:9:\d+: closed the cycle: '\w+' now waits for '\w+' \[lock\]")
            self.assertNotIn("no new edge", text)
            self.replace("cycle.dot", CYCLE_DOT)
            self.assertIn("cycle.dot: violated", self.until(process, "watching"))
            self.replace("locks.yaml", "# moved again\n" + ONE_ORDER)
            self.assertIn("locks.yaml: gone: ", self.until(process, "watching"))
            (self.folder / "cycle.dot").unlink()
            self.until(process, "cycle.dot: not there any more")
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            self.assertEqual(CLEAN, process.wait(timeout=SECONDS))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


class Libraries(ReportCase):
    def test_five_hundred_files(self):
        for i in range(500):
            self.file(f"library/{i % 7}/{i:03}.yaml", TWO_LOCKS if i % 50 == 0 else ONE_ORDER)
        one = self.report("json", "library", options=["--jobs", "1"], status=FINDINGS)
        self.assertEqual(one, self.report("json", "library", options=["--jobs", "4"], status=FINDINGS))
        document = json.loads(one)
        self.assertEqual({"inputs": 500, "passed": 490, "unknown": 0, "failed": 10, "unusable": 0},
                         document["summary"])
        names = [each["input"] for each in document["inputs"]]
        self.assertEqual(sorted(names), names)

    def test_an_interrupt_leaves_no_file_unanswered(self):
        for i in range(3000):
            self.file(f"library/{i:04}.yaml", TWO_LOCKS)
        process = subprocess.Popen([BINARY, "check", "--report", "json=all.json", "library"], cwd=self.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10 * SECONDS)
        self.assertEqual(FINDINGS, process.returncode)
        document = json.loads((self.folder / "all.json").read_text())
        self.assertEqual(3000, len(document["inputs"]))
        self.assertTrue(document["interrupted"])
        self.assertGreater(document["summary"]["unknown"], 0)
        self.assertEqual("interrupted before it was checked", document["inputs"][-1]["answers"][0]["reason"])

    def test_an_interrupted_run_never_passes(self):
        for i in range(3000):
            self.file(f"library/{i:04}.yaml", ONE_ORDER if i % 2 == 0 else TWO_LOCKS + "expect: deadlock\n")
        process = subprocess.Popen([BINARY, "check", "--unknown=ok", "--report", "junit=all.xml", "library"],
                                   cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=10 * SECONDS)[0].decode()
        self.assertEqual(UNKNOWN, process.returncode, text[-500:])
        self.assertRegex(text.splitlines()[-1],
                         r"SUMMARY: 3000 inputs, \d+ passed, \d+ unknown; .*interrupted, \d+ not")
        failures = ElementTree.parse(self.folder / "all.xml").getroot().findall("testsuite/testcase/failure")
        self.assertGreater(len(failures), 0)

    def test_ten_thousand_findings_are_cut_and_counted(self):
        self.file("many.dot", "digraph many {\n" + "".join(f"  a{i} -> b{i};\n  b{i} -> a{i};\n" for i in range(10_000))
                  + "}\n")
        for form, text in self.reports(self.formats(), "many.dot", status=FINDINGS).items():
            with self.subTest(form):
                self.assertLess(len(text), 1_000_000, "a result nobody can use")
                if form not in ("junit", "ktap", "tap", "perfetto"):
                    self.assertIn("9900", text)
        document = json.loads(self.report("json", "many.dot", options=["--findings", "20000"]))
        self.assertEqual(10_000, len(document["inputs"][0]["findings"]))

    def test_ten_thousand_findings_of_a_trace_are_one_with_a_count(self):
        def pair(i):
            """Two tasks that wait for each other's sw_sync fence."""
            times = [f"{10 + i / 1000:.6f}", f"{10 + i / 1000 + 0.0001:.6f}"]
            fences = [f"driver=sw_sync timeline=t{2 * i + j} context={2 * i + j + 1} seqno=1" for j in (0, 1)]
            events = [f"dma_fence_init: {fences[0]}", f"dma_fence_init: {fences[1]}",
                      f"dma_fence_wait_start: {fences[1]}", f"dma_fence_wait_start: {fences[0]}"]
            return "".join(f"  task-{2 * i + j % 2 + 1000} [000] ..... {times[j // 2]}: {event}\n"
                           for j, event in enumerate(events))
        self.file("many.trace", "# tracer: nop\n#\n" + "".join(map(pair, range(10_000)))
                  + "  kworker/1:2-77 [001] ..... 90.000000: workqueue_execute_start: work struct 1: function f\n")
        texts = self.reports(self.formats(), "many.trace", status=FINDINGS)
        for form, text in texts.items():
            with self.subTest(form):
                self.assertLess(len(text), 1_000_000, "a result nobody can use")
        (finding,) = json.loads(texts["json"])["inputs"][0]["findings"]
        self.assertEqual(10_000, finding["count"])
        for form in ("text", "terse", "sarif", "junit", "codequality", "github", "ktap", "tap", "html", "perfetto"):
            with self.subTest(form):
                self.assertRegex(texts[form], r"10,?000")

    def test_a_baseline_knows_what_is_cut(self):
        self.file("many.dot", "digraph many {\n" + "".join(f"  a{i} -> b{i};\n  b{i} -> a{i};\n" for i in range(300))
                  + "}\n")
        self.expect(CLEAN, "check", "--baseline", "known.txt", "--update-baseline", "many.dot")
        self.expect(CLEAN, "check", "--baseline", "known.txt", "--baseline-strict", "many.dot")
        known = self.reports(("codequality", "github", "terse", "text", "junit", "sarif"), "many.dot", status=CLEAN,
                             options=["--baseline", "known.txt"])
        self.assertEqual("[]\n", known["codequality"])
        self.assertEqual("", known["github"])
        self.assertIn("total: 0 errors, 0 warnings, 0 checks", known["terse"])
        self.assertIn("300 findings, 300 known", known["text"])
        self.assertNotIn("<failure", known["junit"])
        lines = (self.folder / "known.txt").read_text().splitlines(keepends=True)
        self.file("known.txt", "".join(lines[:-1]))
        done = self.expect(FINDINGS, "check", "--terse", "--baseline", "known.txt", "many.dot")
        self.assertEqual(1, len([line for line in done.stdout.splitlines() if ":deadlock:" in line]))


if __name__ == "__main__":
    unittest.main()
