#!/usr/bin/env python3
"""Makes a long trace.dat (version 6) of a short one: the same pages again and again, later.

python3 tests/bench/repeat_trace_dat.py TRACE.dat TIMES > long.dat
"""

import struct
import sys

PAGE = 4096
MARK = b"flyrecord\0"


def pages(data):
    return [data[at:at + PAGE] for at in range(0, len(data), PAGE)]


def main():
    with open(sys.argv[1], "rb") as trace:
        data = trace.read()
    times = int(sys.argv[2])
    table = data.index(MARK) + len(MARK)
    first = struct.unpack_from("<Q", data, table)[0]
    cpus = []
    while not cpus or table + 16 * len(cpus) + 16 <= min(offset for offset, _ in cpus):
        offset, size = struct.unpack_from("<QQ", data, table + 16 * len(cpus))
        if offset < first or offset + size > len(data) or offset % PAGE:
            break
        cpus.append((offset, size))
    parts = [pages(data[offset:offset + size]) for offset, size in cpus]
    stamps = [struct.unpack_from("<Q", page)[0] for part in parts for page in part]
    length = max(stamps) - min(stamps) + 1_000_000_000

    out = sys.stdout.buffer
    out.write(data[:table])
    at = first
    for part in parts:
        out.write(struct.pack("<QQ", at, len(part) * PAGE * times))
        at += len(part) * PAGE * times
    out.write(data[table + 16 * len(parts):first])
    for part in parts:
        for turn in range(times):
            for page in part:
                out.write(struct.pack("<Q", struct.unpack_from("<Q", page)[0] + turn * length) + page[8:])


if __name__ == "__main__":
    main()
