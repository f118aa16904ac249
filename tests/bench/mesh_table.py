#!/usr/bin/env python3
"""Time and memory of the frame mesh (families.py) for fencecheck, SPIN and plain Z3, as a table in Markdown.

  mesh_table.py FENCECHECK [--sizes 4,2 8,4 …] [--limit SECONDS] [--memory MEGABYTES]

All of it in one run, one after the other. The columns are seconds of processor time and megabytes of each program:
  fencecheck  fencecheck check                                 what everybody runs: --engine auto
  plain Z3    fencecheck check --engine smt --no-reduction     the formula without any reduction
  SPIN        spin -a && gcc -O2 -DSAFETY -DCOLLAPSE, and ./pan, on what `encode --to promela` writes
A program that is not done within the limits shows what stopped it.
"""
import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

FAMILIES = Path(__file__).with_name("families.py")


def measured(command, limit, **options):
    """Output, seconds and megabytes of a program, as GNU time says them; no output if it took all of the limit."""
    with tempfile.NamedTemporaryFile() as report:
        done = subprocess.run(["/usr/bin/time", "-f", "%U %S %M", "-o", report.name, *command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit)), **options)
        user, system, memory = Path(report.name).read_text(encoding="utf-8").split()[-3:]
    seconds = float(user) + float(system)
    return None if seconds > 0.99 * limit else done.stdout, seconds, int(memory) / 1024


def cell(seconds, memory):
    return f"{seconds:.2f} s, {memory:.0f} MB"


def fencecheck(binary, scenario, limit, *options):
    output, seconds, memory = measured(
        [binary, "check", "--timeout", "0", "--story", "never", *options, str(scenario)], limit)
    if output is None or "as expected" not in output:
        return None, f"more than {limit} s, {memory:.0f} MB"
    return seconds, cell(seconds, memory)


def spin(binary, scenario, folder, limit, memory_limit):
    begin = os.times()
    subprocess.run([binary, "encode", str(scenario), "--to", "promela", "-o", "model.pml"], cwd=folder, check=True)
    subprocess.run(["spin", "-a", "model.pml"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["gcc", "-w", "-O2", "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={memory_limit}", "-o", "pan", "pan.c"],
                   cwd=folder, check=True)
    end = os.times()
    made = (end.children_user + end.children_system) - (begin.children_user + begin.children_system)
    output, seconds, memory = measured(["./pan", "-m1000000"], limit, cwd=folder)
    if output is None:
        return None, f"{made:.1f} + more than {limit} s, {memory:.0f} MB"
    states = re.search(r"([\d.e+]+) states, stored", output)
    if "out of memory" in output or "errors:" not in output:
        return None, f"out of memory ({memory_limit} MB) after {seconds:.0f} s"
    return made + seconds, f"{made:.1f} + {cell(seconds, memory)}, {float(states.group(1)):,.0f} states"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--sizes", nargs="+", default=["2,2", "4,2", "8,4", "16,8", "32,16"])
    parser.add_argument("--limit", type=int, default=600)
    parser.add_argument("--memory", type=int, default=6000)
    wanted = parser.parse_args()
    print("| clients, frames | steps | variant | fencecheck | plain Z3 | SPIN: making pan + pan | SPIN / fencecheck |")
    print("|---|---:|---|---:|---:|---:|---:|")
    too_large = set()  # a program that one size was too much for is not asked for the next
    for size in wanted.sizes:
        clients, frames = size.split(",")
        for variant in ("safe", "buggy"):
            with tempfile.TemporaryDirectory() as folder:
                scenario = Path(folder) / "mesh.yaml"
                text = subprocess.run([sys.executable, FAMILIES, "mesh", clients, frames]
                                      + (["--buggy"] if variant == "buggy" else []),
                                      check=True, stdout=subprocess.PIPE, text=True).stdout
                scenario.write_text(text, encoding="utf-8")
                said = subprocess.run([wanted.binary, "check", str(scenario)], stdout=subprocess.PIPE, text=True,
                                      check=False).stdout
                steps = re.search(r"([\d,]+) steps", said)
                own, ours = fencecheck(wanted.binary, scenario, wanted.limit)
                columns = []
                their = None
                for name, measure in (
                        ("z3", lambda: fencecheck(wanted.binary, scenario, wanted.limit,
                                                  "--engine", "smt", "--no-reduction")),
                        ("spin", lambda: spin(wanted.binary, scenario, folder, wanted.limit, wanted.memory))):
                    if (name, variant) in too_large:
                        columns.append("")
                        continue
                    their, shown = measure()
                    if their is None:
                        too_large.add((name, variant))
                    columns.append(shown)
                ratio = f"{their / own:,.0f}" if their and own and columns[1] else ""
                print(f"| {clients}, {frames} | {steps.group(1) if steps else ''} | {variant} | {ours} | "
                      f"{columns[0]} | {columns[1]} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
