#!/usr/bin/env python3
"""Makes a long trace of a short one: the same events again and again, later, with sequence numbers of their own.

python3 tests/bench/repeat_trace.py TRACE MEGABYTES > long.trace
"""

import re
import sys

NUMBERS = re.compile(r"(?<= )(\d+)(?=\.\d{6}: )|(?<=seqno=)(\d+)|(?<=fence=)\d+:(\d+)")


def template_of(text):
    """The text with a place for each number that changes, these numbers, and which of them are seconds."""
    parts, numbers, seconds, last = [], [], [], 0
    for match in NUMBERS.finditer(text):
        begin, end = match.span(match.lastindex)
        parts.append(text[last:begin].replace("%", "%%"))
        numbers.append(int(text[begin:end]))
        seconds.append(match.lastindex == 1)
        last = end
    return "%d".join(parts + [text[last:].replace("%", "%%")]), numbers, seconds


def main():
    path, megabytes = sys.argv[1], int(sys.argv[2])
    with open(path) as trace:
        lines = trace.readlines()
    events = "".join(line for line in lines if not line.startswith("#"))
    template, numbers, seconds = template_of(events)
    times = [number for number, is_time in zip(numbers, seconds) if is_time]
    length = max(times) - min(times) + 1
    highest = max((number for number, is_time in zip(numbers, seconds) if not is_time), default=0) + 1
    steps = [length if is_time else highest for is_time in seconds]

    out, written, turn = sys.stdout, 0, 0
    out.writelines(line for line in lines if line.startswith("#") and "entries-in-buffer" not in line)
    while written < megabytes << 20:
        text = template % tuple(number + turn * step for number, step in zip(numbers, steps))
        out.write(text)
        written += len(text)
        turn += 1


if __name__ == "__main__":
    main()
