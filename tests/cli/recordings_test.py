#!/usr/bin/env python3
"""Kernel logs and lists, several recordings together, conformance and recording, from outside.

FENCECHECK_BINARY=build/dev/checker/fencecheck python3 tests/cli/recordings_test.py [CLASS[.METHOD]]

FENCECHECK_TRACES: a folder with recordings of real kernels; what needs them is skipped without it.
"""

import os
import pathlib
import re
import subprocess
import unittest

import binary_traces
from cli_test import BAD_INPUT, CLEAN, FINDINGS, INTERNAL, SOURCE, UNKNOWN, USAGE, Case

TRACES = pathlib.Path(os.environ.get("FENCECHECK_TRACES") or "no-such-folder")
CONFORM = SOURCE / "cases" / "conform"


def printed_cycle(text):
    """The locks of the links that a report prints, #0 first: what fencecheck has to name, in this order.

    Reads the report in its own way: links by their numbers, whatever a mailer did to the rest.
    """
    links = {}
    for match in re.finditer(r"-> #(\d+) \((.*?)\)\{", text):
        links.setdefault(int(match.group(1)), match.group(2))
    return [links[number] for number in sorted(links)]


class Snapshots(Case):
    def story(self, path, status=FINDINGS):
        return self.expect(status, "check", str(path)).stdout

    def recorded(self, folder, ending=".txt"):
        if not (TRACES / folder).is_dir():
            self.skipTest(f"there is no folder of recordings with {folder}")
        files = sorted((TRACES / folder).glob(f"*{ending}"))
        self.assertTrue(files)
        return files

    def test_every_recorded_splat_yields_the_cycle_that_it_prints(self):
        for path in self.recorded("lockdep"):
            with self.subTest(path.name):
                printed = printed_cycle(path.read_text(errors="replace"))
                story = self.story(path)
                if printed:
                    self.assertIn("dependency cycle: " + " -> ".join(printed + printed[:1]) + " [deadlock]", story)
                else:  # a recursion: one lock, which waits for itself
                    self.assertRegex(story, r"dependency cycle: (\S+) -> \1 \[deadlock\]")

    def test_rules_that_recorded_splats_break(self):
        """The fourth column of the provenance: D, a signalling section; W, reservation objects."""
        expected = {
            "freedreno_c8655ff7f6_35183b": ["'dev_pm_qos_mtx' is taken by a path that has to signal", "FDG005"],
            "freedreno_6474b9f0b5_a13169": ["'prepare_lock' is taken by a path that has to signal", "FDG005"],
            "linaro-mm-sig_d698b5be28_f985d8": ["'console_lock' is taken by the recovery from a timeout", "FDG067"],
            "linaro-mm-sig_a2567232c8_19490b": ["'reservation_ww_class_mutex' is taken in drm_gem_shmem_free by memory",
                                                "FDG044", "that may sleep is taken", "LCK001",
                                                "a job on job slot 1 timed out"],
            "linaro-mm-sig_070459a409_b3acd4": ["FDG043", "different locks of one class"],
            "linaro-mm-sig_c152065295_be4904": ["FDG043", "different locks of one class"],
            "amdgfx_userq_recursive_20260319": ["kworker/15:1/158 was about to take '&userq_mgr->userq_mutex'",
                                                "'dma_fence_map'"],
        }
        self.recorded("lockdep")
        for name, sentences in expected.items():
            with self.subTest(name):
                story = self.story(TRACES / "lockdep" / f"{name}.txt")
                for sentence in sentences:
                    self.assertIn(sentence, story)

    def test_recorded_hung_tasks(self):
        expected = {
            "amdgfx_515_job_timedout_mailwrapped": [
                "task kworker/6:0:9999 waits for what only it can bring about", "recovers the GPU after a timeout",
                "cinnamon:18527 has been waiting for a mutex for more than 120 s",
                "a job on ring sdma0 timed out"],
            "freedreno_b56b366af9_aab2f6": [
                "2 tasks wait for each other: ring0:155 -> gpu-worker:154 -> ring0:155", "runs the jobs of a scheduler",
                "FDG005", "FDG008", "reclaims memory"],
            "lima_417_gem_close": ["kodi-gbm:464 has been waiting for a fence for more than 120 s"],
            "nouveau_0a3e801c3a_b7d089": [
                "kworker/u128:3:233 has been waiting for a fence for more than 368 s, in " \
                "drm_atomic_helper_wait_for_fences()"],
        }
        names = [path.stem for path in self.recorded("hungtask")]
        self.assertEqual(sorted(expected), names)
        for name, sentences in expected.items():
            with self.subTest(name):
                story = self.story(TRACES / "hungtask" / f"{name}.txt")
                for sentence in sentences:
                    self.assertIn(sentence, story)

    def test_recorded_logs_of_the_lab(self):
        expected = {
            "lab-6.1/s3-mutex-deadlock.dmesg.txt": (FINDINGS, [
                "gfx_0.0.0:115 has been waiting for a mutex for more than 24 s, in lab_run()", "task gem_close:185",
                "if gem_close:185 holds it, this is a deadlock", "a job on ring gfx_0.0.0 timed out"]),
            "lab-6.1/s2-userfence-deadlock.dmesg.txt": (FINDINGS, ["game.exe:cs0:178", "userq-signaler:179"]),
            "lab-6.1/s7-timeout.dmesg.txt": (FINDINGS, [
                "a job on ring gfx_0.0.0 timed out",
                "last sign of life, as the driver tells it: signaled seq=88, emitted seq=89"]),
            "lab-7.3/kunit-dmabuf.dmesg.txt": (FINDINGS, ["dmabuf/wait:369 has been waiting"]),
        }
        for name, (status, sentences) in expected.items():
            if not (TRACES / name).exists():
                self.skipTest(f"there is no {name}")
            with self.subTest(name):
                story = self.story(TRACES / name, status)
                for sentence in sentences:
                    self.assertIn(sentence, story)

    def test_recorded_lists(self):
        expected = {
            "amdgpu_fence_info_navi10.txt": (CLEAN, "listed fences had signalled"),
            "amdgpu_gem_info_excerpt.txt": (CLEAN, "all of 3 listed fences had signalled"),
            "bufinfo_and_sync_info_7.3.txt": (CLEAN, "all of 3 listed fences had signalled"),
            "bufinfo_radeon_5.19_excerpt.txt": (UNKNOWN, "loss: 8 buffers that the total counts"),
        }
        self.assertEqual(sorted(expected), [path.name for path in self.recorded("debugfs")])
        for name, (status, sentence) in expected.items():
            with self.subTest(name):
                self.assertIn(sentence, self.story(TRACES / "debugfs" / name, status))
        story = self.story(TRACES / "vgem-qemu" / "vgem-cycle.bufinfo.txt", UNKNOWN)
        self.assertIn("3 of 3 fences had not signalled", story)

    def test_a_snapshot_is_drawn(self):
        log = SOURCE / "cases" / "snapshots" / "circular-reclaim.dmesg"
        drawn = self.expect(CLEAN, "draw", str(log)).stdout
        for name in ("fs_reclaim", "dma_fence_map", "&amp;gpu->active_lock"):
            self.assertIn(name, drawn)
        self.expect(CLEAN, "draw", str(log), "--view", "cycle", "-o", "out.svg")

    def test_what_is_lost_is_counted(self):
        partial = self.story(SOURCE / "cases" / "snapshots" / "circular-partial.dmesg", CLEAN)
        self.assertIn("loss: 1 reports of lockdep with parts missing", partial)
        oops = self.file("oops.dmesg", "[    1.000000] BUG: unable to handle page fault for address: 0\n")
        self.assertIn("loss: 1 oopses", self.story(oops, UNKNOWN))

    def test_a_wrong_expectation(self):
        self.refuse(self.file("wrong.dmesg", "# fencecheck expect: deadlok\n[    1.000000] x\n"))

    def test_a_scenario_that_quotes_a_report_is_a_scenario(self):
        quoting = (CONFORM / "pipeline.yaml").read_text().replace(
            "description: >", "description: >\n  WARNING: possible circular locking dependency detected", 1)
        self.assertIn("scenario", self.story(self.file("quoting.yaml", quoting), CLEAN))

    def test_cut_anywhere_it_is_no_crash(self):
        whole = (SOURCE / "cases" / "snapshots" / "circular-reclaim.dmesg").read_text().split("\n", 2)[2]
        for end in range(40, len(whole), 97):
            done = self.run_it("check", self.file("cut.dmesg", whole[:end]))
            self.assertIn(done.returncode, (FINDINGS, UNKNOWN), end)


SECOND = 10**9
# Two tasks wait for each other's fences until vgem's timer ends it.
CYCLE = [
    (100 * SECOND, 0, 1, "a", "init", 4, 1),
    (100 * SECOND + 1000, 1, 2, "b", "init", 5, 1),
    (101 * SECOND, 0, 1, "a", "wait_start", 5, 1),
    (101 * SECOND + 5000, 1, 2, "b", "wait_start", 4, 1),
    (110 * SECOND, 0, 0, "<idle>", "signaled", 4, 1),
    (110 * SECOND + 1000, 1, 0, "<idle>", "signaled", 5, 1),
    (110 * SECOND + 5000, 0, 1, "a", "wait_end", 5, 1),
    (110 * SECOND + 6000, 1, 2, "b", "wait_end", 4, 1),
]
SENTENCE = "2 tasks wait for each other: a-1 -> b-2 -> a-1"


class Formats(Case):
    """The same events in every format."""

    def test_every_format_tells_the_same(self):
        for name, content in {"t.trace": binary_traces.text(CYCLE), "t.dat": binary_traces.trace_dat(CYCLE),
                              "t.pftrace": binary_traces.perfetto(CYCLE)}.items():
            with self.subTest(name):
                self.assertIn(SENTENCE, self.expect(FINDINGS, "check", self.file(name, content)).stdout)

    def test_cut_anywhere_it_is_no_crash(self):
        for write in (binary_traces.trace_dat, binary_traces.perfetto):
            whole = write(CYCLE)
            for size in range(1, len(whole), max(1, len(whole) // 40)):
                with self.subTest(writer=write.__name__, size=size):
                    done = self.run_it("check", self.file("cut", whole[:size]))
                    self.assertIn(done.returncode, (CLEAN, FINDINGS, UNKNOWN, BAD_INPUT))
                    self.assertNotIn("internal error", done.stderr)

    def test_trace_dat_of_every_kind_of_machine(self):
        layout = binary_traces.Layout
        for name, content in {
                "version 7": binary_traces.trace_dat7(CYCLE),
                "zlib": binary_traces.trace_dat7(CYCLE, layout=layout(compression="zlib")),
                "zstd": binary_traces.trace_dat7(CYCLE, layout=layout(compression="zstd")),
                "big-endian": binary_traces.trace_dat(CYCLE, layout=layout(big=True)),
                "big-endian, version 7": binary_traces.trace_dat7(CYCLE, layout=layout(big=True, compression="zlib")),
                "32 bits": binary_traces.trace_dat(CYCLE, layout=layout(long_size=4)),
                "big-endian, 32 bits": binary_traces.trace_dat(CYCLE, layout=layout(big=True, long_size=4)),
        }.items():
            with self.subTest(name):
                self.assertIn(SENTENCE, self.expect(FINDINGS, "check", self.file("t.dat", content)).stdout)

    def test_trace_dat_through_a_named_pipe(self):
        whole = self.folder / self.file("t.dat", binary_traces.trace_dat(CYCLE))
        pipe = self.folder / "pipe"
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        writer = subprocess.Popen(["sh", "-c", 'cat "$1" > "$2"', "sh", whole, pipe])
        self.addCleanup(writer.wait)
        self.addCleanup(writer.kill)
        self.assertIn(SENTENCE, self.expect(FINDINGS, "check", str(pipe)).stdout)

    def test_what_a_ring_buffer_lost_is_counted(self):
        healthy = [(100 * SECOND, 0, 1, "a", "init", 4, 1), (100 * SECOND + 1, 0, 2, "b", "wait_start", 4, 1),
                   (100 * SECOND + 2, 0, 1, "a", "signaled", 4, 1), (100 * SECOND + 3, 0, 2, "b", "wait_end", 4, 1)]
        layout = binary_traces.Layout()
        self.expect(CLEAN, "check", self.file("t.dat", binary_traces.trace_dat(healthy)))
        discarded = layout.entry_word(29, 1) + layout.pack("II", 8, 0)
        self.expect(CLEAN, "check", self.file("t.dat", binary_traces.trace_dat(healthy, rest=discarded)))
        other = layout.entry(0, 1, "init", 9, 9, "vgem", number=7)
        for says, options in (("5 lost-events", {"lost": 5}), ("1 lost-events", {"lost": 0}),
                              ("1 damaged", {"rest": layout.entry_word(20, 0) + b"....."}),
                              ("1 damaged", {"rest": layout.entry_word(0, 0) + layout.pack("I", 3)}),
                              ("1 damaged", {"rest": layout.entry_word(30, 0)}),
                              ("1 damaged", {"rest": layout.entry_word(4, 0) + other[4:20].replace(b"\7", b"d")}),
                              ("12 overwritten", {"statistics": b"CPU: 0\nentries: 4\noverrun: 12\nbytes: 9\n\0"}),
                              ("1 other-event", {"rest": other})):
            with self.subTest(says, **options):
                done = self.run_it("check", self.file("t.dat", binary_traces.trace_dat(healthy, **options)))
                self.assertEqual(CLEAN if "other" in says else UNKNOWN, done.returncode, done.stdout + done.stderr)
                self.assertIn(says, done.stdout)

    def test_perfetto_is_sorted_within_a_window(self):
        early = [(100 * SECOND, 1, 2, "b", "init", 7, 1)]
        late = [(101 * SECOND, 0, 1, "a", "init", 4, 1)]
        few = binary_traces.perfetto(late, repeat=5)
        many = few + binary_traces.perfetto(late, repeat=5000) * 100
        done = self.expect(UNKNOWN, "check", self.file("t.pftrace", few + binary_traces.perfetto(early)))
        self.assertNotIn("loss:", done.stdout)
        done = self.expect(UNKNOWN, "check", self.file("t.pftrace", many + binary_traces.perfetto(early)))
        self.assertIn("loss: 1 unordered, first at line 5", done.stdout)

    def test_a_clock_that_only_counts(self):
        for content in (binary_traces.trace_dat(CYCLE, "counter"), binary_traces.trace_dat7(CYCLE, "x86-tsc")):
            story = self.run_it("check", self.file("t.dat", content)).stdout
            self.assertIn("the trace's clock only counts", story)

    def test_trace_dat_that_makes_no_sense(self):
        whole, seven = binary_traces.trace_dat(CYCLE), binary_traces.trace_dat7(CYCLE)
        for says, content in {
                "version '8'": whole.replace(b"tracing6", b"tracing8"),
                "'header_page' is missing": whole.replace(b"header_page", b"header_face"),
                "the layout of the ring buffer": whole.replace(b"offset:16; size:4080", b"offset:99; size:4080"),
                "no field common_pid": whole.replace(b"common_pid", b"common_pie"),
                "truncated: the events of CPU 1 end": whole[:-1],
                "the text of a latency tracer": whole.replace(b"flyrecord", b"latency  "),
                "compressed with 'lz9'": seven.replace(b"none\0", b"lz9\0" + b"\0"),
                "come again": binary_traces.trace_dat7(CYCLE, circle=True),
                "truncated": seven[:100],
        }.items():
            with self.subTest(says):
                done = self.expect(BAD_INPUT, "check", self.file("t.dat", content))
                self.assertIn(says, done.stderr)

    def test_progress_is_for_terminals(self):
        done = self.expect(FINDINGS, "check", self.file("t.trace", binary_traces.text(CYCLE)))
        self.assertEqual("", done.stderr)


class Merged(Case):
    """Parts of one trace in several files."""

    def parts(self, write=(binary_traces.text, binary_traces.text), by=lambda event: event[1] == 0):
        names = []
        for index, (each, wanted) in enumerate(zip(write, (True, False))):
            names.append(self.file(f"part{index}", each([event for event in CYCLE if by(event) == wanted])))
        return names

    def test_one_file_for_each_cpu(self):
        for write in ((binary_traces.text,) * 2, (binary_traces.trace_dat,) * 2, (binary_traces.perfetto,) * 2,
                      (binary_traces.text, binary_traces.trace_dat)):
            with self.subTest(str(write)):
                parts = self.parts(write)
                story = self.expect(FINDINGS, "check", "--merge", *parts).stdout
                self.assertIn(SENTENCE, story)
                self.assertRegex(story, r"\npart1:\d+: .*dma_fence_wait_start")
                assumed = "which not all of them name" in " ".join(story.split())
                self.assertEqual(write[0] != binary_traces.perfetto, assumed)
                drawn = self.expect(CLEAN, "draw", "--merge", *parts).stdout
                self.assertIn("a-1", drawn)
                self.assertIn("b-2", drawn)

    def test_an_event_in_two_files_counts_once(self):
        whole = self.file("whole", binary_traces.text(CYCLE))
        story = self.expect(FINDINGS, "check", "--merge", whole, self.parts()[1]).stdout
        self.assertIn("4 repeated", story)
        self.assertIn("(2 tasks, 2 fences, 2 waits)", story)

    def test_nothing_is_known_of_the_time_between_two_files(self):
        events = [(100 * SECOND, 0, 1, "a", "init", 4, 1), (100 * SECOND + 1, 0, 2, "b", "wait_start", 4, 1),
                  (100 * SECOND + 2, 0, 1, "a", "signaled", 4, 1), (100 * SECOND + 3, 0, 2, "b", "wait_end", 4, 1)]
        whole = self.file("whole", binary_traces.text(events))
        self.expect(CLEAN, "check", whole)
        parts = [self.file(f"part{index}", binary_traces.text(events[2 * index:2 * index + 2])) for index in range(2)]
        story = self.expect(UNKNOWN, "check", "--merge", *reversed(parts)).stdout
        self.assertIn("loss: 1 between-files, first at line 3", story)

    def test_a_loss_in_a_part_is_one_of_the_whole(self):
        still = CYCLE[:4] + [(105 * SECOND, 1, 0, "<idle>", "init", 9, 1)]
        for lost, status in ((False, FINDINGS), (True, UNKNOWN)):
            parts = [self.file(f"part{cpu}", binary_traces.perfetto([event for event in still if event[1] == cpu],
                                                                    lost=lost)) for cpu in range(2)]
            with self.subTest(lost=lost):
                done = self.expect(status, "check", "--merge", *parts)
                self.assertEqual(lost, "loss: 2 lost-events" in done.stdout)

    def test_files_without_a_common_clock(self):
        def dat(clock):
            return lambda events: binary_traces.trace_dat(events, clock)

        def later(events):
            return binary_traces.text([(event[0] + 200_000 * SECOND, *event[1:]) for event in events])

        def counted(events):
            return re.sub(r"(\d+)\.(\d{9}):", r"\1\2:", binary_traces.text(events))

        for write, says in (((dat("local"), dat("mono")), "'local' and 'mono'"),
                            ((dat("mono"), lambda events: binary_traces.perfetto(events, clock=3)), "'mono'"),
                            ((binary_traces.text, later), "seconds lie between them"),
                            ((binary_traces.text, counted), "one of them counts")):
            with self.subTest(says):
                done = self.expect(BAD_INPUT, "check", "--merge", *self.parts(write))
                self.assertIn("do not have the same clock", done.stderr)
                self.assertIn(says, done.stderr)

    def test_what_cannot_be_merged(self):
        good = self.parts()[0]
        log = str(SOURCE / "cases" / "snapshots" / "hung-fence.dmesg")
        for bad, says in ((log, "only traces can be merged"), ("none", "no such file"),
                          (self.file("damaged", binary_traces.text(CYCLE)[:-20]), "")):
            with self.subTest(bad):
                done = self.expect(BAD_INPUT, "check", "--merge", good, bad)
                self.assertIn(f"{bad}:", done.stderr)
                self.assertIn(says, done.stderr)
        self.expect(USAGE, "check", "--merge", "--combine", good, good)
        self.expect(USAGE, "check", "--merge", "--watch", good, good)


class Together(Case):
    TRACE = """# tracer: nop
  a-11 [000] ..... 1.000000: dma_fence_init: driver=sw_sync timeline=t context=1 seqno=1
  b-12 [001] ..... 1.000100: dma_fence_wait_start: driver=sw_sync timeline=t context=1 seqno=1
"""
    LOG = """[  130.000001] INFO: task b:12 blocked for more than 120 seconds.
[  130.000002] task:b               state:D stack:0     pid:12    ppid:1      flags:0x00004000
[  130.000003] Call Trace:
[  130.000004]  schedule+0x5a/0xd0
[  130.000005]  dma_fence_default_wait+0x1a5/0x260
[  130.000006]  example_wait+0x84/0xf0
"""

    def test_a_trace_names_the_fence_of_a_log(self):
        self.file("t.trace", self.TRACE)
        self.file("t.dmesg", self.LOG)
        done = self.expect(FINDINGS, "check", "--combine", "t.trace", "t.dmesg")
        self.assertIn("b-12, blocked at t.dmesg:1, waits for sw_sync/t 1:1, says t.trace:3", done.stdout)
        drawn = self.expect(CLEAN, "draw", "t.trace", "t.dmesg").stdout
        self.assertIn("sw_sync/t 1:1", drawn)

    def test_two_halves_of_a_cycle(self):
        """The trace has that b waits for a's fence; the log that a waits for a lock which b holds."""
        self.file("t.trace", self.TRACE)
        self.file("t.dmesg", """[  130.000001] INFO: task a:11 blocked for more than 120 seconds.
[  130.000002] task:a               state:D stack:0     pid:11    ppid:1      flags:0x00004000
[  130.000003] Call Trace:
[  130.000004]  schedule+0x5a/0xd0
[  130.000005]  __mutex_lock+0x399/0x700
[  130.000006]  example_lock+0x84/0xf0
[  130.000007] INFO: task a:11 is blocked on a mutex likely owned by task b:12.
""")
        done = self.expect(FINDINGS, "check", "--combine", "t.trace", "t.dmesg")
        self.assertIn("the recordings together close the cycle", done.stdout)

    def test_a_list_says_where_a_fence_of_the_trace_is(self):
        self.file("t.trace", self.TRACE)
        self.file("bufinfo.txt", """
Dma-buf Objects:
size    \tflags   \tmode    \tcount   \texp_name\tino     \tname
01048576\t00000002\t02080007\t00000001\tsystem\t00000001\tfront
\twrite fence:1:1 t sw_sync unsignalled
Total 1 objects, 1048576 bytes
""")
        drawn = self.expect(CLEAN, "draw", "t.trace", "bufinfo.txt").stdout
        self.assertIn("write fence of buffer front (inode 1), unsignalled", drawn)

    def test_recordings_of_different_machines(self):
        self.file("t.trace", self.TRACE)
        self.file("t.dmesg", self.LOG.replace(":12", ":99"))
        done = self.run_it("check", "--combine", "t.trace", "t.dmesg")
        self.assertIn("no task, fence or lock in common", done.stdout)

    def test_one_recording_is_not_several(self):
        done = self.expect(BAD_INPUT, "check", "--combine", self.file("t.trace", self.TRACE))
        self.assertIn("two traces or kernel logs or more are needed", done.stderr)
        self.expect(USAGE, "check", "--combine", "--watch", "t.trace")


class Conform(Case):
    def conform(self, status, design, recording):
        return self.expect(status, "conform", str(design), str(recording)).stdout

    def test_a_trace_that_conforms(self):
        story = self.conform(CLEAN, CONFORM / "pipeline.yaml", CONFORM / "pipeline-conforming.trace")
        self.assertIn("conformance: holds", story)

    def test_surplus_dependencies_have_their_lines(self):
        story = self.conform(FINDINGS, CONFORM / "pipeline.yaml", CONFORM / "pipeline-surplus.trace")
        self.assertIn("producer-11 ('producer') depends on sw_sync/results 2:1 ('done')", story)
        self.assertIn("sw_sync/frames 1:1 ('frame') depends on sw_sync/results 2:1 ('done')", story)
        self.assertIn("producer-11 waits for sw_sync/results 2:1 while it owes sw_sync/frames 1:1", story)
        self.assertRegex(story, r"pipeline-surplus\.trace:5: error: contract: .* \[CNF001\]")

    def test_what_was_discharged_before_the_wait_is_no_dependency(self):
        lines = (CONFORM / "pipeline-surplus.trace").read_text().splitlines()
        waiting, signal = lines.pop(6), lines.pop(7)
        self.assertIn("signaled", signal)
        # The consumer waits for the frame, and the producer signals it before it waits itself.
        lines[4:4] = [waiting.replace("1.000350", "1.000110"), signal.replace("1.000500", "1.000150")]
        story = self.conform(FINDINGS, CONFORM / "pipeline.yaml", self.file("early.trace", "\n".join(lines) + "\n"))
        self.assertIn("producer-11 ('producer') depends on", story)
        self.assertNotIn("('frame') depends on", story)

    def test_unmapped_objects_are_unknown(self):
        stranger = (CONFORM / "pipeline-conforming.trace").read_text() + "".join(
            f"  stranger-13 [002] ..... 1.000{us}: dma_fence_{name}: driver=sw_sync timeline=other context=3 seqno=1\n"
            for us, name in ((600, "init"), (700, "wait_start"), (750, "signaled"), (800, "wait_end")))
        trace = self.file("stranger.trace", stranger)
        self.assertIn("no object of the design is seen as 'stranger', 'sw_sync/other'",
                      self.conform(UNKNOWN, CONFORM / "pipeline.yaml", trace))
        design = (CONFORM / "pipeline.yaml").read_text().replace(
            "fences:", "outside: [stranger, sw_sync/other]\nfences:", 1)
        self.assertIn("outside of the design", self.conform(CLEAN, self.file("wide.yaml", design), trace))

    def test_a_design_without_names_decides_nothing(self):
        design = re.sub(r", seen-as: [^}]*}", "}", (CONFORM / "pipeline.yaml").read_text())
        design = re.sub(r"\n    seen-as: .*", "", design)
        story = self.conform(UNKNOWN, self.file("plain.yaml", design), CONFORM / "pipeline-conforming.trace")
        self.assertIn("the design has no key 'seen-as'", story)

    def test_an_object_in_two_classes(self):
        design = (CONFORM / "pipeline.yaml").read_text().replace("seen-as: sw_sync/frames", 'seen-as: "sw_sync/*"')
        story = self.conform(UNKNOWN, self.file("both.yaml", design), CONFORM / "pipeline-surplus.trace")
        self.assertIn("more than one object of the design is seen as 'sw_sync/results'", story)

    def test_bad_inputs(self):
        self.expect(BAD_INPUT, "conform", str(CONFORM / "pipeline.yaml"), "missing.trace")
        self.expect(BAD_INPUT, "conform", "missing.yaml", str(CONFORM / "pipeline-conforming.trace"))
        self.expect(BAD_INPUT, "conform", str(CONFORM / "pipeline.yaml"), str(CONFORM / "pipeline.yaml"))
        self.expect(BAD_INPUT, "conform", str(CONFORM / "pipeline-conforming.trace"),
                    str(CONFORM / "pipeline-conforming.trace"))
        self.expect(USAGE, "conform", str(CONFORM / "pipeline.yaml"))

    def test_recorded_orders_of_the_same_program(self):
        """vgem-chain: client 0 signals first, the others wait first; vgem-cycle: all wait first."""
        if not (TRACES / "vgem-qemu").is_dir():
            self.skipTest("there are no recordings of vgem")
        steps = ["{signal: f0}, {wait: f1}", "{wait: f2}, {signal: f1}", "{wait: f0}, {signal: f2}"]
        clients = "".join(f"  client-{i}: {{kind: ioctl, seen-as: client-{i}, steps: [{each}]}}\n"
                          for i, each in enumerate(steps))
        fences = "".join(f'  f{i}: {{kind: kernel, seen-as: "vgem/unbound@client-{i}"}}\n' for i in range(3))
        design = self.file("ring.yaml", f"fencecheck: 1\nfences:\n{fences}threads:\n{clients}")
        self.conform(CLEAN, design, TRACES / "vgem-qemu" / "vgem-chain.report.txt")
        story = self.conform(FINDINGS, design, TRACES / "vgem-qemu" / "vgem-cycle.report.txt")
        self.assertIn("('f0') depends on vgem/unbound", story)
        self.assertIn("CNF001", story)


class Record(Case):
    def tracefs(self, *events):
        for event in events:
            self.file(f"tracing/events/{event}/enable", "0\n")
        self.file("tracing/trace_clock", "[local] global counter uptime perf mono mono_raw boot tai\n")
        return ("--tracefs", "tracing")

    def trace_cmd(self, overrun, status=0):
        """A trace-cmd that writes down how it was called, and statistics."""
        self.file("bin/trace-cmd", f"""#!/bin/sh
echo "$@" >> calls
mkdir -p tracing/per_cpu/cpu0
printf 'entries: 9\\noverrun: {overrun}\\ncommit overrun: 0\\nbytes: 9\\ndropped events: 0\\nread events: 9\\n' \\
  > tracing/per_cpu/cpu0/stats
exit {status}
""")
        (self.folder / "bin/trace-cmd").chmod(0o755)
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{self.folder}/bin:{before}"
        self.addCleanup(os.environ.__setitem__, "PATH", before)

    def test_the_command_has_what_the_kernel_offers(self):
        done = self.expect(CLEAN, "record", *self.tracefs("dma_fence/dma_fence_wait_start", "sched/sched_switch"))
        command = done.stdout.splitlines()[-1]
        self.assertEqual("trace-cmd record -C boot -b 20000 -e dma_fence -e sched:sched_switch "
                         "-e dma_fence:dma_fence_wait_start -R stacktrace -o fencecheck.dat", command)
        self.assertIn("# this kernel has no event gpu_scheduler: the answers will not say which jobs", done.stdout)
        self.assertIn("# lock:lock_acquire is left out, see --locks", done.stdout)

    def test_options_and_a_command(self):
        done = self.expect(CLEAN, "record", *self.tracefs("dma_fence/dma_fence_init", "lock/lock_acquire"), "--locks",
                           "-b", "64", "-o", "it's.dat", "--", "sh", "-c", "sleep 1")
        self.assertIn("-b 64 -e dma_fence -e lock:lock_acquire -o 'it'\\''s.dat' sh -c 'sleep 1'", done.stdout)

    def test_without_dma_fence_there_is_nothing_to_say(self):
        self.expect(UNKNOWN, "record", *self.tracefs("sched/sched_switch"), "--run")

    def test_no_tracefs(self):
        self.assertIn("tracefs must be mounted", self.expect(BAD_INPUT, "record", "--tracefs", "nowhere").stderr)

    def test_run_says_that_nothing_was_lost(self):
        self.trace_cmd(overrun=0)
        done = self.expect(CLEAN, "record", *self.tracefs("dma_fence/dma_fence_init"), "--run", "--", "true")
        self.assertIn("no event was lost", done.stdout)
        calls = (self.folder / "calls").read_text().splitlines()
        self.assertEqual(["record -k -C boot -b 20000 -e dma_fence -o fencecheck.dat true", "reset"], calls)

    def test_run_says_what_was_lost(self):
        self.trace_cmd(overrun=7)
        done = self.expect(UNKNOWN, "record", *self.tracefs("dma_fence/dma_fence_init"), "--run")
        self.assertIn("cpu0: 7 events overwritten, 0 dropped\nrecord again with --buffer 80000", done.stdout)

    def test_a_run_that_fails(self):
        self.trace_cmd(overrun=0, status=3)
        done = self.expect(INTERNAL, "record", *self.tracefs("dma_fence/dma_fence_init"), "--run")
        self.assertIn("trace-cmd failed with status 3", done.stderr)


if __name__ == "__main__":
    unittest.main()
