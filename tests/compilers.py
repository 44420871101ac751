# SPDX-License-Identifier: BSD-2-Clause
"""Builds everything with gcc and with clang, as this machine has them and as Debian 13 has them, and
runs the unit and BPF tests of each build. Warnings are errors; the last line is "N passed, N failed".

Debian 13 is unpacked once below build/compilers. With --here only this machine's compilers are taken.
"""
import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "kernels"))
import machines  # noqa: E402

STORE = machines.BUILD / "compilers"
SUITE = "trixie"
COMPILERS = ("gcc", "clang")
SECONDS = 1800
# What the unit tests want beside what building takes.
MORE = ("libcriterion-dev", "libclang-rt-dev", "erlang-base", "iproute2", "procps")
# Its own view of what is mounted: "$1" is the root, "$2" the project.
ENTER = """set -e
mount --rbind /proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
mkdir -p "$1$2"
mount --bind "$2" "$1$2"
exec chroot "$1" sh -c "$3"
"""


class Place:
    """A system with compilers: this machine, or one that is unpacked."""

    def __init__(self, name, root=None):
        self.name, self.root = name, root

    def run(self, command, log):
        """Runs a shell's command in the project; its status."""
        command = f"cd {shlex.quote(str(ROOT))} && {command}"
        argv = ["sh", "-c", command]
        if self.root:
            argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter",
                    self.root, ROOT, command]
        with open(log, "ab") as out:
            return subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=out, timeout=SECONDS, check=False).returncode

    def ask(self, command):
        """The first line that a command prints."""
        log = STORE / "asked"
        log.unlink(missing_ok=True)
        self.run(command, log)
        return (log.read_text().splitlines() or ["?"])[0]


def needed():
    """The packages that building needs, from the script that brings them."""
    script = (ROOT / "deploy" / "dependencies.sh").read_text()
    return {*re.findall(r"^build +\w+ +\S+ +(\S+)$", script, re.M), *MORE}


def debian13():
    """Debian 13, unpacked once. A root that was left half way is not used."""
    root = STORE / f"{SUITE}-root"
    if not root.exists():
        half = STORE / f"{SUITE}-half"
        print(f"unpacking Debian's {SUITE}", flush=True)
        subprocess.run(["rm", "-rf", "--one-file-system", half], check=True)
        machines.run("mmdebstrap", "--variant=apt", f"--include={','.join(sorted(needed()))}", SUITE,
                     half, machines.archive(""), timeout=SECONDS)
        half.rename(root)
    return Place("Debian 13", root)


def counts(text):
    """(tested, passed) by the last line of a Criterion program."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    found = re.findall(r"Tested: (\d+) \| Passing: (\d+)", plain)
    return tuple(map(int, found[-1])) if found else (0, 0)


def build(place, compiler):
    """Builds and tests; whether all was well."""
    directory = STORE / f"{place.root.name.removesuffix('-root') if place.root else 'here'}-{compiler}"
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "log"
    log.write_text("")
    relative = directory.relative_to(ROOT)
    make = (f"make -j{os.cpu_count()} V=1 WERROR=1 CC={compiler} BUILD={relative} COMMIT=compilers all "
            f"{relative}/test-unit {relative}/test-bpf {relative}/flood {relative}/verify")
    print(f"{place.name}, {place.ask(compiler + ' --version')}: ", end="", flush=True)
    if place.run(make, log):
        print("does not build")
        print("\n".join(line for line in log.read_text().splitlines()
                        if re.search("(error|warning): ", line)))
        return False
    said, good = ["builds"], True
    for name in ("test-unit", "test-bpf"):
        out = directory / f"{name}.log"
        out.write_text("")
        status = place.run(f"{relative}/{name}", out)
        tested, passed = counts(out.read_text(errors="replace"))
        said.append(f"{name} {passed}/{tested}")
        good = good and not status and tested == passed > 0
        if status or tested != passed:
            print("\n" + "\n".join(line for line in out.read_text(errors="replace").splitlines()
                                   if "FAIL" in line or "CRASH" in line or "ssert" in line))
    print(", ".join(said), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--here", action="store_true", help="this machine's compilers alone")
    where.add_argument("--debian13", action="store_true", help="those of Debian 13 alone")
    parser.add_argument("--compiler", choices=COMPILERS, action="append", help="this one alone")
    options = parser.parse_args()
    STORE.mkdir(parents=True, exist_ok=True)
    release = pathlib.Path("/etc/os-release").read_text()
    name = re.search(r'^PRETTY_NAME="?([^"\n]*)', release, re.M)[1].split(" (")[0]
    places = [] if options.debian13 else [Place(name)]
    if not options.here:
        try:
            places.append(debian13())
        except machines.Unavailable as missing:
            print(f"no Debian 13: {missing}")
            return 1
    done = [build(place, compiler) for place in places
            for compiler in options.compiler or COMPILERS]
    print(f"{sum(done)} passed, {len(done) - sum(done)} failed")
    return 0 if all(done) else 1


sys.exit(main())
