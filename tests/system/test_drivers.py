# SPDX-License-Identifier: BSD-2-Clause
"""What a driver says when it refuses the filter, and what comes of it. veth takes no program while
its peer sends on more queues than it receives on."""
import pytest

from kit.devices import ADDRESS, PROTECTED
from kit.fence import Fence
from kit.lab import wait_until

WORDS = "veth: XDP expects number of rx queues not less than peer tx queues"


@pytest.fixture(name="narrow")
def _narrow(lab):
    """An interface whose driver refuses."""
    lab.host.ip("link", "add", "new0", "numrxqueues", "4", "numtxqueues", "4", "type", "veth", "peer",
                "name", "far0", "numrxqueues", "4", "numtxqueues", "4")
    channels(lab, "new0", rx=1, tx=1)
    channels(lab, "far0", rx=1, tx=4)
    lab.host.ip("link", "set", "far0", "up")
    lab.host.ip("link", "set", "new0", "up")
    return "new0"


def channels(lab, name, **wanted):
    words = [word for pair in wanted.items() for word in pair]
    lab.host.run("ethtool", "-L", name, *words)


def attached(fence, name, mode):
    wait_until(lambda: (fence.interface(name) or {}).get("attach_mode") == mode, 15,
               f"{name} in {mode} mode")


def test_native_mode_that_is_refused_tells_the_drivers_words(lab, narrow):
    with Fence(lab, client=[narrow], cluster=[], trusted=["*"], attach="native") as fence:
        row = fence.interface(narrow)
        assert not row["attached"]
        assert row["problem"] == (f"the kernel refuses to attach natively: {WORDS} "
                                  "(attach: auto would try generic mode)")
        assert WORDS in fence.log()
        assert lab.host.program(narrow) is None  # asking why has left nothing
        channels(lab, narrow, rx=4)
        attached(fence, narrow, "native")


def test_generic_mode_for_a_drivers_sake_says_why_and_is_no_problem(lab, narrow):
    with Fence(lab, client=[narrow], cluster=[], trusted=["*"]) as fence:
        row = fence.interface(narrow)
        assert (row["attach_mode"], row["problem"]) == ("generic", None)
        assert row["note"] == f'not native: the driver says "{WORDS}"'
        assert f"note: {narrow}: {row['note']}" in fence.tell("status")
        (line,) = [line for line in fence.log().splitlines() if WORDS in line]
        assert " info attached " in line
        assert not any(one["note"] for one in fence.json("status")["interfaces"]
                       if one["name"] != narrow)


def test_bridge_in_generic_mode_needs_no_explanation(lab):
    lab.host.ip("link", "add", "br0", "type", "bridge")
    with Fence(lab, client=["br0"], cluster=[], trusted=["*"]) as fence:
        row = fence.interface("br0")
        assert (row["attach_mode"], row["problem"], row["note"]) == ("generic", None, None)


def test_what_a_driver_refused_is_tried_again_when_it_may_have_changed_and_nothing_comes_in(
        lab, narrow):
    with Fence(lab, client=[narrow], cluster=[], trusted=["*"]) as fence:
        link = next(fence.pins.glob("link-*")).stat().st_ino
        channels(lab, narrow, rx=4)
        wait_until(lambda: "have changed since" in (fence.interface(narrow)["note"] or ""), 15,
                   "the change is told")
        row = fence.interface(narrow)
        assert row["attach_mode"] == "generic"  # the interface is up: there is to be no gap
        assert fence.explain(narrow, "192.0.2.1", ADDRESS, PROTECTED)["verdict"] == "drop"
        lab.host.ip("link", "set", narrow, "down")
        attached(fence, narrow, "native")
        assert fence.interface(narrow)["note"] is None
        assert fence.explain(narrow, "192.0.2.1", ADDRESS, PROTECTED)["verdict"] == "drop"
        lab.host.ip("link", "set", narrow, "up")
        assert link not in {path.stat().st_ino for path in fence.pins.glob("link-*")}


def test_what_is_refused_still_goes_on_in_generic_mode(lab, narrow):
    with Fence(lab, client=[narrow], cluster=[], trusted=["*"]) as fence:
        lab.host.ip("link", "set", narrow, "mtu", "1400")
        wait_until(lambda: "have changed since" in (fence.interface(narrow)["note"] or ""), 15,
                   "the change is told")
        lab.host.ip("link", "set", narrow, "down")
        wait_until(lambda: "driver says" in fence.interface(narrow)["note"], 20,
                   "it was tried, and refused")
        assert fence.interface(narrow)["attach_mode"] == "generic"
        assert fence.log().count("mode=native") == len(
            [one for one in fence.json("status")["interfaces"]
             if one["attach_mode"] == "native"])


def test_an_interface_that_is_down_for_a_moment_keeps_its_program(lab, narrow):
    with Fence(lab, client=[narrow], cluster=[], trusted=["*"]) as fence:
        channels(lab, narrow, rx=4)
        program = lab.host.program(narrow)
        lab.host.ip("link", "set", narrow, "down")
        lab.host.ip("link", "set", narrow, "up")
        wait_until(lambda: "have changed since" in (fence.interface(narrow)["note"] or ""), 15,
                   "the change is told")
        assert lab.host.program(narrow) == program
