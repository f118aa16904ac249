"""Small binary traces: trace.dat of versions 6 and 7, and Perfetto, written by hand.

An event is (time in ns, CPU, pid, comm, name, context, seqno), all of them of dma_fence.
"""

import struct
import zlib

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


class Layout:
    """Of what kind of machine, and how the file is packed."""

    def __init__(self, big=False, long_size=8, compression="none"):
        self.order = ">" if big else "<"
        self.big = big
        self.long = "Q" if long_size == 8 else "I"
        self.long_size = long_size
        self.compression = compression

    def pack(self, form, *values):
        return struct.pack(self.order + form, *values)

    def sized(self, text):
        return self.pack("Q", len(text)) + text

    def compress(self, data):
        if self.compression == "zlib":
            return zlib.compress(data)
        return _zstd(data)

    def header_page(self):
        return HEADER_PAGE.replace(b"size:8; signed:1", b"size:%d; signed:1" % self.long_size).replace(
            b"offset:16", b"offset:%d" % (8 + self.long_size))

    def entry_word(self, kind, delta):
        return self.pack("I", kind << 27 | delta if self.big else kind | delta << 5)

    def entry(self, delta, pid, name, context, seqno, driver, number=None):
        words = driver.encode() + b"\0" + b"t\0"
        words += b"\0" * (-len(words) % 4)
        data = self.pack("HBBi", 100 + NAMES.index(name) if number is None else number, 0, 0, pid)
        data += self.pack("IIII", 24 | len(driver) + 1 << 16, 24 + len(driver) + 1 | 2 << 16, context, seqno) + words
        extension = b""
        if delta >> 27:  # the bits that an entry has no room for
            extension = self.entry_word(30, delta & 0x7ffffff) + self.pack("I", delta >> 27)
            delta = 0
        return extension + self.entry_word(len(data) // 4, delta) + data

    def page(self, events, driver, lost=None, rest=b""):
        """`lost`: events before the first one, 0 for an unknown number; `rest`: behind the last event."""
        data, last = b"", events[0][0]
        for time, _, pid, _, name, context, seqno in events:
            data += self.entry(time - last, pid, name, context, seqno, driver)
            last = time
        data += rest
        flags = 0 if lost is None else 1 << 31 | (1 << 30 if lost else 0)
        page = self.pack("Q" + self.long, events[0][0], len(data) | flags) + data
        page += self.pack(self.long, lost or 0)
        return page + b"\0" * (PAGE - len(page))

    def formats(self):
        data = self.pack("I", 1) + b"dma_fence\0" + self.pack("I", len(NAMES))
        for number, name in enumerate(NAMES):
            data += self.sized(FORMAT.format(name=name, number=100 + number).encode())
        return data

    def headers(self):
        return (b"header_page\0" + self.sized(self.header_page()) + b"header_event\0" + self.sized(HEADER_EVENT))

    def comms(self, events):
        lines = (f"{pid} {comm}\n" for pid, comm in sorted({(event[2], event[3]) for event in events}))
        return self.sized("".join(lines).encode())


def _zstd(data):
    """A frame of raw blocks."""
    largest = 128 * 1024
    blocks = [data[at:at + largest] for at in range(0, len(data), largest)] or [b""]
    frame = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data))
    for block in blocks:
        frame += struct.pack("<I", len(block) << 3 | (block is blocks[-1]))[:3] + block
    return frame


def _pages(layout, events, driver, lost, rest):
    for cpu in range(max(event[1] for event in events) + 1):
        own = [event for event in events if event[1] == cpu]
        yield layout.page(own, driver, lost if cpu == 0 else None, rest if cpu == 0 else b"") if own else b""


def trace_dat(events, clock="", driver="vgem", layout=Layout(), lost=None, rest=b"", statistics=b""):
    """Version 6. All events of a CPU have to fit into one page."""
    pages = list(_pages(layout, events, driver, lost, rest))
    data = b"\x17\x08\x44tracing6\0" + bytes([layout.big, 8]) + layout.pack("I", PAGE)
    data += layout.headers() + layout.pack("I", 0) + layout.formats()
    data += layout.pack("II", 0, 0) + layout.comms(events) + layout.pack("I", len(pages)) + b"options  \0"
    if clock:
        text = f"[{clock}] other".encode() + b"\0"
        data += layout.pack("HI", 4, len(text)) + text
    if statistics:
        data += layout.pack("HI", 2, len(statistics)) + statistics
    data += layout.pack("H", 0) + b"flyrecord\0"
    at = -(-(len(data) + 16 * len(pages)) // PAGE) * PAGE
    for page in pages:
        data += layout.pack("QQ", at, len(page))
        at += len(page)
    return data + b"\0" * (-len(data) % PAGE) + b"".join(pages)


def trace_dat7(events, clock="local", driver="vgem", layout=Layout(), circle=False):
    """Version 7: sections, which options name. `circle`: the last options lead back to the first ones."""
    start = b"\x17\x08\x44tracing7\0" + bytes([layout.big, 8]) + layout.pack("I", PAGE)
    start += layout.compression.encode() + b"\0" + b"1\0"
    packed = layout.compression != "none"
    data = start + b"\0" * 8  # where the options are
    places = {}

    def section(number, content, compressed):
        nonlocal data
        places[number] = len(data)
        if compressed:
            small = layout.compress(content)
            content = layout.pack("II", len(small), len(content)) + small
        data += layout.pack("HHIQ", number, compressed, 0, len(content)) + content

    section(16, layout.headers(), packed)
    section(17, layout.pack("I", 0), packed)
    section(18, layout.formats(), packed)
    section(21, layout.comms(events), packed)
    places[3] = len(data)
    data += layout.pack("HHIQ", 3, packed, 0, 0)
    cpus = b""
    pages = list(_pages(layout, events, driver, None, b""))
    for cpu, page in enumerate(pages):
        if packed and page:
            small = layout.compress(page)
            page = layout.pack("III", 1, len(small), len(page)) + small
        cpus += layout.pack("IQQ", cpu, len(data), len(page))
        data += page
    buffer = layout.pack("Q", places[3]) + b"\0" + clock.encode() + b"\0" + layout.pack("II", PAGE, len(pages)) + cpus
    options = b"".join(layout.pack("HIQ", number, 8, places[number]) for number in (16, 17, 18, 21))
    options += layout.pack("HI", 3, len(buffer)) + buffer
    where = len(data)
    options += layout.pack("HIQ", 0, 8, where if circle else 0)
    section(0, options, False)
    return start + layout.pack("Q", where) + data[len(start) + 8:]


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


def perfetto(events, clock=0, driver="vgem", lost=False, repeat=1):
    """Events by their names, as Perfetto writes those that it was not compiled with; each `repeat` times."""
    packets = b""
    for cpu in sorted({event[1] for event in events}):
        bundle = _field(1, cpu)
        for time, _, pid, _, name, context, seqno in (event for event in events if event[1] == cpu):
            generic = _field(1, f"dma_fence_{name}")
            for key, value in (("driver", driver), ("timeline", "t")):
                generic += _field(2, _field(1, key) + _field(3, value))
            for key, value in (("context", context), ("seqno", seqno)):
                generic += _field(2, _field(1, key) + _field(5, value))
            bundle += _field(2, _field(1, time) + _field(2, pid) + _field(327, generic)) * repeat
        if lost:
            bundle += _field(3, 1)
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
