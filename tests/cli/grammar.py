"""Readers of report formats for which Debian has no validator, or none that is strict enough."""

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
