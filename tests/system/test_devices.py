# SPDX-License-Identifier: BSD-2-Clause
"""VLAN devices, bonds and VRFs of any name, real ones: where the kernel has none, nothing is shown.

What the plan makes of them is shown everywhere, by tests/unit/test_plan_devices.c and
test_plan_vlans.c.
"""
import pytest

from kit.devices import ADDRESS, PROTECTED, Deluge, Witness, missing_kinds
from kit.fence import Fence
from kit.lab import wait_until

pytestmark = pytest.mark.kernels


def needs(*kinds):
    if missing := missing_kinds(*kinds):
        pytest.skip(f"this kernel cannot make devices of kind: {', '.join(missing)}")


def zone(fence, name, *more):
    return fence.explain(name, "192.0.2.1", ADDRESS, PROTECTED, *more)["zone"]


def row(fence, name):
    return next((one for one in fence.json("status")["interfaces"] if one["name"] == name), None)


def becomes(fence, name, **wanted):
    wait_until(lambda: (found := row(fence, name)) and
               all(found[key] == value for key, value in wanted.items()), 10,
               f"{name} with {wanted}: {fence.json('status')['interfaces']}")


def plug_in(lab, deluge, name="nic0"):
    deluge.plug(lab.host, name)
    lab.host.ip("link", "set", name, "up")
    lab.client.run("ethtool", "-K", f"{name}p", "txvlan", "off")


def carries(lab, deluge, name, frames=2000):
    before = deluge.arriving(lab.host, name)
    wait_until(lambda: deluge.arriving(lab.host, name) > before + frames, 10,
               f"{name} carries the flood")


def test_vlan_device_of_any_name_stands_for_its_vlan_under_flood(lab):
    needs("vlan")
    with Deluge(lab.client, vlan=120) as deluge:
        plug_in(lab, deluge)
        with Fence(lab, client=["client0", "mgmt"], trusted=["nic0"]) as fence, \
                Witness(lab.host) as witness:
            carries(lab, deluge, "nic0")
            wait_until(lambda: witness.look() > 1000, 10, "trusted, VLAN and all")
            lab.host.ip("link", "add", "link", "nic0", "name", "other", "type", "vlan", "id", "120")
            becomes(fence, "nic0", zone="trusted", attached=True)
            lab.host.ip("link", "set", "other", "name", "mgmt")
            lab.host.ip("link", "set", "mgmt", "up")
            becomes(fence, "mgmt", zone="client", attached=True, on="nic0.120")
            becomes(fence, "nic0.120", zone="client", attached=True)
            carries(lab, deluge, "nic0", 100)
            before = witness.look()
            carries(lab, deluge, "nic0")
            assert witness.look() == before
            assert lab.host.program("mgmt") is None
            assert zone(fence, "mgmt") == "client" and zone(fence, "nic0") == "trusted"
            assert fence.count(interface="nic0.120", reason="client-new") > 0
        lab.host.ip("link", "del", "nic0")


def test_of_stacked_vlans_the_outer_one_chooses_and_the_stricter_zone_holds(lab):
    needs("vlan")
    add = lambda low, name, *kind: lab.host.ip(  # noqa: E731
        "link", "add", "link", low, "name", name, "type", "vlan", *kind)
    add("client0", "outer", "proto", "802.1ad", "id", "100")
    add("outer", "inner", "id", "200")
    with Fence(lab, client=["client0"], cluster=["inner"], trusted=["outer"]) as fence:
        assert zone(fence, "client0") == "client"
        assert zone(fence, "client0", "--vlan", 100) == "cluster"
        assert zone(fence, "inner") == zone(fence, "outer") == "cluster"
        assert fence.warnings("outer", "stricter")
        assert row(fence, "inner")["on"] == "client0.100"


def test_members_of_a_bond_carry_its_zone_as_they_join_and_leave(lab):
    needs("bond", "vlan")
    with Deluge(lab.client) as deluge, \
            Fence(lab, client=["client0", "uplink"], cluster=["uplink.7"]) as fence:
        lab.host.ip("link", "add", "uplink", "type", "bond", "mode", "active-backup")
        lab.host.ip("link", "set", "uplink", "up")
        becomes(fence, "uplink", attached=False)
        assert "members" in row(fence, "uplink")["problem"]
        deluge.plug(lab.host, "nic0")
        lab.host.ip("link", "set", "nic0", "master", "uplink")
        becomes(fence, "uplink", zone="client", attached=True, on="nic0")
        with Witness(lab.host) as witness:
            lab.host.ip("link", "set", "nic0", "up")
            carries(lab, deluge, "nic0")
            assert witness.look() == 0
        lab.host.ip("link", "add", "link", "uplink", "name", "peers", "type", "vlan", "id", "7")
        wait_until(lambda: zone(fence, "peers") == "cluster", 5, "the VLAN device is known")
        assert zone(fence, "uplink") == "client"
        lab.host.ip("link", "set", "nic0", "nomaster")
        wait_until(lambda: lab.host.program("nic0") is None, 5, "it is no member any more")
        assert "nic0" in fence.json("status")["unassigned"]
        lab.host.ip("link", "del", "uplink")
        lab.host.ip("link", "del", "nic0")


def test_vlan_device_on_a_bridge_has_the_filter_itself(lab):
    needs("vlan")
    lab.host.ip("link", "add", "br0", "type", "bridge")
    lab.host.ip("link", "add", "link", "br0", "name", "br0.120", "type", "vlan", "id", "120")
    with Fence(lab, client=["client0"], cluster=["br0.120"]) as fence:
        assert row(fence, "br0.120") == {"name": "br0.120", "zone": "cluster", "attached": True,
                                         "attach_mode": "generic", "problem": None, "vlan": None,
                                         "on": None}
        assert lab.host.program("br0.120")


def test_interfaces_of_a_vrf_carry_its_zone(lab):
    needs("vrf")
    lab.host.ip("link", "add", "blue", "type", "vrf", "table", "10")
    lab.host.ip("link", "set", "blue", "up")
    lab.host.ip("link", "set", "client0", "master", "blue")
    with Fence(lab, client=["blue"]) as fence:
        assert row(fence, "client0")["zone"] == "client" and lab.host.program("client0")
        assert row(fence, "blue")["on"] == "client0" and zone(fence, "blue") == "client"
        lab.host.ip("link", "set", "client0", "nomaster")
        wait_until(lambda: lab.host.program("client0") is None, 5, "it left the VRF")
