# SPDX-License-Identifier: BSD-2-Clause
"""The agent on a kernel that is not this machine's, and on devices that this machine may lack.

Run in a guest by "make kernels".
"""
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import struct

import pytest

from kit.fence import Fence
from kit.frames import IP, TCP
from kit.lab import BUILD, wait_until

OPEN, PROTECTED = 80, 9105
_source_ports = itertools.count(20000)
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


@pytest.fixture(autouse=True)
def _services(lab):
    lab.web(OPEN)
    with lab.host.listen(PROTECTED):
        yield


def seen(namespace, address):
    """What a neighbour sees of the protected port and of the open one."""
    return namespace.probes((address, PROTECTED), (address, OPEN), timeout=1.5)


def note(**facts):
    """Something for the table of "make kernels"."""
    print(f"note {json.dumps(facts)}")


def has_bpf_lsm():
    return "bpf" in pathlib.Path("/sys/kernel/security/lsm").read_text().split(",")


def test_agent_attaches_and_the_next_one_adopts_what_a_killed_one_left(lab):
    assert seen(lab.client, lab.client.host6) == ["open", "open"]
    with Fence(lab) as fence:
        features = fence.json("status")["features"]
        note(features=features)
        assert features["listens"] == (features["gate"] and has_bpf_lsm())
        note(veth=fence.interface("client0")["attach_mode"])
        assert fence.interface("client0")["attach_mode"] == "native"
        assert seen(lab.client, lab.client.host4) == ["silent", "open"]
        assert seen(lab.peer, lab.peer.host6) == ["open", "open"]
        dropped = fence.count(reason="client-new", verdict="drop")
        fence.kill()
        assert seen(lab.client, lab.client.host6) == ["silent", "open"]
        fence.start()
        assert 'start="adopted' in fence.log()
        assert fence.count(reason="client-new", verdict="drop") > dropped
        assert seen(lab.client, lab.client.host4) == ["silent", "open"]


def test_generic_mode(lab):
    with Fence(lab, attach="generic") as fence:
        assert fence.interface("client0")["attach_mode"] == "generic"
        assert seen(lab.client, lab.client.host4) == ["silent", "open"]


@contextlib.contextmanager
def tun(lab, name):
    """A tun device of the host, as a file: what is written to it comes in on the interface."""
    with lab.host.entered():
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    try:
        lab.host.ip("link", "set", name, "up")
        lab.host.ip("addr", "add", "10.99.0.1/24", "dev", name)
        yield device
    finally:
        os.close(device)


def answers(device, port):
    """Whether the host answers a SYN that comes in on a tun device.

    The open port is asked after it, so that its answer ends the waiting. Source ports are used
    once: the host says its SYN+ACKs of an earlier call again.
    """
    asked = {port: next(_source_ports), OPEN: next(_source_ports)}
    for to, source in asked.items():
        os.write(device, bytes(IP(src="10.99.0.2", dst="10.99.0.1") /
                               TCP(sport=source, dport=to, flags="S")))
    seen_ports = set()

    def open_one_answered():
        with contextlib.suppress(BlockingIOError):
            while packet := os.read(device, 2048):
                if packet[0] >> 4 == 4 and TCP in IP(packet):
                    seen_ports.add(IP(packet)[TCP].dport)
        return asked[OPEN] in seen_ports
    wait_until(open_one_answered, 10, "an answer of the open port")
    return asked[port] in seen_ports


def test_packets_without_an_ethernet_header(lab):
    with tun(lab, "tun7") as device:
        assert answers(device, PROTECTED)
        with Fence(lab, client=("client0", "tun7")) as fence:
            note(tun=fence.interface("tun7")["attach_mode"])
            assert fence.interface("tun7")["attached"]
            assert not answers(device, PROTECTED)


def add_vlan(lab, number):
    """VLAN 120 between client and host, with real VLAN devices at both ends."""
    for namespace, device, last in ((lab.host, "client0", 1), (lab.client, "eth0", 2)):
        namespace.ip("link", "add", "link", device, "name", f"{device}.120", "type", "vlan", "id",
                     "120")
        namespace.ip("link", "set", f"{device}.120", "up")
        namespace.ip("addr", "add", f"10.88.{number}.{last}/24", "dev", f"{device}.120")


def test_vlan_of_its_own_zone_on_a_trusted_interface(lab):
    """Tags within the frame: where they travel beside it, XDP cannot see them (a veth's peer)."""
    add_vlan(lab, 1)
    assert seen(lab.client, "10.88.1.1") == ["open", "open"]
    lab.client.run("ethtool", "-K", "eth0", "txvlan", "off")
    with Fence(lab, client=("client0.120",), trusted=("client0",)) as fence:
        assert seen(lab.client, "10.88.1.1") == ["silent", "open"]
        assert seen(lab.client, lab.client.host4) == ["open", "open"]
        assert fence.count(interface="client0.120", reason="client-new", verdict="drop") > 0
        assert "rx-vlan-offload: off" in lab.host.run("ethtool", "-k", "client0")


@pytest.mark.parametrize("offload", ["on", "off"])
def test_vlan_of_a_client_interface_whatever_the_offload(lab, offload):
    add_vlan(lab, 2)
    lab.client.run("ethtool", "-K", "eth0", "txvlan", offload)
    with Fence(lab):
        assert seen(lab.client, "10.88.2.1") == ["silent", "open"]


def add_bond(lab):
    """A bond of the host over client0, with client0's address."""
    lab.host.ip("link", "add", "bond7", "type", "bond", "mode", "active-backup", "miimon", "100")
    lab.host.ip("link", "set", "client0", "down")
    lab.host.ip("link", "set", "client0", "master", "bond7")
    lab.host.ip("link", "set", "bond7", "up")
    take_addresses(lab, "bond7")


def take_addresses(lab, device):
    lab.host.ip("addr", "flush", "dev", "client0")
    lab.host.ip("addr", "add", f"{lab.client.host4}/24", "dev", device)
    lab.host.ip("addr", "add", f"{lab.client.host6}/64", "dev", device, "nodad")
    wait_until(lambda: lab.client.probe(lab.client.host4, OPEN) == "open", 10, f"{device} is up")


@pytest.mark.parametrize("zoned", ["bond7", "client0"])
def test_bond_by_itself_or_by_its_members(lab, zoned):
    add_bond(lab)
    with Fence(lab, client=(zoned,)) as fence:
        note(**{"bond" if zoned == "bond7" else "member": fence.interface(zoned)["attach_mode"]})
        assert fence.interface(zoned)["attached"]
        assert seen(lab.client, lab.client.host4) == ["silent", "open"]
        assert seen(lab.client, lab.client.host6) == ["silent", "open"]


def test_bridge(lab):
    lab.host.ip("link", "add", "br7", "type", "bridge")
    lab.host.ip("link", "set", "client0", "master", "br7")
    lab.host.ip("link", "set", "br7", "up")
    take_addresses(lab, "br7")
    with Fence(lab, client=("br7",)) as fence:
        note(bridge=fence.interface("br7")["attach_mode"])
        assert seen(lab.client, lab.client.host4) == ["silent", "open"]


def test_dummy(lab):
    lab.host.ip("link", "add", "dummy7", "type", "dummy")
    with Fence(lab, client=("dummy7",)) as fence:
        note(dummy=fence.interface("dummy7")["attach_mode"])
        assert fence.interface("dummy7")["attached"]


def test_interface_that_the_dispatcher_of_libxdp_holds(lab):
    lab.host.run("xdp-loader", "load", "-m", "native", "client0", BUILD / "empty.bpf.o")
    with Fence(lab) as fence:
        hole = fence.interface("client0")
        assert hole["attached"] is False and "xdp_dispatcher" in hole["problem"], hole
        assert fence.interface("cluster0")["attached"]
        lab.host.run("xdp-loader", "unload", "client0", "--all")
        wait_until(lambda: fence.interface("client0")["attached"], 20, "the filter is on client0")
        assert seen(lab.client, lab.client.host4) == ["silent", "open"]
