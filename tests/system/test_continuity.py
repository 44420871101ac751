# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces that come and go while the agent looks elsewhere, and what else may go by it."""
import collections
import contextlib
import fcntl
import os
import signal

import pytest

from kit.fence import Fence
from kit.lab import LabError, wait_until

EPMD = 4369
NEW4 = "10.77.50.1"


def make_interface(lab, name="new0", index=None):
    """A further client interface of the host, up and with an address."""
    host = lab.host
    host.ip("link", "add", name, *(("index", str(index)) if index else ()), "type", "veth",
            "peer", "name", f"{name}p", "netns", lab.client.name)
    host.ip("addr", "add", f"{NEW4}/24", "dev", name)
    host.ip("link", "set", name, "up")
    lab.client.ip("addr", "add", "10.77.50.2/24", "dev", f"{name}p")
    lab.client.ip("link", "set", f"{name}p", "up")


@pytest.fixture
def new_interface(lab):
    yield lambda **more: make_interface(lab, **more)
    remove(lab, "new0")


def remove(lab, name):
    with contextlib.suppress(LabError):
        lab.host.ip("link", "del", name)


def is_closed(lab):
    return lab.client.probe(NEW4, EPMD, 0.5) == "silent"


def index_of(lab, name):
    return int(lab.host.ip("-o", "link", "show", name).split(":")[0])


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(") ")[2][0]


def test_interface_made_anew_with_the_same_name_and_index_is_fenced(lab, new_interface):
    new_interface()
    with lab.host.listen(EPMD), Fence(lab, client=["client0", "new0"]) as fence:
        assert is_closed(lab)
        index = index_of(lab, "new0")
        os.kill(fence.process.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(fence.process.pid) == "T", 5, "the agent has stopped")
        lab.host.ip("link", "del", "new0")
        new_interface(index=index)
        assert not is_closed(lab)  # nobody is there to fence it
        os.kill(fence.process.pid, signal.SIGCONT)
        wait_until(lambda: is_closed(lab), 10, "the new interface is fenced")
        assert fence.interface("new0")["attached"]


def test_interface_that_comes_while_the_agent_starts_is_fenced(lab, new_interface):
    with lab.host.listen(EPMD):
        fence = Fence(lab, client=["client0", "new0"])
        fence.launch()
        wait_until(fence.pins.exists, 5, "the agent has begun to load")
        new_interface()
        fence.wait_for("READY=1")
        wait_until(lambda: is_closed(lab), 10, "the new interface is fenced")


def test_counters_of_an_interface_made_anew_go_on_and_stand_once(lab, new_interface):
    new_interface()
    with lab.host.listen(EPMD), Fence(lab, client=["client0", "new0"]) as fence:
        assert is_closed(lab)
        before = fence.count(interface="new0", reason="client-new")
        lab.host.ip("link", "del", "new0")
        new_interface()
        wait_until(lambda: fence.interface("new0")["attached"], 10, "it is attached again")
        assert is_closed(lab)
        assert fence.count(interface="new0", reason="client-new") > before > 0
        series = collections.Counter(line.rsplit(" ", 1)[0] for line in
                                     fence.metrics().splitlines() if not line.startswith("#"))
        assert [name for name, count in series.items() if count > 1] == []


def test_detach_past_a_living_agent_is_refused_and_names_it(lab):
    with lab.host.listen(EPMD), Fence(lab) as fence:
        done = fence.run("--socket", "/nonexistent/control.sock", "detach", "--pin-dir",
                         fence.pins)
        assert done.returncode == 1
        assert str(fence.process.pid) in done.stderr
        assert len(done.stderr.splitlines()) == 1
        fence.kill()
        assert lab.client.probe(lab.client.host4, EPMD, 0.5) == "silent"


def test_more_interfaces_than_there_is_room_for_are_said_and_the_clients_come_first(lab):
    names = [f"dummy{number}" for number in range(66)]
    try:
        for name in names:
            lab.host.ip("link", "add", name, "type", "veth", "peer", "name", f"{name}p")
        with Fence(lab, client=["client0"], cluster=["cluster*"], trusted=["dummy*"]) as fence:
            assert fence.interface("client0")["attached"]
            rows = fence.json("status")["interfaces"]
            left_out = [row for row in rows if not row["attached"]]
            assert len([row for row in rows if row["attached"]]) == 64
            assert left_out and all("no room" in row["problem"] for row in left_out)
            assert all(row["zone"] == "trusted" for row in left_out)
            fence.tell("reload")
    finally:
        for name in names:
            remove(lab, name)


def test_log_that_nobody_reads_does_not_hold_up_the_agent(lab):
    fence = Fence(lab)
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    try:
        fence.launch(stderr=writer)
        fence.wait_for("READY=1")
        for _ in range(size // 40):  # each says more than that
            fence.tell("reload")
    finally:
        os.close(reader)
        os.close(writer)


def test_vlan_zone_on_a_bridge_is_said_not_to_be_in_force(lab):
    """A bridge gets its frames without their tags: a zone that cannot be kept must not look kept."""
    lab.host.ip("link", "add", "bridge0", "type", "bridge")
    with Fence(lab, client=["client0"], cluster=["bridge0.120"]) as fence:
        assert "not in force" in fence.interface("bridge0.120")["problem"]
        assert fence.interface("client0")["problem"] is None
