#!/usr/bin/env python3
"""Which files are inputs, which are written, and that none is lost.

FENCECHECK_BINARY=build/dev/checker/fencecheck python3 tests/cli/files_test.py [CLASS[.METHOD]]
"""

import json
import os
import subprocess
import unittest

from cli_test import BAD_INPUT, BINARY, CLEAN, CYCLE_DOT, FINDINGS, INTERNAL, SECONDS, USAGE
from reports_test import ONE_ORDER, TWO_LOCKS, ReportCase


class Files(ReportCase):
    def test_a_file_that_cannot_be_written_is_said_before_the_work(self):
        self.file("cycle.dot", CYCLE_DOT)
        done = self.expect(INTERNAL, "check", "--report", "json=no/such/folder/a.json", "--report", "tap=a.tap",
                           "cycle.dot")
        self.assertIn("cannot write 'no/such/folder/a.json'", done.stderr)
        self.assertEqual("", done.stdout)
        self.assertEqual(["cycle.dot"], os.listdir(self.folder))

    def test_links_do_not_hide_that_a_file_would_be_overwritten(self):
        self.file("cycle.dot", CYCLE_DOT)
        (self.folder / "link").symlink_to("cycle.dot")
        (self.folder / "other").symlink_to("out.json")
        (self.folder / "again").symlink_to(self.folder / "out.json")
        for reports in (["json=link"], ["json=other", "tap=again"], ["json=out.json", "tap=other"]):
            with self.subTest(reports):
                self.expect(USAGE, "check", *(f"--report={each}" for each in reports), "cycle.dot")
        self.assertEqual(CYCLE_DOT, (self.folder / "cycle.dot").read_text())

    def test_a_report_follows_a_link_and_keeps_permissions(self):
        self.file("cycle.dot", CYCLE_DOT)
        self.file("kept/out.json", "old")
        (self.folder / "kept/out.json").chmod(0o640)
        (self.folder / "link.json").symlink_to("kept/out.json")
        self.expect(FINDINGS, "check", "--report", "json=link.json", "cycle.dot")
        self.assertTrue((self.folder / "link.json").is_symlink())
        json.loads((self.folder / "kept/out.json").read_text())
        self.assertEqual(0o640, (self.folder / "kept/out.json").stat().st_mode & 0o777)

    def test_pipes_and_devices_are_no_report_files(self):
        self.file("cycle.dot", CYCLE_DOT)
        os.mkfifo(self.folder / "pipe")
        for path in ("pipe", "/dev/full"):
            with self.subTest(path):
                done = self.expect(INTERNAL, "check", "--report", f"json={path}", "cycle.dot")
                self.assertIn("it is no regular file", done.stderr)
                done = self.expect(BAD_INPUT, "check", "--baseline", path, "cycle.dot")
                self.assertIn("it is no regular file", done.stderr)

    def test_a_reader_that_goes_away_does_not_cost_the_reports(self):
        self.file("cycle.dot", CYCLE_DOT)
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([BINARY, "check", "--report", "json=a.json", "cycle.dot"], cwd=self.folder, stdout=write,
                              stderr=subprocess.PIPE, timeout=SECONDS)
        os.close(write)
        self.assertEqual(INTERNAL, done.returncode)
        self.assertIn(b"standard output cannot be written", done.stderr)
        json.loads((self.folder / "a.json").read_text())
        self.assertEqual(["a.json", "cycle.dot"], sorted(os.listdir(self.folder)))

    def test_baseline_and_reports_in_the_folder_are_no_inputs(self):
        self.file("designs/cycle.dot", CYCLE_DOT)
        for _ in range(2):
            done = self.expect(FINDINGS, "check", "--report", "text=designs/report.txt", "designs")
            self.assertIn("SUMMARY: 1 input,", done.stdout)
        for _ in range(2):
            self.expect(CLEAN, "check", "--baseline", "designs/known.txt", "--update-baseline", "--report",
                        "text=designs/report.txt", "designs")

    def test_what_cannot_be_read_in_a_folder_is_an_error(self):
        self.file("designs/good.yaml", ONE_ORDER)
        (self.folder / "designs/gone.yaml").symlink_to("nowhere.yaml")
        done = self.expect(BAD_INPUT, "check", "designs")
        self.assertIn("designs/gone.yaml: error: a link to nothing", done.stderr)
        self.assertIn("good.yaml: holds", done.stdout)

    def test_an_unreadable_folder_is_an_error_with_its_name(self):
        if os.geteuid() == 0:
            self.skipTest("root reads every folder")
        self.file("designs/good.yaml", ONE_ORDER)
        (self.folder / "designs/closed").mkdir(mode=0)
        self.assertIn("designs/closed: error: cannot be read", self.expect(BAD_INPUT, "check", "designs").stderr)

    def test_an_input_counts_once(self):
        self.file("designs/good.yaml", ONE_ORDER)
        done = self.expect(CLEAN, "check", "designs", "designs", "designs/good.yaml")
        self.assertIn("SUMMARY: 1 input,", done.stdout)

    def test_names_of_files_do_not_steer_the_terminal(self):
        for name in ("\x1b[31mred.yaml", "\u202ereversed.yaml", "\x9bcsi.yaml"):
            with self.subTest(name):
                self.file(name, TWO_LOCKS)
                for form in ("text", "terse"):
                    shown = self.report(form, name, status=FINDINGS)
                    self.assertNotRegex(shown, "[\x1b\x9b\u202e]")
                self.assertNotRegex(self.expect(BAD_INPUT, "check", name + "x").stderr, "[\x1b\x9b\u202e]")


if __name__ == "__main__":
    unittest.main()
