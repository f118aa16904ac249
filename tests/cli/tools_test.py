#!/usr/bin/env python3
"""What is made for shells, editors and CI systems, used by them: completions, the manual page, schemas, templates.

FENCECHECK_BINARY=build/dev/checker/fencecheck python3 tests/cli/tools_test.py [CLASS[.METHOD]]
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

import grammar
from cli_test import BINARY, CLEAN, FINDINGS, SECONDS, SOURCE, Case
from reports_test import ONE_ORDER, TWO_LOCKS


class Shells(Case):
    def test_bash_completes(self):
        script = """
            source {file}; COMP_WORDS=({words} ''); COMP_CWORD={number}
            [[ -n {last} ]] && COMP_WORDS[{number}]={last}; _fencecheck; printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        for words, last, offered in ((["fencecheck"], "", {"check", "draw", "explain", "schema"}),
                                     (["fencecheck", "check"], "--re", {"--report"}),
                                     (["fencecheck", "check", "--report"], "sa", {"sarif"}),
                                     (["fencecheck", "check", "--report", "="], "sa", {"sarif"}),
                                     (["fencecheck", "check", "--report"], "=", {"sarif", "junit"}),
                                     (["fencecheck", "check", "--unknown"], "", {"fail", "ok"}),
                                     (["fencecheck", "explain"], "un", {"unknown"}),
                                     (["fencecheck", "explain"], "FDG020", {"FDG020"}),
                                     (["fencecheck", "check", "--timeout"], "", {""})):
            with self.subTest((words, last)):
                done = subprocess.run(
                    ["bash", "-c", script.format(file=SOURCE / "docs/completions/fencecheck.bash",
                                                 words=" ".join(words), number=len(words), last=f"'{last}'")],
                    capture_output=True, timeout=SECONDS, cwd=self.folder)
                self.assertEqual(b"", done.stderr)
                self.assertLessEqual(offered, set(done.stdout.decode().split("\n")))

    def test_other_shells_take_the_files(self):
        for shell, name in (("zsh", "fencecheck.zsh"), ("fish", "fencecheck.fish"), ("bash", "fencecheck.bash")):
            with self.subTest(shell):
                if shutil.which(shell) is None:
                    self.skipTest(f"{shell} is not installed")
                done = subprocess.run([shell, "-n", SOURCE / "docs/completions" / name], capture_output=True,
                                      timeout=SECONDS)
                self.assertEqual((0, b""), (done.returncode, done.stderr))

    def test_the_manual_page_is_set_without_warnings(self):
        if shutil.which("groff") is None:
            self.skipTest("groff is not installed")
        done = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8", SOURCE / "docs/fencecheck.1"],
                              capture_output=True, timeout=SECONDS)
        self.assertEqual((0, b""), (done.returncode, done.stderr))

    def test_every_option_is_in_the_help(self):
        page = (SOURCE / "docs/fencecheck.1").read_text().replace("\\-", "-")
        said = self.expect(CLEAN, "check", "--help").stdout
        for option in re.findall(r"(?m)^\s+(?:-\w,)?(--[a-z-]+)", said):
            if option != "--help":
                self.assertIn(f"\\fB{option}\\fR", page)

    def test_examples_of_the_scenario_schema_are_valid(self):
        try:
            import jsonschema
        except ImportError:
            self.skipTest("python3-jsonschema is not installed")
        schema = json.loads(self.expect(CLEAN, "schema").stdout)
        contexts = [schema] + [each for each in schema["$defs"].values() if "properties" in each]
        count = 0
        for context in contexts:
            for key, value in context["properties"].items():
                self.assertTrue(value["description"])
                for example in value["examples"]:
                    count += 1
                    whole = dict(value, **{"$defs": schema["$defs"]})
                    errors = list(jsonschema.Draft7Validator(whole).iter_errors(example))
                    self.assertEqual([], [f"{key}: {each.message}" for each in errors][:3])
        self.assertGreater(count, 50)


class Pipelines(Case):
    """The templates under docs/ci, as far as they run without the service."""

    def setUp(self):
        super().setUp()
        self.file("designs/good.yaml", ONE_ORDER)
        path = self.folder / "bin"
        path.mkdir()
        (path / "fencecheck").symlink_to(pathlib.Path(BINARY).resolve())
        self.environment = dict(os.environ, PATH=f"{path}:{os.environ['PATH']}")

    def load(self, name):
        try:
            import yaml
        except ImportError:
            self.skipTest("python3-yaml is not installed")
        return yaml.safe_load((SOURCE / "docs/ci" / name).read_text())

    def run_script(self, script, status, **variables):
        done = subprocess.run(["bash", "-e", "-c", script], cwd=self.folder, capture_output=True, timeout=SECONDS,
                              env=self.environment | variables)
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done

    def test_gitlab(self):
        job = self.load("gitlab-ci.yml")["fencecheck"]
        script = "\n".join(job["script"])
        reports = job["artifacts"]["reports"]
        self.assertEqual("always", job["artifacts"]["when"])
        self.run_script(script, CLEAN)
        self.run_script(script, CLEAN)  # what the first run left behind is no input
        for name in (reports["junit"], reports["codequality"]):
            (self.folder / name).unlink()
        self.file("designs/bad.yaml", TWO_LOCKS)
        self.run_script(script, FINDINGS)
        self.assertEqual(1, len(json.loads((self.folder / reports["codequality"]).read_text())))
        ElementTree.parse(self.folder / reports["junit"])

    def test_github(self):
        steps = self.load("github-actions.yml")["jobs"]["fencecheck"]["steps"]
        check = next(step for step in steps if step.get("id") == "check")
        upload = next(step for step in steps if "upload-sarif" in step.get("uses", ""))
        self.assertEqual("always()", upload["if"])
        self.file("designs/bad.yaml", TWO_LOCKS)
        done = self.run_script(check["run"], FINDINGS)
        self.assertEqual(1, len(grammar.github(done.stdout.decode())))
        self.assertEqual(1, len(json.loads((self.folder / upload["with"]["sarif_file"]).read_text())
                                ["runs"][0]["results"]))

    def test_makefile(self):
        if shutil.which("make") is None:
            self.skipTest("make is not installed")
        shutil.copy(SOURCE / "docs/ci/fencecheck.mk", self.folder)
        self.file("Makefile", "include fencecheck.mk\n")
        self.run_script("make fencecheck", CLEAN)
        self.file("designs/bad.yaml", TWO_LOCKS)
        self.run_script("make fencecheck", 2)  # what make itself returns
        self.run_script("make fencecheck-baseline", CLEAN)
        self.run_script("make fencecheck", CLEAN)


class Editors(Case):
    def test_the_sample_settings_are_json_and_point_to_the_schema(self):
        settings = json.loads((SOURCE / "docs/editors/vscode-settings.json").read_text())
        self.assertIn("fencecheck.schema.json", next(iter(settings["yaml.schemas"])))


if __name__ == "__main__":
    unittest.main()
