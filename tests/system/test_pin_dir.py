# SPDX-License-Identifier: BSD-2-Clause
"""The pin directory is nobody's but root's and the agent's: who owns it can take the filter away."""
import contextlib
import os
import shutil
import subprocess

import pytest

from kit.fence import Fence
from kit.lab import BPFFS, Lab, run, wait_until

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client") as lab:
        lab.web(4369)
        yield lab


@pytest.fixture(name="fence")
def _fence(lab):
    fence = Fence(lab, clusters=())
    yield fence
    fence.close()


def refused(fence):
    """The one line by which the agent refuses to start; nothing is attached."""
    fence.log_path.unlink(missing_ok=True)
    fence.launch()
    assert fence.process.wait(15) == 1
    lines = fence.log().splitlines()
    assert len(lines) == 1, lines
    assert not fence.programs()
    return lines[0]


def test_a_directory_that_somebody_else_made_is_refused_and_never_taken_over(fence):
    run(*AS_NOBODY, "mkdir", "-m", "0777", fence.pins)
    line = refused(fence)
    assert str(fence.pins) in line and f"uid {NOBODY}" in line and "rm -r" in line
    assert fence.pins.stat().st_uid == NOBODY
    os.chmod(fence.pins, 0o700)
    assert f"uid {NOBODY}" in refused(fence)
    fence.pins.rmdir()
    fence.start()
    assert fence.pins.stat().st_mode & 0o777 == 0o700
    for attack in (["rm", "-f", fence.pins / "tables"], ["mv", fence.pins, f"{fence.pins}-gone"]):
        assert subprocess.run([*AS_NOBODY, *attack], capture_output=True, check=False).returncode


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_directory_that_others_may_write_to_is_refused_until_it_is_mended(fence, mode):
    fence.pins.mkdir()
    fence.pins.chmod(mode)
    line = refused(fence)
    assert str(fence.pins) in line and f"{mode:04o}" in line and "chmod 0700" in line
    fence.pins.chmod(0o700)
    fence.start()


def test_what_somebody_else_pinned_is_not_adopted(fence):
    fence.start()
    fence.kill()
    os.chown(fence.pins / "peers", NOBODY, NOBODY)
    fence.log_path.unlink()
    fence.launch()
    assert fence.process.wait(15) == 1
    assert f"{fence.pins}/peers" in fence.log() and f"uid {NOBODY}" in fence.log()
    assert fence.programs(), "what is in force stays"
    os.chown(fence.pins / "peers", 0, 0)
    fence.start()


@contextlib.contextmanager
def inner_directory(fence, mode, owner):
    """Has the fence pin below a directory of its own in the bpf file system."""
    above = BPFFS / f"beamfence-test-{fence.pins.name}-above"
    above.mkdir()
    try:
        os.chown(above, owner, owner)
        above.chmod(mode)
        fence.pins = above / "pins"
        yield above
    finally:
        shutil.rmtree(above, ignore_errors=True)


@pytest.mark.parametrize("mode, owner", [(0o755, NOBODY), (0o777, 0), (0o1777, NOBODY)])
def test_a_directory_above_that_is_others_to_change_is_refused(fence, mode, owner):
    with inner_directory(fence, mode, owner) as above:
        line = refused(fence)
        assert f"{above} is owned by uid {owner}" in line and f"{mode:04o}" in line


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_directory_above_in_which_others_can_change_nothing_of_ours_will_do(fence, mode):
    with inner_directory(fence, mode, 0):
        fence.start()
        assert fence.programs()
        fence.tell("detach")


def test_a_symbolic_link_is_no_pin_directory(fence):
    other = BPFFS / f"{fence.pins.name}-other"
    other.mkdir(0o700)
    try:
        fence.pins.symlink_to(other)
        assert str(fence.pins) in refused(fence)
    finally:
        fence.pins.unlink()
        other.rmdir()


def test_detach_works_in_a_directory_of_somebody_elses(fence):
    """Or the way out of an old one would be blocked."""
    fence.start()
    fence.kill()
    os.chown(fence.pins, NOBODY, NOBODY)
    done = fence.run("detach", "--pin-dir", fence.pins)
    assert done.returncode == 0, done.stderr
    assert not fence.pins.exists()


def test_a_directory_that_is_swapped_while_the_agent_runs_is_not_pinned_to(fence):
    fence.start()
    away = BPFFS / f"{fence.pins.name}-away"
    fence.pins.rename(away)
    try:
        run(*AS_NOBODY, "mkdir", fence.pins)
        wait_until(lambda: fence.warnings(f"uid {NOBODY}"), 10, "the agent says whose it is")
        assert not list(fence.pins.iterdir())
    finally:
        shutil.rmtree(away)
