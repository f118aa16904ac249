#!/usr/bin/env python3
"""Families of scenarios that grow, for measurements. Prints a scenario (YAML), or a graph (DOT) for `queues`.

  families.py mesh N K [--buggy]              N clients with K frames each, and an evictor
  families.py philosophers N [--left-handed]  each takes two forks, once; one of them may take them the other way round
  families.py queues K M S [--cycle]          K queues of M jobs, in order; job (i, j) waits for job (i+1, j-S)
"""
import argparse
import sys


def header(title, expect):
    return [
        "fencecheck: 1",
        f'title: "{title}"',
        f"expect: {expect}",
    ]


def mesh(clients, frames, buggy):
    """Client i submits frame f when client i+1 has submitted frame f-1; the evictor waits for each one's last frame."""
    variant = "the evictor waits for a job that needs userspace" if buggy else "nothing can hang"
    expect = "[deadlock, contract]" if buggy else "holds"
    lines = header(f"frame mesh, {clients} clients, {frames} frames: {variant}", expect)
    lines.append("buffers:")
    lines += [f"  bo{i}: {{}}" for i in range(clients)]
    lines += ["locks: {vram: mutex}", "queues:"]
    lines += [f"  q{i}: engine" for i in range(clients)]
    lines.append("fences:")
    lines += [f"  submitted{i}.{f}: user" for i in range(clients) for f in range(frames - 1)]
    if buggy:
        lines.append("  late: user")
    lines.append("threads:")
    for i in range(clients):
        neighbour = (i + 1) % clients
        lines += [f"  client{i}:", "    kind: user", "    steps:"]
        for f in range(frames):
            waits = [f"job{neighbour}.{f - 1}"] if f > 0 else []
            last = f == frames - 1
            if buggy and i == 0 and last:
                waits.append("late")
            if f > 0:
                lines.append(f"      - wait: submitted{neighbour}.{f - 1}")
            lines += [
                "      - ioctl:",
                f"          - lock: bo{i}",
                "          - lock: vram",
                f"          - submit: {{queue: q{i}, job: job{i}.{f}"
                + (f", in: [{', '.join(waits)}]" if waits else "")
                + (f", uses: {{bo{i}: write}}, implicit-sync: false" if last else "")
                + "}",
                "          - unlock: vram",
                f"          - unlock: bo{i}",
            ]
            if not last:
                lines.append(f"      - signal: submitted{i}.{f}")
        if buggy and i == 0:
            lines += ["      - ioctl: [{lock: vram}, {unlock: vram}]", "      - signal: late"]
    lines += ["  evictor:", "    kind: worker", "    steps:"]
    for i in range(clients):
        lines += [
            f"      - lock: bo{i}",
            "      - lock: vram",
            f"      - evict: {{buffer: bo{i}, locking: held}}",
            "      - unlock: vram",
            f"      - unlock: bo{i}",
        ]
    return lines


def philosophers(count, left_handed):
    """A cycle of locks; the last philosopher may take the right fork first."""
    expect = "holds" if left_handed else "deadlock"
    lines = header(f"{count} philosophers" + (", one left-handed" if left_handed else ""), expect)
    lines.append("locks:")
    lines += [f"  fork{i}: mutex" for i in range(count)]
    lines.append("threads:")
    for i in range(count):
        first, second = i, (i + 1) % count
        if left_handed and i == count - 1:
            first, second = second, first
        lines += [
            f"  philosopher{i}:",
            "    kind: worker",
            f"    steps: [{{lock: fork{first}}}, {{lock: fork{second}}}, "
            f"{{unlock: fork{first}}}, {{unlock: fork{second}}}]",
        ]
    return lines


def queues(count, jobs, skew, cycle):
    """Each job depends on the one before it in its queue, and on one of the next; a cycle goes round all queues."""
    lines = [f'digraph "{count} queues of {jobs} jobs" {{']
    for i in range(count):
        for j in range(jobs):
            if j > 0:
                lines.append(f'"{i}.{j}" -> "{i}.{j - 1}" [label="in order"];')
            if j >= skew:
                lines.append(f'"{i}.{j}" -> "{(i + 1) % count}.{j - skew}" [label="in-fence"];')
    if cycle:
        middle = jobs // 2
        ahead = min(jobs - 1, middle + (count - 1) * skew)
        lines.append(f'"{count - 1}.{middle}" -> "0.{ahead}" [label="in-fence"];')
    return lines + ["}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    families = parser.add_subparsers(dest="family", required=True)
    of_mesh = families.add_parser("mesh")
    of_mesh.add_argument("clients", type=int)
    of_mesh.add_argument("frames", type=int)
    of_mesh.add_argument("--buggy", action="store_true")
    of_philosophers = families.add_parser("philosophers")
    of_philosophers.add_argument("count", type=int)
    of_philosophers.add_argument("--left-handed", action="store_true")
    of_queues = families.add_parser("queues")
    of_queues.add_argument("count", type=int)
    of_queues.add_argument("jobs", type=int)
    of_queues.add_argument("skew", type=int)
    of_queues.add_argument("--cycle", action="store_true")
    wanted = parser.parse_args()
    if wanted.family == "mesh":
        lines = mesh(wanted.clients, wanted.frames, wanted.buggy)
    elif wanted.family == "philosophers":
        lines = philosophers(wanted.count, wanted.left_handed)
    else:
        lines = queues(wanted.count, wanted.jobs, wanted.skew, wanted.cycle)
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
