# SPDX-License-Identifier: BSD-2-Clause
"""make coverage: lines and branches of agent and command line that tests reached, by what gcov says.

Prints totals, then the files of which least was reached; --lines FILE prints what of one was not.
"""
import argparse
import collections
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROW = "{:<34} {:>13} {:>6} {:>13} {:>6}"


class File:
    """What was counted in one source file, in all programs that it is in."""

    def __init__(self):
        self.lines = collections.Counter()
        self.branches = collections.Counter()

    def add(self, lines):
        for line in lines:
            number = line["line_number"]
            self.lines[number] += line["count"]
            for index, branch in enumerate(line["branches"]):
                self.branches[number, index] += branch["count"]

    def counts(self):
        """Reached and all: lines, branches."""
        return [(sum(1 for count in one.values() if count), len(one))
                for one in (self.lines, self.branches)]


def measure(build):
    files = collections.defaultdict(File)
    for data in sorted(build.rglob("*.gcda")):
        if "user" not in data.parts:
            continue
        done = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", data],
                              cwd=ROOT, text=True, capture_output=True, check=True)
        for line in done.stdout.splitlines():
            for one in json.loads(line)["files"]:
                if one["file"].startswith("user/"):
                    files[one["file"]].add(one["lines"])
    return files


def row(name, counts):
    cells = [text for reached, of in counts
             for text in (f"{reached}/{of}", f"{100 * reached / of:.0f} %" if of else "-")]
    return ROW.format(name, *cells)


def total(files):
    counts = [one.counts() for one in files]
    return [tuple(map(sum, zip(*kind))) for kind in zip(*counts)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--worst", type=int, default=15, help="files that are named")
    parser.add_argument("--lines", metavar="FILE")
    options = parser.parse_args()
    files = measure(options.build.resolve())
    if options.lines:
        text = (ROOT / options.lines).read_text().splitlines()
        for number, count in sorted(files[options.lines].lines.items()):
            if not count:
                print(f"{number:5} {text[number - 1]}")
        return
    print(ROW.format("", "lines", "", "branches", ""))
    for part in ("core", "kernel", "agent", "cli"):
        print(row(f"user/{part}", total([one for name, one in files.items()
                                         if name.startswith(f"user/{part}/")])))
    print(row("all", total(files.values())))
    print()

    def share(name):
        reached, of = files[name].counts()[0]
        return reached / max(of, 1)

    for name in sorted(files, key=share)[:options.worst]:
        print(row(name, files[name].counts()))


if __name__ == "__main__":
    main()
