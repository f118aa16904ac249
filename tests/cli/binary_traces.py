"""Small binary traces: trace.dat of version 6 and Perfetto, written by hand.

An event is (time in ns, CPU, pid, comm, name, context, seqno), all of them of dma_fence.
"""

import struct

NAMES = ("init", "destroy", "emit", "enable_signal", "signaled", "wait_start", "wait_end")
PAGE = 4096

HEADER_PAGE = b"""\
 field: u64 timestamp; offset:0; size:8; signed:0;
 field: local_t commit; offset:8; size:8; signed:1;
 field: int overwrite; offset:8; size:1; signed:1;
 field: char data; offset:16; size:4080; signed:1;
"""
HEADER_EVENT = b"""\
# compressed entry header
 type_len    :    5 bits
 time_delta  :   27 bits
 array       :   32 bits
"""
FORMAT = """\
name: dma_fence_{name}
ID: {number}
format:
 field:unsigned short common_type; offset:0; size:2; signed:0;
 field:unsigned char common_flags; offset:2; size:1; signed:0;
 field:unsigned char common_preempt_count; offset:3; size:1; signed:0;
 field:int common_pid; offset:4; size:4; signed:1;

 field:__data_loc char[] driver; offset:8; size:4; signed:1;
 field:__data_loc char[] timeline; offset:12; size:4; signed:1;
 field:unsigned int context; offset:16; size:4; signed:0;
 field:unsigned int seqno; offset:20; size:4; signed:0;

print fmt: "driver=%s timeline=%s context=%u seqno=%u", __get_str(driver), __get_str(timeline), REC->context, REC->seqno
"""


def _sized(text):
    return struct.pack("<Q", len(text)) + text


def _entry(delta, pid, name, context, seqno, driver):
    words = driver.encode() + b"\0" + b"t\0"
    words += b"\0" * (-len(words) % 4)
    data = struct.pack("<HBBi", 100 + NAMES.index(name), 0, 0, pid)
    data += struct.pack("<HHHHII", 24, len(driver) + 1, 24 + len(driver) + 1, 2, context, seqno) + words
    extension = b""
    if delta >> 27:  # the bits that an entry has no room for
        extension = struct.pack("<II", 30 | (delta & 0x7ffffff) << 5, delta >> 27)
        delta = 0
    return extension + struct.pack("<I", len(data) // 4 | delta << 5) + data


def _page(events, driver):
    data, last = b"", events[0][0]
    for time, _, pid, _, name, context, seqno in events:
        data += _entry(time - last, pid, name, context, seqno, driver)
        last = time
    page = struct.pack("<QQ", events[0][0], len(data)) + data
    return page + b"\0" * (PAGE - len(page))


def trace_dat(events, clock="", driver="vgem"):
    """All events of a CPU have to fit into one page."""
    cpus = max(event[1] for event in events) + 1
    data = b"\x17\x08\x44tracing6\0" + struct.pack("<BBI", 0, 8, PAGE)
    data += b"header_page\0" + _sized(HEADER_PAGE) + b"header_event\0" + _sized(HEADER_EVENT) + struct.pack("<II", 0, 1)
    data += b"dma_fence\0" + struct.pack("<I", len(NAMES))
    for number, name in enumerate(NAMES):
        data += _sized(FORMAT.format(name=name, number=100 + number).encode())
    comms = "".join(f"{pid} {comm}\n" for pid, comm in sorted({(event[2], event[3]) for event in events}))
    data += struct.pack("<II", 0, 0) + _sized(comms.encode()) + struct.pack("<I", cpus) + b"options  \0"
    if clock:
        text = f"[{clock}] other".encode() + b"\0"
        data += struct.pack("<HI", 4, len(text)) + text
    data += struct.pack("<H", 0) + b"flyrecord\0"
    at = -(-(len(data) + 16 * cpus) // PAGE) * PAGE
    pages = []
    for cpu in range(cpus):
        own = [event for event in events if event[1] == cpu]
        data += struct.pack("<QQ", at, PAGE if own else 0)
        if own:
            pages.append(_page(own, driver))
            at += PAGE
    return data + b"\0" * (-len(data) % PAGE) + b"".join(pages)


def _varint(number):
    data = b""
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def _field(number, value):
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def perfetto(events, clock=0, driver="vgem"):
    """Events by their names, as Perfetto writes those that it was not compiled with."""
    packets = b""
    for cpu in sorted({event[1] for event in events}):
        bundle = _field(1, cpu)
        for time, _, pid, _, name, context, seqno in (event for event in events if event[1] == cpu):
            generic = _field(1, f"dma_fence_{name}")
            for key, value in (("driver", driver), ("timeline", "t")):
                generic += _field(2, _field(1, key) + _field(3, value))
            for key, value in (("context", context), ("seqno", seqno)):
                generic += _field(2, _field(1, key) + _field(5, value))
            bundle += _field(2, _field(1, time) + _field(2, pid) + _field(327, generic))
        if clock:
            bundle += _field(5, clock)
        packets += _field(1, _field(1, bundle))
    threads = {(event[2], event[3]) for event in events}
    tree = b"".join(_field(2, _field(1, pid) + _field(2, comm)) for pid, comm in sorted(threads))
    return _field(1, _field(2, tree)) + packets


def text(events, driver="vgem"):
    """The same as ftrace writes it."""
    lines = (f"  {comm}-{pid} [{cpu:03}] ..... {time // 10**9}.{time % 10**9:09}: dma_fence_{name}: driver={driver} "
             f"timeline=t context={context} seqno={seqno}\n" for time, cpu, pid, comm, name, context, seqno in events)
    return "# tracer: nop\n" + "".join(lines)
