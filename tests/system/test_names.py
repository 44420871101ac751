# SPDX-License-Identifier: BSD-2-Clause
"""Whatever `ip link` takes as the name of an interface can be named, and is shown without harm."""
import json
import os
import re

from kit.devices import ADDRESS, PROTECTED
from kit.fence import Fence, samples
from kit.lab import wait_until

# How it is called, and how an entry of the configuration says that.
NAMES = {
    "a.b": "a.b", "br-1a2b": "br-1a2b", "10G-a": "10G-a", "päd0": "päd0", "wan[1]": "wan[[]1]",
    "x*y": "x[*]y", "eth0.120": "eth0.120", "e.4095": "e[.]4095", "a,b'\"@$#": "a,b'\"@$#",
    "back\\slash": "back\\slash", "...": "...", "bell\a": "bell\a", "lo.5": "lo[.]5",
}


def plug(lab, *names):
    for name in names:
        lab.host.ip("link", "add", "name", name, "type", "bridge")


def explained(fence, name):
    done = fence.ask("--json", "explain", "--in", name, "--src", "192.0.2.1", "--dst", ADDRESS,
                     "--dport", PROTECTED)
    assert done.returncode == 0, (name, done.stderr)
    return json.loads(done.stdout)["verdict"]


def test_interface_of_any_name_can_be_named_and_is_shown_everywhere(lab):
    plug(lab, *NAMES, "xzy", "wan1")
    with Fence(lab, client=list(NAMES.values()), cluster=[]) as fence:
        status = fence.json("status")
        assert {one["name"]: one["attached"] for one in status["interfaces"]} == {
            name: True for name in NAMES}
        assert {"xzy", "wan1"} <= set(status["unassigned"])
        assert not fence.warnings("name of an interface")
        for name in NAMES:
            assert explained(fence, name) == "drop", name
        labels = {re.sub(r"\\(.)", r"\1", dict(labels)["interface"]) for (metric, labels), _ in
                  samples(fence.metrics()).items()
                  if metric == "beamfence_interface_attached"}
        assert labels == set(NAMES)
        rows = fence.tell("status")
        assert "bell\\x07" in rows and "\a" not in rows + fence.log()
        assert "back\\x5cslash" in rows
        assert 'interface="p\\xc3\\xa4d0"' in fence.log()
        attached = [one["interface"] for one in map(json.loads, fence.tell("--json", "events").splitlines())
                    if one["event"] == "interface" and one["what"] == "attached"]
        assert set(attached) == set(NAMES)


def test_name_that_is_no_text_is_shown_with_marks_and_spoils_nothing_else(lab):
    raw = os.fsdecode(b"r\xe4w0")
    lab.host.ip("link", "add", "name", raw, "type", "bridge")
    plug(lab, "fine0")
    with Fence(lab, client=["r*0"], cluster=[]) as fence:
        status, metrics = fence.json("status"), samples(fence.metrics())
        lab.host.ip("link", "del", raw)  # or it spoils what the lab reads
        assert metrics["beamfence_interface_attached", (
            ("interface", "r?w0"), ("mode", "generic"), ("zone", "client"))] == 1
        assert [one["name"] for one in status["interfaces"]] == ["r?w0"]
        assert status["interfaces"][0]["attached"] and "fine0" in status["unassigned"]
        assert 'interface="r?w0"' in fence.log() or "interface=r?w0" in fence.log()


def test_entry_that_may_be_meant_for_a_vlan_is_a_name_and_a_warning(lab):
    with Fence(lab, client=["client0.4095", "client0"], cluster=[]) as fence:
        (warning,) = fence.warnings("is taken for the name of an interface")
        assert 'write "client0[.]4095" if that is meant' in warning
        plug(lab, "client0.4095")
        wait_until(lambda: (fence.interface("client0.4095") or {}).get("attached"), 10,
                   "it is there")
