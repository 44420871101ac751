# SPDX-License-Identifier: BSD-2-Clause
"""Instructions that the pure code of the filter takes for each shape of frame, by callgrind.

    /usr/bin/python3 tests/bench/instructions.py SHAPES COMPILER [--accept]

They repeat exactly, so they guard speed where the machine is too noisy to time anything: more than
2 % above tests/bench/instructions.json fails. The numbers are of one compiler; others have none
until they are accepted. Exit status: 0 as good, 1 worse, 77 nothing to compare with.
"""
import json
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

ACCEPTED = pathlib.Path(__file__).with_name("instructions.json")
GROWTH = 1.02
HOW = "if that is meant, \"make instructions ACCEPT=1\" accepts it; commit the file then"
SKIPPED = 77


def count(shapes):
    """{shape: instructions}"""
    counts = {}
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no",
             f"--callgrind-out-file={directory}/out", shapes],
            capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            sys.exit(f"instructions: valgrind: {done.stderr.strip()[-800:]}")
        for part in pathlib.Path(directory).glob("out.*"):
            text = part.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
            total = re.search(r"^(?:summary|totals): (\d+)$", text, re.MULTILINE)
            if name and total:
                counts[name[1]] = int(total[1])
    return counts


def compiler_name(compiler):
    """Such as "clang 14 x86_64"."""
    said = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    number = re.search(r"version (\d+)", said.stdout)[1]
    return f"{pathlib.Path(compiler).name.split('-')[0]} {number} {platform.machine()}"


def show(counts, before):
    worse = 0
    print(f"{'instructions a frame':42}{'now':>6}{'before':>8}")
    for name, now in counts.items():
        old = before.get(name)
        grown = bool(before) and (old is None or now > old * GROWTH)
        worse += grown
        print(f"{name:42}{now:6}{'new' if old is None else old:>8}{'  MORE' if grown else ''}")
    return worse


def main():
    shapes, compiler = sys.argv[1:3]
    accepted = json.loads(ACCEPTED.read_text()) if ACCEPTED.exists() else {}
    name = compiler_name(compiler)
    counts = dict(sorted(count(shapes).items()))
    if not counts:
        sys.exit("instructions: valgrind counted nothing")
    worse = show(counts, accepted.get(name, {}))
    if "--accept" in sys.argv[3:]:
        accepted[name] = counts
        ACCEPTED.write_text(json.dumps(accepted, indent=1, sort_keys=True) + "\n")
        print(f"accepted for {name}: {ACCEPTED.name}")
    elif name not in accepted:
        print(f"instructions: skipped: no counts of {name} to compare with; {HOW}")
        sys.exit(SKIPPED)
    elif worse:
        sys.exit(f"instructions: FAILED: {worse} shapes take over 2 % more than accepted, or are "
                 f"new; {HOW}")


if __name__ == "__main__":
    main()
