# SPDX-License-Identifier: BSD-2-Clause
"""Tests on other kernels: boots each in qemu and runs there what can only be shown there."""
import argparse
import os
import pathlib
import signal
import sys
import time

import guest
import images
import nics
import results

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SERIES = ("5.10", "6.1", "6.12", "6.18", images.NEWEST, "6.1-arm64", "6.12-arm64")
OLDEST = (5, 15)  # that is promised: of those before it, only what the verifier says is shown
PARTS = ("verifier", "frames", "attach", "system", "nics")
BRIEF_PARTS = ("verifier", "brief")
SECONDS, BRIEF_SECONDS, TEST_SECONDS = 1800, 240, 600
PATIENCE = 8  # an emulated machine is that much slower, and more on a busy host
PYTEST = ("/usr/bin/python3", "-m", "pytest", "-q", "-s", "-rs", "-p", "no:cacheprovider",
          "--color=no", "--rootdir")


def in_guest(image, preempt, argv, seconds, take):
    """Runs a command in a guest; each line goes to take(). Returns its status, or None."""
    environment = ("env", f"BEAMFENCE_BUILD={image.machine.inside(image.machine.build)}",
                   f"BEAMFENCE_PATIENCE={PATIENCE}", "BEAMFENCE_GUEST=1")
    with nics.Wire() as wire, \
            guest.Guest(image, [*environment, *argv], seconds,
                        [f"preempt={preempt}"] if preempt else [], wire) as one:
        if wire.problem:
            print(f"no network cards: {wire.problem}")
        for line in one.lines():
            take(line)
        if one.status is None:
            print(one.console[-4000:])
            print(f"the guest crashed, or did not end within {seconds} s")
        return one.status


def run_test(series, test, preempt):
    """One pytest file (or file::test) in a guest, its output as it comes."""
    image = images.image(series)
    print(f"== {test} on Linux {image.release}", flush=True)
    inside = image.machine.inside(ROOT)
    return in_guest(image, preempt, [*PYTEST, inside, inside / test], TEST_SECONDS,
                    lambda line: print(line, flush=True))


def run_kernel(series, brief, preempt):
    """Everything on one kernel. Raises Unavailable where it cannot be had."""
    image = images.image(series)
    result = results.Result(image.release)
    old = tuple(int(word) for word in image.series.split(".")) < OLDEST
    parts = BRIEF_PARTS if brief else PARTS[:1] if old else PARTS
    print(f"== Linux {image.release}: {', '.join(parts)}", flush=True)
    start = time.monotonic()

    def take(line):
        result.read(line)
        print(f"   {line}", flush=True)
    status = in_guest(image, preempt,
                      ["/usr/bin/python3", image.machine.inside(HERE / "inside.py"), *parts],
                      BRIEF_SECONDS if brief else SECONDS, take)
    if status != 0:
        result.failed()
    result.finished(parts)
    if old:
        result.counts = {"passed": 0, "failed": 0, "skipped": 1}
        print(f"   older than {OLDEST[0]}.{OLDEST[1]}: shown, and counted as skipped")
    print(f"   {time.monotonic() - start:.0f} s", flush=True)
    return result


def run_all(wanted, brief, preempt):
    """All kernels, their tables and the line with the sums. Returns an exit status."""
    done, skipped = [], 0
    for series in wanted:
        try:
            done.append(run_kernel(series, brief, preempt))
        except images.Unavailable as problem:
            print(f"== Linux {series}: skipped: cannot be had: {problem}", flush=True)
            skipped += 1
    if done:
        results.print_tables(done)
    sums = {word: sum(one.counts[word] for one in done)
            for word in ("passed", "failed", "skipped")}
    sums["skipped"] += skipped
    print("\n" + ", ".join(f"{number} {word}" for word, number in sums.items()))
    return 1 if sums["failed"] else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--linux", action="append", metavar="SERIES", help="6.1, or newest")
    parser.add_argument("--test", metavar="FILE", help="only this pytest file")
    parser.add_argument("--brief", action="store_true", help="Debian 12's kernel, in a minute")
    parser.add_argument("--preempt", metavar="MODE", help="full, or what else the kernel knows")
    options = parser.parse_args()
    if missing := guest.lacks():
        print(f"kernels: skipped: this machine lacks {missing}: deploy/dependencies.sh kernels")
        print("\n0 passed, 0 failed, 1 skipped")
        sys.exit(0 if options.brief else 1)
    if options.test:
        try:
            statuses = [run_test(one, options.test, options.preempt)
                        for one in options.linux or ["6.1"]]
        except images.Unavailable as problem:
            sys.exit(f"kernels: {problem}")
        sys.exit(max(1 if status is None else status for status in statuses))
    sys.exit(run_all(options.linux or (["6.1"] if options.brief else SERIES), options.brief,
                     options.preempt))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no guest is left behind
    main()
