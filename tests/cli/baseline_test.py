#!/usr/bin/env python3
"""Known findings: what a baseline excuses, in every format, and how it is kept.

FENCECHECK_BINARY=build/dev/checker/fencecheck python3 tests/cli/baseline_test.py [CLASS[.METHOD]]
"""

import json
import re
import unittest
import xml.etree.ElementTree as ElementTree

import grammar
from cli_test import BAD_INPUT, CLEAN, CYCLE_DOT, FINDINGS, INTERNAL, SOURCE
from reports_test import ONE_ORDER, SCHEMAS, TWO_LOCKS, ReportCase


class KnownFindings(ReportCase):
    def setUp(self):
        super().setUp()
        self.file("locks.yaml", TWO_LOCKS)
        self.file("cycle.dot", CYCLE_DOT)

    def update(self, *inputs):
        self.expect(CLEAN, "check", "--baseline", "known.txt", "--update-baseline", *inputs)
        return (self.folder / "known.txt").read_text()

    def test_known_findings_do_not_count_and_new_ones_do(self):
        self.expect(FINDINGS, "check", "locks.yaml")
        text = self.update("locks.yaml")
        self.assertRegex(text, r"(?m)^[0-9a-f]{16} deadlock  # locks.yaml: .+$")
        self.assertIn("all known", self.expect(CLEAN, "check", "--baseline", "known.txt", "locks.yaml").stdout)
        self.expect(FINDINGS, "check", "--baseline", "known.txt", "locks.yaml", "cycle.dot")

    def test_an_entry_survives_a_new_name_and_new_lines(self):
        self.update("locks.yaml")
        self.file("moved/other.yaml", "# a line\n\n# and another\n" + TWO_LOCKS)
        self.expect(CLEAN, "check", "--baseline", "known.txt", "--baseline-strict", "moved")

    def test_an_entry_knows_one_place_and_reason_and_no_amounts(self):
        case = re.sub(r"(?m)^expect:.*\n", "", (SOURCE / "cases/long-running/pin-system-memory.yaml").read_text())
        self.file("case.yaml", case)
        self.update("case.yaml")
        for change, status in ((("7GiB", "6656MiB"), CLEAN), (("gtt", "system"), FINDINGS),
                               (("frame", "other"), FINDINGS)):
            with self.subTest(change):
                self.file("case.yaml", case.replace(*change))
                self.expect(FINDINGS, "check", "case.yaml")
                self.expect(status, "check", "--baseline", "known.txt", "case.yaml")

    def test_stale_entries(self):
        self.update("locks.yaml")
        self.file("locks.yaml", ONE_ORDER)
        done = self.expect(CLEAN, "check", "--baseline", "known.txt", "locks.yaml")
        self.assertRegex(done.stdout, r"(?m)^known.txt:2:1: stale: [0-9a-f]{16} deadlock  # locks.yaml: ")
        self.expect(FINDINGS, "check", "--baseline", "known.txt", "--baseline-strict", "locks.yaml")
        self.assertNotIn("deadlock", self.update("locks.yaml"))
        self.expect(CLEAN, "check", "--baseline", "known.txt", "--baseline-strict", "locks.yaml")

    def test_a_stale_entry_that_fails_is_in_every_format(self):
        self.update("locks.yaml")
        self.file("locks.yaml", ONE_ORDER)
        strict = ["--baseline", "known.txt", "--baseline-strict"]
        texts = self.reports(self.formats(), "locks.yaml", status=FINDINGS, options=strict)
        place = f"known.txt:{1 + (self.folder / 'known.txt').read_text().splitlines().index(self.entry())}"
        for form in ("text", "terse", "html"):
            self.assertIn(place, texts[form])
        self.assertIn("1 stale entry", texts["text"])
        document = json.loads(texts["json"])
        self.assert_valid(SOURCE / "docs" / "report.schema.json", document)
        line = document["baseline"]["stale"][0]["at"]["line"]
        self.assertEqual(place, f"known.txt:{line}")
        result, = json.loads(texts["sarif"])["runs"][0]["results"]
        self.assert_valid(SCHEMAS / "sarif-github.schema.json", json.loads(texts["sarif"]))
        where = result["locations"][0]["physicalLocation"]
        self.assertEqual(("baseline", "error", "known.txt", line), (
            result["ruleId"], result["level"], where["artifactLocation"]["uri"], where["region"]["startLine"]))
        entry, = json.loads(texts["codequality"])
        self.assertEqual(("known.txt", line), (entry["location"]["path"], entry["location"]["lines"]["begin"]))
        (_, properties, _), = grammar.github(texts["github"])
        self.assertEqual("known.txt", properties["file"])
        failures = [test.get("name") for suite in ElementTree.fromstring(texts["junit"]) for test in suite
                    if test.find("failure") is not None]
        self.assertEqual(["baseline"], failures)
        self.assertFalse(all(ok for ok, *_ in grammar.ktap(texts["ktap"])))
        self.assertRegex(texts["tap"], r"(?m)^not ok \d+ - known.txt baseline$")
        self.file("locks.yaml", TWO_LOCKS)
        met = self.reports(("junit", "tap"), "locks.yaml", status=CLEAN, options=strict)
        self.assertIn('name="baseline"', met["junit"])
        self.assertRegex(met["tap"], r"(?m)^ok \d+ - known.txt baseline$")

    def entry(self):
        entry, = [line for line in (self.folder / "known.txt").read_text().splitlines() if line[0] != "#"]
        return entry

    def test_an_update_keeps_what_is_no_stale_entry_and_says_what_it_removes(self):
        self.update("locks.yaml", "cycle.dot")
        lines = (self.folder / "known.txt").read_text().splitlines()
        kept = [lines[0], "", "# the first", lines[1] + "  ", "# the second", lines[2], "# the end"]
        self.file("known.txt", "\n".join(kept) + "\n")
        self.assertEqual("\n".join(kept) + "\n", self.update("locks.yaml", "cycle.dot"))
        self.file("cycle.dot", CYCLE_DOT.replace("  fence -> job;\n", ""))
        done = self.expect(CLEAN, "check", "--baseline", "known.txt", "--update-baseline", "locks.yaml", "cycle.dot")
        gone, = [line for line in kept[3:6:2] if "cycle.dot" in line]
        self.assertEqual([line for line in kept if line != gone], (self.folder / "known.txt").read_text().splitlines())
        self.assertIn("removed from the baseline:\nknown.txt:", done.stderr)
        self.assertIn(gone.split()[0], done.stderr)

    def test_a_baseline_that_cannot_be_written_is_said_before_the_work(self):
        done = self.expect(INTERNAL, "check", "--baseline", "no/such/known.txt", "--update-baseline", "locks.yaml")
        self.assertIn("cannot write 'no/such/known.txt'", done.stderr)
        self.assertEqual("", done.stdout)

    def test_an_update_keeps_comments(self):
        text = self.update("locks.yaml")
        line = next(line for line in text.splitlines() if " deadlock" in line)
        mine = line.split("  #")[0] + "  # drm/foo#12, being fixed"
        self.file("known.txt", "# ours\n" + mine + "\n")
        self.assertEqual("# ours\n" + mine + "\n", self.update("locks.yaml"))
        self.assertEqual(3, len(self.update("locks.yaml", "cycle.dot").splitlines()))

    def test_known_in_every_format(self):
        self.update("locks.yaml")
        known = {form: self.report(form, "locks.yaml", options=["--baseline", "known.txt"], status=CLEAN)
                 for form in ("json", "sarif", "junit", "codequality", "github", "ktap", "tap", "terse")}
        self.assertEqual("known", json.loads(known["json"])["inputs"][0]["findings"][0]["excuse"])
        self.assert_valid(SOURCE / "docs" / "report.schema.json", json.loads(known["json"]))
        self.assertEqual("external",
                         json.loads(known["sarif"])["runs"][0]["results"][0]["suppressions"][0]["kind"])
        page = grammar.html(self.report("html", "locks.yaml", options=["--baseline", "known.txt"], status=CLEAN))
        self.assertEqual(("passed", "all known", "known"), (page["inputs"][0]["result"], page["inputs"][0]["outcome"],
                                                            page["inputs"][0]["findings"][0]["excuse"]))
        self.assertEqual("[]\n", known["codequality"])
        self.assertEqual("", known["github"])
        self.assertIn("<skipped message=\"known: ", known["junit"])
        self.assertEqual([True], [ok for ok, *_ in grammar.ktap(known["ktap"])])
        self.assertIn("# XFAIL", known["ktap"])
        self.assertRegex(known["tap"], r"# TO[D]O")

    def test_bad_baselines(self):
        entry = "0123456789abcdef deadlock\n"
        for text, place in (("nonsense\n", "1:1"), ("0123456789abcdef\n", "1"), ("0123456789abcdef no-rule\n", "1:18"),
                            ("# x\n" + entry + entry, "3:1"), ("0123456789ABCDEF deadlock\n", "1:1"), ("\0\n", "1:1")):
            with self.subTest(text):
                self.file("bad.txt", text)
                done = self.expect(BAD_INPUT, "check", "--baseline", "bad.txt", "locks.yaml")
                self.assertRegex(done.stderr, rf"(?m)^bad.txt:{place}: error: ")
                self.assertEqual("", done.stdout)
        self.assertIn("no such file", self.expect(BAD_INPUT, "check", "--baseline", "none", "locks.yaml").stderr)
        self.expect(BAD_INPUT, "check", "--baseline", str(self.folder), "locks.yaml")

    def test_a_run_that_saw_too_little_updates_nothing(self):
        before = self.update("locks.yaml")
        done = self.expect(BAD_INPUT, "check", "--baseline", "known.txt", "--update-baseline", "missing.yaml")
        self.assertIn("not updated", done.stderr)
        self.assertEqual(before, (self.folder / "known.txt").read_text())


if __name__ == "__main__":
    unittest.main()
