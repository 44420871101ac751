# SPDX-License-Identifier: BSD-2-Clause
"""Tests on other kernels: boots each in qemu and runs there what can only be shown there."""
import argparse
import os
import pathlib
import sys

import guest
import images

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEST_SECONDS = 600


def run_test(series, test):
    """One pytest file (or path::test) in a guest, its output as it comes. Returns its status."""
    image = images.image(series)
    print(f"== {test} on Linux {image.release}", flush=True)
    argv = ["/usr/bin/python3", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--color=no",
            "--rootdir", ROOT, test if os.path.isabs(test) else ROOT / test]
    with guest.Guest(image, argv, TEST_SECONDS) as one:
        for line in one.lines():
            print(line, flush=True)
        if one.status is None:
            print(one.console[-4000:])
            print(f"the guest did not end by itself within {TEST_SECONDS} s, or crashed")
        return one.status


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--linux", action="append", metavar="SERIES", help="6.1, or newest")
    parser.add_argument("--test", metavar="FILE", help="only this pytest file, e.g. tests/system/x.py")
    options = parser.parse_args()
    if missing := guest.lacks():
        sys.exit(f"kernels: this machine lacks {missing} (deploy/dependencies.sh kernels)")
    try:
        if options.test:
            statuses = [run_test(one, options.test) for one in options.linux or ["6.1"]]
            sys.exit(max(1 if status is None else status for status in statuses))
    except images.Unavailable as problem:
        sys.exit(f"kernels: {problem}")


if __name__ == "__main__":
    main()
