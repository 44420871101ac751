# SPDX-License-Identifier: BSD-2-Clause
"""What "make kernels" does in each guest: one part after the other, as named. run.py reads it."""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ["BEAMFENCE_BUILD"])
OBJECTS = ("filter_xdp", "listeners", "gate", "occupant")
BRIEF = "test_agent_attaches_and_the_next_one_adopts_what_a_killed_one_left"
PYTEST = ("/usr/bin/python3", "-m", "pytest", "-q", "-s", "-rfs", "--tb=short", "--color=no",
          "-p", "no:cacheprovider", "--rootdir", ROOT)
# Alone: a guest need not have what the others import.
FOR_GUESTS = sorted(path for path in (ROOT / "tests/system").glob("test_*.py")
                    if "pytest.mark.kernels" in path.read_text(encoding="utf-8"))
PARTS = {
    "verifier": [BUILD / "verify", *(BUILD / f"{name}.bpf.o" for name in OBJECTS)],
    "frames": [BUILD / "test-bpf-plain"],
    "attach": [*PYTEST, HERE / "test_attach.py"],
    "brief": [*PYTEST, f"{HERE / 'test_attach.py'}::{BRIEF}"],
    "nics": [*PYTEST, HERE / "test_nics.py"],
    # Apart: the two directories have a conftest.py each.
    "system": [*PYTEST, "-m", "kernels", *FOR_GUESTS],
}

for part in sys.argv[1:]:
    print(f"== {part}", flush=True)
    done = subprocess.run([str(word) for word in PARTS[part]], check=False, cwd=ROOT,
                          stderr=subprocess.STDOUT)
    print(f"== end {part} {done.returncode}", flush=True)
