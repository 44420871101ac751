# SPDX-License-Identifier: BSD-2-Clause
"""Frames received against frames counted, where nothing is wrong: no alarm, and nothing is mended.

Drivers that do not run what is attached: tests/kernels/test_nics.py.
"""
import time

import pytest

from kit.fence import Fence, samples
from kit.frames import IP, UDP, Ether

LOOKS_S = 12  # two checks of the agent, and a look a second after each


def frames(lab, name="client0"):
    """Some that the filter leaves untouched."""
    with lab.client.wire("eth0") as wire:
        for _ in range(8):
            wire.send(Ether(dst=lab.host.mac(name), src=lab.client.mac("eth0")) /
                      IP(src="10.77.1.2", dst="10.77.1.1") / UDP(sport=9, dport=9) / b"x")


def nothing(_):
    pass


@pytest.fixture
def fence(lab):
    with Fence(lab, client=("client*",)) as one:
        yield one


def stays_quiet(lab, fence, meanwhile, name="client0"):
    """For two checks' time nothing is said or changed."""
    program, end = lab.host.program(name), time.monotonic() + LOOKS_S
    while time.monotonic() < end:
        meanwhile(lab)
        time.sleep(0.5)  # the time itself is what is tested
    assert lab.host.program(name) == program
    assert "not run" not in fence.log() and "not-run" not in fence.tell("--json", "events")
    state = fence.interface(name)
    assert (state["attach_mode"], state["problem"]) == ("native", None)
    page = samples(fence.metrics())
    assert page["beamfence_warnings", (("kind", "not-run"),)] == 0
    assert page["beamfence_warnings", (("kind", "large-frames-lost"),)] == 0


@pytest.mark.parametrize("meanwhile", [nothing, frames], ids=["idle", "untouched"])
def test_no_alarm_where_the_filter_is_run(lab, fence, meanwhile):
    stays_quiet(lab, fence, meanwhile)


def test_no_alarm_while_down_nor_after(lab, fence):
    lab.host.ip("link", "set", "client0", "down")
    stays_quiet(lab, fence, nothing)
    lab.host.ip("link", "set", "client0", "up")
    stays_quiet(lab, fence, frames)


def test_no_alarm_after_a_restart_and_a_rename_that_go_on_with_other_counters(lab, fence):
    frames(lab)
    fence.kill()
    frames(lab)
    fence.start()
    lab.host.ip("link", "set", "client0", "name", "client7")
    lab.host.ip("link", "set", "client7", "up")
    stays_quiet(lab, fence, lambda lab: frames(lab, "client7"), "client7")


def test_no_alarm_at_a_large_mtu_on_a_device_of_the_kernel_itself(lab, fence):
    lab.client.ip("link", "set", "eth0", "mtu", "9000")
    lab.host.ip("link", "set", "client0", "mtu", "9000")
    assert fence.interface("client0")["attach_mode"] == "native"
    stays_quiet(lab, fence, frames)
