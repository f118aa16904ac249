#!/usr/bin/env python3
"""Makes a long trace of a short one: the same events again and again, later, with sequence numbers of their own.

python3 tests/bench/repeat_trace.py TRACE MEGABYTES > long.trace
"""

import re
import sys

NUMBERS = re.compile(r"(?<= )(\d+)\.(\d{6}): |(?<=seqno=)(\d+)|(?<=fence=)(\d+):(\d+)")


def main():
    path, megabytes = sys.argv[1], int(sys.argv[2])
    with open(path) as trace:
        lines = trace.readlines()
    header = [line for line in lines if line.startswith("#") and "entries-in-buffer" not in line]
    events = [line for line in lines if not line.startswith("#")]
    times = [int(m.group(1)) * 1_000_000 + int(m.group(2)) for m in map(NUMBERS.search, events) if m and m.group(1)]
    length = max(times) - min(times) + 1_000
    highest = max(int(m.group(3) or m.group(5) or 0) for line in events for m in NUMBERS.finditer(line)) + 1
    out, written, turn = sys.stdout, 0, 0

    def shifted(match):
        if match.group(1):
            time = int(match.group(1)) * 1_000_000 + int(match.group(2)) + turn * length
            return f"{time // 1_000_000}.{time % 1_000_000:06}: "
        if match.group(3):
            return str(int(match.group(3)) + turn * highest)
        return f"{match.group(4)}:{int(match.group(5)) + turn * highest}"

    out.writelines(header)
    while written < megabytes << 20:
        text = NUMBERS.sub(shifted, "".join(events))
        out.write(text)
        written += len(text)
        turn += 1


if __name__ == "__main__":
    main()
