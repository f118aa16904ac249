"""Readers of report formats for which Debian has no validator, or none that is strict enough."""

import collections
import json
import re

KTAP_VERSION = re.compile(r"^KTAP version 1$")
PLAN = re.compile(r"^1\.\.(\d+)$")
RESULT = re.compile(r"^(ok|not ok) (\d+)(?: (?:- )?([^#]*[^# ]))?(?: # (SKIP|XFAIL|TIMEOUT|ERROR)(?: (.*))?)?$")
COMMAND = re.compile(r"^::(error|warning|notice) ([^:]*)::(.+)$")


class Wrong(Exception):
    pass


def ktap(text):
    """The grammar of Documentation/dev-tools/ktap.rst. Returns [(ok, name, directive, subtests)]."""
    lines = text.split("\n")
    if lines.pop() != "":
        raise Wrong("the last line has no end")
    results, rest = _ktap_block(lines, "")
    if rest:
        raise Wrong(f"behind the last test: {rest[0]!r}")
    return results


def _ktap_block(lines, indent):
    def take(pattern, what):
        match = pattern.match(lines[0][len(indent):]) if lines and lines[0].startswith(indent) else None
        if not match:
            raise Wrong(f"expected {what}, found {lines[:1]}")
        del lines[0]
        return match

    take(KTAP_VERSION, "a version line")
    plan = int(take(PLAN, "a plan")[1])
    results = []
    while len(results) < plan:
        subtests = []
        while lines and lines[0].startswith(indent + "#"):
            del lines[0]
        if lines and lines[0].startswith(indent + "  "):
            subtests, lines = _ktap_block(lines, indent + "  ")
        match = take(RESULT, "a result")
        if int(match[2]) != len(results) + 1:
            raise Wrong(f"test {match[2]} out of order")
        ok = match[1] == "ok"
        if subtests and ok != all(each[0] for each in subtests):
            raise Wrong(f"{match[3]}: its result is not that of its subtests")
        results.append((ok, match[3], match[4], subtests))
    return results, lines


def github(text):
    """Workflow commands, one a line. Returns [(command, {property: value}, message)]."""
    def plain(value):
        for code, byte in (("%3A", ":"), ("%2C", ","), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
            value = value.replace(code, byte)
        return value

    commands = []
    for line in text.splitlines():
        match = COMMAND.match(line)
        if not match:
            raise Wrong(f"no workflow command: {line!r}")
        properties = dict(each.split("=", 1) for each in match[2].split(","))
        unknown = set(properties) - {"file", "line", "col", "endColumn", "title"}
        if unknown:
            raise Wrong(f"unknown properties {unknown}")
        commands.append((match[1], {key: plain(value) for key, value in properties.items()}, plain(match[3])))
    return commands


def terse(text):
    """checkpatch.pl --terse --show-types. Returns [(file, line, level, type, message)]."""
    lines = text.splitlines()
    if not re.match(r"^total: \d+ errors, \d+ warnings, \d+ checks, \d+ inputs checked$", lines.pop()):
        raise Wrong("no total")
    found = []
    for line in lines:
        match = re.match(r"^(.*?):(\d+): (ERROR|WARNING|CHECK):(\S+): (.+)$", line)
        if not match:
            raise Wrong(f"not in checkpatch's form: {line!r}")
        found.append(match.groups())
    return found


def html(text):
    """Our page, as far as it can be read without a browser. Returns its data."""
    page, _, rest = text.partition('<script type="application/json" id="data">')
    for word in ("http://", "https://", "//cdn", "@import", "url("):
        if word in page:
            raise Wrong(f"the page would ask a network for something: {word}")
    if "default-src 'none'" not in page:
        raise Wrong("the page does not forbid what it does not need")
    data, _, rest = rest.partition("</script>")
    if "<" in data:
        raise Wrong("data that could end its element")
    if not rest.rstrip().endswith("</html>"):
        raise Wrong("the page has no end")
    return json.loads(data)


def perfetto(text):
    """The rules of Chrome's trace event format that its readers rely on. Returns (slices of each track, flows)."""
    trace = json.loads(text)
    if set(trace) != {"traceEvents", "displayTimeUnit", "otherData"}:
        raise Wrong(f"members {set(trace)}")
    slices, flows, named = collections.defaultdict(list), collections.defaultdict(list), set()
    for event in trace["traceEvents"]:
        track = (event["pid"], event["tid"])
        if not all(isinstance(each, int) for each in track):
            raise Wrong(f"no track: {event}")
        if event["ph"] == "M":
            if event["name"] not in ("process_name", "process_sort_index", "thread_name", "thread_sort_index"):
                raise Wrong(f"unknown metadata: {event}")
            if event["name"] == "thread_name":
                named.add(track)
            continue
        if not isinstance(event["ts"], int):
            raise Wrong(f"no time: {event}")
        if event["ph"] == "X" and event["dur"] >= 0:
            slices[track].append((event["ts"], event["ts"] + event["dur"], event["name"]))
        elif event["ph"] in "sf":
            flows[event["id"]].append(event)
        else:
            raise Wrong(f"unknown event: {event}")
    if set(slices) != named:
        raise Wrong(f"tracks without a name, or without slices: {set(slices) ^ named}")
    for track, members in slices.items():
        members.sort()
        for (_, end, first), (begin, _, second) in zip(members, members[1:]):
            if end > begin:
                raise Wrong(f"{track}: {first} and {second} overlap")
    for ends in flows.values():
        _perfetto_flow(ends, slices)
    return slices, flows


def _perfetto_flow(ends, slices):
    if [event["ph"] for event in ends] != ["s", "f"] or ends[1]["bp"] != "e" or ends[0]["ts"] >= ends[1]["ts"]:
        raise Wrong(f"no arrow: {ends}")
    for key in ("pid", "name", "cat"):
        if ends[0][key] != ends[1][key]:
            raise Wrong(f"ends of one arrow differ in {key}: {ends}")
    for event in ends:
        inside = [name for begin, end, name in slices[event["pid"], event["tid"]] if begin <= event["ts"] < end]
        if len(inside) != 1:
            raise Wrong(f"an arrow belongs to one slice, not to {inside}")
