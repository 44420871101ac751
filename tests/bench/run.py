# SPDX-License-Identifier: BSD-2-Clause
"""The whole bench: a table as it goes, and build/bench.json.

    /usr/bin/python3 tests/bench/run.py [--short] [--json FILE] [PART ...]

PART is one or more of: frames floods traffic agent others. --short takes a minute instead of nine.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import agent  # noqa: E402
import floods  # noqa: E402
from kit import lab as labs  # noqa: E402
import traffic  # noqa: E402
from report import Report  # noqa: E402


def frames(report, short):
    """What build/bench measures; returns what it says of the machine."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        done = subprocess.run([labs.BUILD / "bench", "--json", file.name, "3" if short else "61"],
                              check=False)
        if done.returncode:
            sys.exit("bench: build/bench failed")
        found = json.load(file)
    report.results += found.pop("results")
    return found


def others(_, short):
    """The benches of single features, which print tables of their own. Too long for the short form."""
    for name, rounds in (("peers.py", ()), ("flood.py", ("--rounds", "5")),
                         ("watch.py", ("--rounds", "5"))):
        if not short:
            print(f"\n{name}:", flush=True)
            subprocess.run([sys.executable, pathlib.Path(__file__).with_name(name), *rounds],
                           check=False)


PARTS = {
    "frames": frames,
    "floods": lambda report, short: floods.run(report, 2 if short else 11, 0.3 if short else 1.0),
    "traffic": lambda report, short: traffic.run(report, 1 if short else 7, 0.3 if short else 0.4),
    "agent": lambda report, short: agent.run(report, 1 if short else 5, 1 if short else 10),
    "others": others,
}


def summary(results):
    """What the targets come to."""
    judged = [one for one in results if "met" in one]
    missed = [one for one in judged if not one["met"]]
    print(f"\n{len(judged) - len(missed)} of {len(judged)} targets met")
    for one in missed:
        print(f"  missed: {one['group']}: {one['name']}: {one['median']:.3g} {one['unit']}, "
              f"target {one['target']:g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--short", action="store_true", help="fewer rounds: about a minute")
    parser.add_argument("--json", type=pathlib.Path, default=labs.BUILD / "bench.json")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part \"{unknown.pop()}\": there are {', '.join(PARTS)}")
    labs.unwind_on_signals()
    began = time.monotonic()
    facts = {"parts": {}}
    if arguments.parts and arguments.json.exists():  # what is not run now stays as it was
        facts = json.loads(arguments.json.read_text())
    for name, part in PARTS.items():
        if not arguments.parts or name in arguments.parts:
            report = Report()
            facts.update(part(report, arguments.short) or {})
            facts["parts"][name] = {"short": arguments.short, "results": report.results}
    results = [one for part in facts["parts"].values() for one in part["results"]]
    summary(results)
    arguments.json.write_text(json.dumps(facts, indent=1) + "\n")
    print(f"\n{time.monotonic() - began:.0f} s; all figures are in {arguments.json}")


if __name__ == "__main__":
    main()
