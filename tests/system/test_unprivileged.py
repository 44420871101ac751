# SPDX-License-Identifier: BSD-2-Clause
"""The agent with three capabilities and no more: as its unit runs it, without root, and as the
DaemonSet does, as a root who may not override any permission."""
import os
import pathlib
import re
import shutil

import pytest

from kit import erlang
from kit.fence import BEAMFENCED, Fence
from kit.lab import wait_until

SOMEBODY, ROOT_USER = 64532, 0
CAPABILITIES = "+bpf,+net_admin,+perfmon"


@pytest.fixture(name="fence", params=(SOMEBODY, ROOT_USER))
def _fence(lab, request):
    user = request.param
    fence = Fence(lab)
    os.chmod(lab.directory, 0o755)
    program = lab.directory / "beamfenced"
    shutil.copy(BEAMFENCED, program)
    os.chmod(program, 0o755)
    fence.pins.mkdir(mode=0o700)
    for path in (fence.pins, fence.config.parent):
        os.chown(path, user, user)
    fence.config.write_text(fence.config.read_text().replace("group: root", "group: nosuchgroup"))
    command = fence.command()
    fence.command = lambda: [
        "setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups",
        f"--inh-caps=-all,{CAPABILITIES}", f"--ambient-caps=-all,{CAPABILITIES}",
        f"--bounding-set=-all,{CAPABILITIES}", "--no-new-privs", program, *command[1:]]
    os.chmod(fence.config.parent / "notify.sock", 0o777)
    with fence:
        yield fence


def test_listeners_of_other_users_are_found_before_and_after_the_start(lab, fence):
    erlang.start_epmd(lab)
    autobound = erlang.launch_node(lab, "app")
    fixed = erlang.launch_node(lab, "fixed", port=9399)
    for node in (autobound, fixed):
        erlang.wait_for_node(node)
    for _ in range(2):
        # By the command line of root's process, by the kernel, and by epmd.
        assert fence.port(port=9399, node="fixed", source="cmdline")
        assert fence.port(port=autobound.port, node="app", source="autobound")
        assert fence.port(port=4369, source="config")
        assert lab.client.probe(lab.client.host4, 9399, 0.5) == "silent"
        fence.kill()
        fence.start()


def test_reload_and_detach_work_without_root(lab, fence):
    with lab.host.listen(4369):
        fence.configure(mode="audit")
        fence.config.write_text(fence.config.read_text().replace("group: root", "group: nosuch"))
        fence.tell("reload")
        assert lab.client.probe(lab.client.host4, 4369, 0.5) == "open"
        fence.tell("detach")
        wait_until(lambda: fence.process.poll() is not None, 5, "the agent has ended")
        assert lab.host.program("client0") is None


def test_threads_that_write_files_keep_no_capability(fence):
    def permitted():
        tasks = pathlib.Path(f"/proc/{fence.process.pid}/task")
        return {int(task.name): re.search(r"^CapPrm:\t0*(\w*)$", (task / "status").read_text(), re.M)[1]
                for task in tasks.iterdir()}

    wait_until(lambda: len(permitted()) > 2, 5, "they have written")
    assert permitted().pop(fence.process.pid)
    wait_until(lambda: not any(held for task, held in permitted().items()
                               if task != fence.process.pid), 5, "they gave up what they had")
