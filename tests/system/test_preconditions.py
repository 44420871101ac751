# SPDX-License-Identifier: BSD-2-Clause
"""A host that lacks something: the agent says in one line what to do, and leaves no trace."""
import os
import shutil
import subprocess

import pytest

from kit.fence import BEAMFENCED, Fence
from kit.lab import Lab


@pytest.fixture(name="fence", scope="module")
def _fence():
    """An agent that is not started, in a lab that any user may read."""
    with Lab("client") as lab:
        os.chmod(lab.directory, 0o755)
        fence = Fence(lab)
        fence.lab = lab
        yield fence


def refused(fence, *before, status=1):
    """Runs the agent behind another command, and returns the one line that it leaves."""
    command = [*before, *map(str, fence.command())]
    with fence.lab.host.entered():
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == status, (done.returncode, done.stderr)
    assert done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert not fence.pins.exists() or not list(fence.pins.iterdir())
    assert "xdp" not in fence.lab.host.ip("link", "show", "client0")
    return done.stderr


def unshared(script):
    """A command: that script in a mount namespace whose /sys is its own, then the agent."""
    return ["unshare", "--mount", "--propagation", "unchanged", "sh", "-ec",
            f'mount --make-rprivate /sys; {script}; exec "$@"', "sh"]


def test_not_root(fence):
    everyones = fence.lab.directory / "beamfenced"
    shutil.copy(BEAMFENCED, everyones)
    os.chmod(everyones, 0o755)
    command = fence.command()
    fence.command = lambda: [everyones, *command[1:]]
    try:
        line = refused(fence, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    finally:
        del fence.command
    assert "root" in line or "CAP_" in line


def test_no_bpf_file_system(fence):
    line = refused(fence, *unshared("umount -R /sys/fs/bpf"))
    assert "mount -t bpf bpf /sys/fs/bpf -o mode=0700" in line


def test_no_btf_of_the_kernel(fence):
    line = refused(fence, *unshared("mount -t tmpfs none /sys/kernel/btf"))
    assert "BTF" in line


def test_no_configuration(fence):
    fence.config.rename(fence.config.with_suffix(".away"))
    try:
        line = refused(fence, status=78)  # EX_CONFIG: no restart mends that
    finally:
        fence.config.with_suffix(".away").rename(fence.config)
    assert str(fence.config) in line


def test_wrong_usage_is_status_2():
    for words in (["--nosuch"], ["--config"], ["surplus"]):
        done = subprocess.run([BEAMFENCED, *words], capture_output=True, text=True, timeout=10,
                              check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), (words, done)
