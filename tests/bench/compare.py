# SPDX-License-Identifier: BSD-2-Clause
"""What a frame costs in this build and in one of another commit, measured in turns.

    /usr/bin/python3 tests/bench/compare.py [--pairs N] COMMIT [CASE ...]

CASE is a part of a case's name, as "make bench" prints it. A shared machine may run at half its
speed for seconds, so each ratio is of two runs that follow each other; the table has their median,
and the tenth percentile of each build's times.
"""
import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BEAMFENCE_BUILD", ROOT / "build")).resolve()
CASES = ("TCP to another port", "...", "UDP", "drop, IPv", "drop, events", "peer, 1 IPv",
         "peer, 10,000 IPv", "stranger, 10,000")
ROUNDS = "15"


def build(commit):
    """The other commit's bench, built once below the build directory."""
    name = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short=12", f"{commit}^{{commit}}"],
                          check=True, capture_output=True, text=True).stdout.strip()
    tree = BUILD / "compared" / name
    if not tree.exists():
        tree.mkdir(parents=True)
        with subprocess.Popen(["git", "-C", ROOT, "archive", name],
                              stdout=subprocess.PIPE) as archive:
            subprocess.run(["tar", "-C", tree, "-x"], stdin=archive.stdout, check=True)
    subprocess.run(["make", "-s", "-C", tree, "-j2", "build/bench"], check=True,
                   stdout=subprocess.DEVNULL)
    return tree / "build" / "bench"


def measure(program, case):
    """The medians of its cases, in ns."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([program, "--json", file.name, ROUNDS, case], check=True,
                       stdout=subprocess.DEVNULL)
        results = json.load(file)["results"]
    return {one["name"]: one["median"] for one in results if one["unit"] == "ns"}


def tenth(values):
    return sorted(values)[len(values) // 10]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("commit")
    parser.add_argument("cases", nargs="*", default=CASES)
    arguments = parser.parse_args()
    programs = (build(arguments.commit), BUILD / "bench")
    if not programs[1].exists():
        sys.exit(f"compare: {programs[1]} is missing: run make bench-short first")
    print(f"{'ns over an empty program':40} {'before':>8} {'now':>8} {'ratio':>8}")
    for case in arguments.cases:
        times = collections.defaultdict(lambda: ([], []))
        for pair in range(arguments.pairs):
            for side in (0, 1) if pair % 2 else (1, 0):
                for name, median in measure(programs[side], case).items():
                    times[name][side].append(median)
        for name, (before, now) in times.items():
            ratio = statistics.median(b / a for a, b in zip(before, now))
            print(f"{name:40} {tenth(before):8.1f} {tenth(now):8.1f} {ratio:8.3f}", flush=True)


if __name__ == "__main__":
    main()
