#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The walls between the rooms of user/ and bpf/: who may include whose headers, as CONTRIBUTING.md says."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What each room may include, beside its own headers and what the build makes (facts.h, skeletons).
ROOMS = {
    "bpf": set(),
    "core": {"bpf"},
    "daemon": {"core"},
    "kernel": {"core", "bpf"},
    "net": {"daemon", "core"},
    "cli": {"kernel", "core", "bpf"},
    "agent": {"daemon", "kernel", "core", "bpf"},
}
# Libraries that are one room's alone. BPF programs have headers of libbpf's of their own.
LIBRARIES = {"bpf/libbpf.h": "kernel", "bpf/bpf.h": "kernel", "bpf/btf.h": "kernel"}
INCLUDE = re.compile(r'^#include (?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
MADE = re.compile(r"facts\.h|\w+\.skel\.h")


def room_of(file):
    parts = file.relative_to(ROOT).parts
    return parts[1] if parts[0] == "user" else parts[0]


def room_included(name, own):
    """The room of a header that is included as "room/x.h", "../bpf/x.h" or, in bpf/, "x.h"."""
    folder = pathlib.PurePath(name).parent.name
    return folder or own


def faults(file):
    own = room_of(file)
    for quoted, angled in INCLUDE.findall(file.read_text()):
        if quoted and not MADE.fullmatch(quoted):
            other = room_included(quoted, own)
            if other != own and other not in ROOMS[own]:
                yield f"{own}/ may not include {quoted}"
        elif LIBRARIES.get(angled, own) != own:
            yield f"<{angled}> is for {LIBRARIES[angled]}/ alone"


def main():
    files = sorted([*ROOT.glob("user/*/*.[ch]"), *ROOT.glob("bpf/*.[ch]")])
    found = [f"{file.relative_to(ROOT)}: {fault}" for file in files for fault in faults(file)]
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
