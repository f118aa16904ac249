#!/usr/bin/env python3
"""Drives the built program as a script would: exit status, channels, hostile input.

FENCECHECK_BINARY=build/dev/checker/fencecheck python3 tests/cli/cli_test.py [CLASS[.METHOD]]

FENCECHECK_SANITIZE (not empty) drops the memory limit, which sanitizers do not survive;
FENCECHECK_BIG=1 makes the very long line 1 GB instead of 64 MB.
"""

import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import unittest

BINARY = os.environ["FENCECHECK_BINARY"]
SANITIZED = bool(os.environ.get("FENCECHECK_SANITIZE"))
BIG = os.environ.get("FENCECHECK_BIG") == "1"
SOURCE = pathlib.Path(__file__).resolve().parents[2]

# The exit statuses: part of the public interface.
CLEAN, FINDINGS, UNKNOWN, USAGE, BAD_INPUT, INTERNAL = 0, 1, 2, 64, 65, 70

SECONDS = 120 if SANITIZED else 20
MEMORY = 2 << 30  # address space; Z3 and Graphviz are mapped into it as well

# A job that waits for a fence that the same job signals.
CYCLE_DOT = "digraph design {\n  job -> fence;\n  fence -> job;\n}\n"


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    def run_it(self, *arguments, memory=MEMORY, seconds=SECONDS, cwd=None):
        def limit():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if not SANITIZED:
                resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

        done = subprocess.run(
            [BINARY, *arguments], cwd=cwd or self.folder, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=seconds, preexec_fn=limit)
        done.stdout = done.stdout.decode(errors="replace")
        done.stderr = done.stderr.decode(errors="replace")
        return done

    def expect(self, status, *arguments, **options):
        done = self.run_it(*arguments, **options)
        self.assertEqual(
            status, done.returncode,
            f"\n$ fencecheck {' '.join(arguments)}\n{done.stdout[:2000]}\n{done.stderr[:2000]}")
        return done

    def refuse(self, name, place=True, command=("check",), **options):
        """Input `name` is refused: status 65, at least one error with its name, and its place if it has one."""
        done = self.expect(BAD_INPUT, *command, name, **options)
        where = r":\d+:\d+" if place else r"(:\d+(:\d+)?)?"
        self.assertRegex(done.stderr, re.compile(rf"^{re.escape(name)}{where}: error: \S", re.MULTILINE))
        self.assertLess(len(done.stderr), 100_000, "the errors bury the reader")
        self.assertNotRegex(done.stdout, r"\b(error|warning|note):", "messages belong to standard error")
        self.assertNotRegex(done.stdout + done.stderr, r"terminate called|Assertion|runtime error:|Sanitizer")
        return done


LOOP = """fencecheck: 1
fences: {a: kernel}
threads:
  t:
    kind: worker
    steps: [{loop: {name: again, steps: [{choose: [[{retry: again}], [{signal: a}]]}]}}]
"""


class Commands(Case):
    def family(self, *arguments):
        """A scenario of tests/bench, and its name as a file."""
        text = subprocess.run([sys.executable, SOURCE / "tests/bench/families.py", *arguments],
                              check=True, stdout=subprocess.PIPE).stdout
        return self.file("-".join(arguments) + (".dot" if arguments[0] == "queues" else ".yaml"), text)

    def test_families(self):
        for family in (["mesh", "3", "2"], ["mesh", "3", "2", "--buggy"], ["mesh", "4", "3"],
                       ["mesh", "4", "3", "--buggy"], ["philosophers", "40"], ["philosophers", "40", "--left-handed"]):
            self.expect(CLEAN, "check", self.family(*family))  # what it expects
        self.expect(CLEAN, "check", self.family("queues", "4", "20", "3"))
        self.expect(FINDINGS, "check", self.family("queues", "4", "20", "3", "--cycle"))

    def test_answers_in_the_page_about_modelling(self):
        page = (SOURCE / "docs/modelling.md").read_text().splitlines()
        fences = [i for i, line in enumerate(page) if line.startswith("```")]
        checked = 0
        for begin, end in zip(fences[::2], fences[1::2]):
            excerpt = page[begin + 1:end]
            cases = [line.split(":")[0] for line in excerpt if re.match(r"[-+\w]+\.yaml:", line)]
            if not cases:
                continue
            printed = self.run_it("check", *dict.fromkeys(cases), cwd=SOURCE / "cases/modelling").stdout.splitlines()
            at = 0
            for line in excerpt:
                if line.strip() == "…":
                    continue
                self.assertIn(line, printed[at:], f"{cases[0]} does not say so any more")
                at = printed.index(line, at) + 1
            checked += 1
        self.assertGreater(checked, 5)

    def test_engines(self):
        mesh = self.family("mesh", "2", "2", "--buggy")
        for engine, decided in (("auto", "smt"), ("smt", "smt"), ("explore", "explore")):
            for reductions in ([], ["--no-reduction"]):
                done = self.expect(CLEAN, "check", "--engine", engine, *reductions, mesh)
                self.assertIn(f"the engine that decided is right: {decided}\n", done.stdout)
        loop = self.file("loop.yaml", LOOP)
        self.assertIn("is right: explore\n", self.run_it("check", loop).stdout)
        done = self.expect(UNKNOWN, "check", "--engine", "smt", loop)
        self.assertIn("'t' contains a loop, for which there is no formula", " ".join(done.stdout.split()))
        self.assertIn("did you mean 'explore'?", self.expect(USAGE, "check", "--engine", "explor", loop).stderr)

    def test_encode(self):
        mesh = self.family("mesh", "2", "2")
        self.assertIn("active proctype monitor()", self.expect(CLEAN, "encode", mesh).stdout)
        for language, begins in (("promela", "/* Made by"), ("smt-lib", "; Made by"), ("smt-lib-plain", "; Made by"),
                                 ("smt-lib-cuts", "; Made by"), ("pnml", "<?xml")):
            self.expect(CLEAN, "encode", mesh, "--to", language, "-o", "out")
            text = (self.folder / "out").read_text()
            self.assertTrue(text.startswith(begins), text[:100])
            self.assertEqual(text, self.expect(CLEAN, "encode", mesh, "--to", language).stdout)
        loop = self.file("loop.yaml", LOOP)
        done = self.expect(BAD_INPUT, "encode", loop, "-o", "never")
        self.assertIn("loop.yaml: error: cannot be said in promela: 't' contains a loop", done.stderr)
        self.assertFalse((self.folder / "never").exists())
        self.refuse(self.file("graph.dot", CYCLE_DOT), place=False, command=("encode",))
        self.refuse("missing.yaml", place=False, command=("encode",))

    def test_version(self):
        done = self.expect(CLEAN, "--version")
        self.assertRegex(done.stdout, r"^fencecheck \d+\.\d+\.\d+\n$")
        self.assertEqual("", done.stderr)

    def test_help_shows_worked_examples_and_every_exit_status(self):
        done = self.expect(CLEAN, "--help")
        self.assertIn("fencecheck check ", done.stdout)
        self.assertIn("fencecheck draw ", done.stdout)
        for status in (CLEAN, FINDINGS, UNKNOWN, USAGE, BAD_INPUT, INTERNAL):
            self.assertRegex(done.stdout, rf"(?m)^\s*{status}\s+\S")
        self.assertEqual("", done.stderr)

    def test_help_of_each_command(self):
        for command in ("check", "draw", "schema"):
            with self.subTest(command):
                self.assertIn(command, self.expect(CLEAN, command, "--help").stdout)

    def test_usage_errors(self):
        for arguments in ([], ["no-such-command"], ["check"], ["check", "--no-such-option", "x"], ["draw"],
                          ["check", "--report", "no-such-format", "x"], [""]):
            with self.subTest(arguments):
                done = self.expect(USAGE, *arguments)
                self.assertEqual("", done.stdout)
                self.assertNotEqual("", done.stderr)

    def test_a_word_that_is_no_command_is_named(self):
        self.assertIn("'chekc' is no command", self.expect(USAGE, "chekc", "x").stderr)
        self.assertIn("did you mean 'check'?", self.expect(USAGE, "chekc", "x").stderr)

    def test_every_rule_that_a_report_names_is_explained(self):
        for topic in ("deadlock", "FDG020", "unknown", "input", "expectation", "cut", "baseline"):
            with self.subTest(topic):
                self.assertRegex(self.expect(CLEAN, "explain", topic).stdout, rf"^{topic}: .+\nfix: .+\nsee: .+\n$")

    def test_findings_of_a_graph_with_a_cycle(self):
        self.expect(FINDINGS, "check", self.file("cycle.dot", CYCLE_DOT))

    def test_nothing_found_in_a_graph_without_a_cycle(self):
        self.expect(CLEAN, "check", self.file("line.dot", "digraph design {\n  job -> fence;\n}\n"))

    def test_cases_have_the_verdict_they_expect(self):
        cases = "cases/indefinite" if SANITIZED else "cases"
        self.expect(CLEAN, "check", cases, cwd=SOURCE, seconds=10 * SECONDS)

    def test_same_input_same_bytes(self):
        for arguments in (["check", "cycle.dot"], ["draw", "cycle.dot", "-o", "-"], ["schema"]):
            with self.subTest(arguments):
                self.file("cycle.dot", CYCLE_DOT)
                first, second = self.run_it(*arguments), self.run_it(*arguments)
                self.assertEqual(first.stdout, second.stdout)
                self.assertEqual(first.returncode, second.returncode)

    def test_draw_writes_the_file_it_is_asked_for(self):
        self.file("cycle.dot", CYCLE_DOT)
        for name, opens in (("out.dot", b"digraph"), ("out.svg", b"<?xml"), ("out.png", b"\x89PNG")):
            with self.subTest(name):
                self.expect(CLEAN, "draw", "cycle.dot", "-o", name)
                self.assertTrue((self.folder / name).read_bytes().startswith(opens))

    def test_output_that_cannot_be_written(self):
        self.file("cycle.dot", CYCLE_DOT)
        done = self.expect(INTERNAL, "draw", "cycle.dot", "-o", "no/such/folder/out.dot")
        self.assertIn("no/such/folder/out.dot", done.stderr)
        if os.path.exists("/dev/full"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([BINARY, "check", "cycle.dot"], cwd=self.folder, stdout=full,
                                      stderr=subprocess.PIPE, timeout=SECONDS)
            self.assertEqual(INTERNAL, done.returncode, "a report that was lost is not a report")

    def test_a_reader_that_goes_away_is_no_crash(self):
        self.file("cycle.dot", CYCLE_DOT)
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([BINARY, "check", "cycle.dot"], cwd=self.folder, stdout=writing,
                              stderr=subprocess.PIPE, timeout=SECONDS)
        os.close(writing)
        self.assertIn(done.returncode, (FINDINGS, INTERNAL, -13))  # 13: SIGPIPE


WAIT = "  a-1 [000] .....  1.000000: dma_fence_init: driver=vgem timeline=unbound context=4 seqno=1\n"
SIGNAL = WAIT.replace("init", "signaled").replace("1.000000", "1.100000")


class Packed(Case):
    """Compressed inputs and standard input are inputs like any other."""

    def test_compressed(self):
        import gzip, lzma
        self.file("a.trace.gz", gzip.compress((WAIT + SIGNAL).encode()))
        self.file("a.trace.xz", lzma.compress((WAIT + SIGNAL).encode()))
        self.file("cycle.dot.gz", gzip.compress(CYCLE_DOT.encode()))
        self.expect(CLEAN, "check", "a.trace.gz")
        self.expect(CLEAN, "check", "a.trace.xz")
        self.expect(FINDINGS, "check", "cycle.dot.gz")

    def test_damaged(self):
        import gzip, lzma
        text = WAIT.encode() * 5000
        for name, packed in (("cut.gz", gzip.compress(text)), ("cut.xz", lzma.compress(text))):
            with self.subTest(name):
                self.refuse(self.file(name, packed[:len(packed) // 2]), place=False)

    def test_standard_input(self):
        for text, status in ((CYCLE_DOT, FINDINGS), (WAIT, UNKNOWN), (WAIT + SIGNAL, CLEAN), ("", BAD_INPUT)):
            done = subprocess.run([BINARY, "check", "-"], input=text.encode(), capture_output=True, timeout=SECONDS)
            self.assertEqual(status, done.returncode, done.stdout + done.stderr)

    def test_damaged_trace_dat(self):
        magic = b"\x17\x08\x44tracing6\0\0\x08\x00\x10\0\0"
        self.refuse(self.file("cut.dat", magic), place=False)
        self.refuse(self.file("junk.dat", magic + bytes(range(256)) * 40), place=False)

    def test_late(self):
        later = WAIT.replace("init", "wait_start").replace("vgem", "x") + WAIT.replace("1.000000", "4.000000")
        self.file("late.trace", later)
        self.assertIn("had been waiting 3.0 s", self.expect(UNKNOWN, "check", "late.trace").stdout)
        done = self.expect(FINDINGS, "check", "--late", "2", "late.trace")
        self.assertIn("FDG001", done.stdout + done.stderr)


class BadInput(Case):
    def test_missing_file(self):
        self.refuse("missing.yaml", place=False)

    def test_file_that_may_not_be_read(self):
        if os.geteuid() == 0:
            self.skipTest("root may read everything")
        name = self.file("closed.yaml", "fencecheck: 1\n")
        (self.folder / name).chmod(0)
        self.refuse(name, place=False)

    def test_empty_file(self):
        for name in ("empty.yaml", "empty.ftrace", "empty.dot", "empty"):
            with self.subTest(name):
                self.refuse(self.file(name, ""), place=False)

    def test_folder_without_cases(self):
        (self.folder / "folder").mkdir()
        self.refuse("folder", place=False)
        self.file("folder/readme.txt", "nothing to check here\n")
        self.expect(BAD_INPUT, "check", "folder")

    def test_binary_junk(self):
        junk = bytes((17 * i * i + 31 * (i >> 3)) & 0xFF for i in range(100_000))
        for name in ("junk.yaml", "junk.ftrace", "junk.dot", "junk"):
            with self.subTest(name):
                self.refuse(self.file(name, junk), place=False)

    def test_only_zeros(self):
        self.refuse(self.file("zeros.yaml", bytes(4096)), place=False)

    def test_other_files_are_still_checked(self):
        self.file("cycle.dot", CYCLE_DOT)
        done = self.expect(BAD_INPUT, "check", "missing.yaml", "cycle.dot")
        self.assertIn("cycle.dot", done.stdout)

    def test_truncated_trace(self):
        # Cut in the middle of a line, after a header: not one event in it is whole.
        text = "# tracer: nop\n#\n           <...>-12   [000] d..1.   1.2345"
        self.refuse(self.file("cut.ftrace", text), place=False)

    def test_no_partial_output(self):
        self.file("broken.yaml", "fencecheck: 1\nthreads: [\n")
        for output in ("out.dot", "out.svg", "out.png"):
            with self.subTest(output):
                self.refuse("broken.yaml", command=("draw", "-o", output))
                self.assertFalse((self.folder / output).exists())

    def test_an_older_output_survives(self):
        self.file("broken.yaml", "fencecheck: 1\nthreads: [\n")
        self.file("out.dot", CYCLE_DOT)
        self.refuse("broken.yaml", command=("draw", "-o", "out.dot"))
        self.assertEqual(CYCLE_DOT, (self.folder / "out.dot").read_text())

    def test_unknown_version(self):
        for version in ("2", "99", "0", "-1", "one", "[1]", "{}", "", "1.5"):
            with self.subTest(version):
                self.refuse(self.file("version.yaml", f"fencecheck: {version}\n"))

    def test_unknown_key(self):
        self.refuse(self.file("key.yaml", "fencecheck: 1\nthreds: []\n"))

    def test_release_without_acquire(self):
        self.refuse(self.file("release.yaml", """\
fencecheck: 1
locks: {resv: {}}
threads:
  job:
    - release: resv
"""))

    def test_signal_of_an_undeclared_fence(self):
        self.refuse(self.file("signal.yaml", """\
fencecheck: 1
threads:
  job:
    - signal: nobody
"""))

    def test_not_a_scenario(self):
        for text in ("- 1\n- 2\n", "just text\n", "42\n", "a: b: c\n", "\t- x\n", "\ufefffencecheck: 7\n",
                     "fencecheck: 1\n---\nfencecheck: 1\n", "fencecheck: 1\nfencecheck: 1\n",
                     "fencecheck: 1\n? [a, b]\n: c\n"):
            with self.subTest(text):
                self.refuse(self.file("scenario.yaml", text), place=False)

    def test_broken_dot(self):
        for text in ("digraph {", "digraph { a -> }", "digraph { a -- b }", "graph g { a -> b }",
                     'digraph { "a -> b }'):
            with self.subTest(text):
                self.refuse(self.file("broken.dot", text), place=False)


class HugeInput(Case):
    """Nothing that a person did not write by hand may cost more than seconds and modest memory."""

    def test_a_very_long_line(self):
        size = 1 << 30 if BIG else 64 << 20
        for name in ("line.yaml", "line.ftrace"):
            with self.subTest(name):
                with open(self.folder / name, "wb") as out:
                    for _ in range(size >> 20):
                        out.write(b"a" * (1 << 20))
                self.refuse(name, place=False, memory=4 * size + MEMORY)
                (self.folder / name).unlink()

    def test_billion_laughs(self):
        levels = ['a: &a ["lol", "lol", "lol", "lol", "lol", "lol", "lol", "lol", "lol"]']
        for before, this in zip("abcdefghijklmno", "bcdefghijklmnop"):
            levels.append(f"{this}: &{this} [{', '.join(['*' + before] * 9)}]")
        self.refuse(self.file("laughs.yaml", "fencecheck: 1\n" + "\n".join(levels) + "\nthreads: *p\n"))

    def test_an_alias_of_itself(self):
        self.refuse(self.file("self.yaml", "fencecheck: 1\nthreads: &t [*t]\n"), place=False)

    def test_deep_nesting(self):
        for opening in ("[", "{a: ", "- ", "? "):
            with self.subTest(opening):
                self.refuse(self.file("deep.yaml", "fencecheck: 1\nthreads: " + opening * 200_000 + "\n"), place=False)

    def test_many_mistakes_are_not_all_printed(self):
        self.refuse(self.file("many.yaml", "fencecheck: 1\n" + "".join(f"no-{i}: x\n" for i in range(20_000))))

    def test_many_lines_that_are_no_trace(self):
        self.refuse(self.file("lines.ftrace", "# tracer: nop\n" + "this is not an event\n" * 500_000), place=False)

    def test_deep_dot(self):
        for opening in ("{", "subgraph s {"):
            with self.subTest(opening):
                self.refuse(self.file("deep.dot", "digraph {" + opening * 50_000), place=False)


class Designs(Case):
    SOUND = str(SOURCE / "cases/designs/lock-order+older.yaml")
    BROKEN = str(SOURCE / "cases/designs/lock-order.yaml")

    def test_a_certificate_is_written_and_verified(self):
        done = self.expect(CLEAN, "check", self.SOUND, "--certificate", "c.json")
        self.assertIn("holds, as expected", done.stdout)
        self.assertIn("accepted", self.expect(CLEAN, "verify", self.SOUND, "c.json").stdout)
        text = (self.folder / "c.json").read_text()
        self.assertEqual("deadlock-freedom", json.loads(text)["property"])

    def test_a_certificate_of_another_design_is_refused(self):
        self.expect(CLEAN, "check", self.SOUND, "--certificate", "c.json")
        done = self.expect(FINDINGS, "verify", self.BROKEN, "c.json")
        self.assertIn("refused: it is about another text", done.stdout)

    def test_without_a_proof_no_certificate_is_written(self):
        done = self.expect(CLEAN, "check", self.BROKEN, "--certificate", "c.json")
        self.assertIn("not written", done.stderr)
        self.assertFalse((self.folder / "c.json").exists())
        self.file("scenario.yaml", LOOP)
        self.assertIn("no design", self.run_it("check", "scenario.yaml", "--certificate", "c.json").stderr)
        self.assertFalse((self.folder / "c.json").exists())

    def test_what_is_no_certificate_or_no_design(self):
        self.expect(CLEAN, "check", self.SOUND, "--certificate", "c.json")
        text = (self.folder / "c.json").read_text()
        self.file("cut.json", text[:-20])
        self.file("changed.json", text.replace('"rank": 0', '"rank": 1', 1))
        self.file("empty.json", "")
        self.file("binary.json", bytes(range(256)))
        for name in ("cut.json", "changed.json", "empty.json", "binary.json", "missing.json", "."):
            self.assertIn("error:", self.expect(BAD_INPUT, "verify", self.SOUND, name).stderr, name)
        self.file("scenario.yaml", LOOP)
        self.expect(BAD_INPUT, "verify", "scenario.yaml", "c.json")
        self.expect(USAGE, "verify", self.SOUND)
        self.expect(USAGE, "check", self.SOUND, self.BROKEN, "--certificate", "c.json")
        self.expect(USAGE, "check", self.SOUND, "--certificate", self.SOUND)


class Schema(Case):
    def schema(self):
        return json.loads(self.expect(CLEAN, "schema").stdout)

    def test_it_is_a_valid_json_schema(self):
        jsonschema = self.module("jsonschema")
        schema = self.schema()
        jsonschema.validators.validator_for(schema).check_schema(schema)

    def test_every_case_is_valid_by_it(self):
        jsonschema, yaml = self.module("jsonschema"), self.module("yaml")
        validator = jsonschema.validators.validator_for(self.schema())(self.schema())
        for path in sorted((SOURCE / "cases").rglob("*.yaml")):
            with self.subTest(path.name):
                case = yaml.load(path.read_text(), Loader=yaml.SafeLoader)
                errors = [f"{'/'.join(map(str, e.path))}: {e.message}" for e in validator.iter_errors(case)]
                self.assertEqual([], errors[:5])

    def module(self, name):
        try:
            return __import__(name)
        except ImportError:
            self.skipTest(f"python3-{name} is not installed")


if __name__ == "__main__":
    unittest.main()
