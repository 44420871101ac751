# SPDX-License-Identifier: BSD-2-Clause
"""Tunnels whose frames the filter cannot read: their new connections are the gate's to judge."""
import subprocess

import pytest

from kit.fence import Fence, samples
from kit.frames import IP, TCP, UDP, Ether, to_host
from kit.lab import Lab, LabError, http_get, wait_until

pytestmark = pytest.mark.kernels
KINDS = {"ipip": "ipip", "gre": "ip_gre", "sit": "sit"}  # and the modules that make them
FOU_PORT = 7777


def modprobe(*names):
    for name in names:
        subprocess.run(["modprobe", name], check=False, capture_output=True)


def inside(kind, neighbour, last):
    """An end's address within the tunnel of that kind; 1: the host's."""
    number = 10 * neighbour.number + list(KINDS).index(kind)
    return f"fd99:{number}::{last}" if kind == "sit" else f"10.99.{number}.{last}"


def make_tunnel(lab, kind, neighbour):
    """A tunnel between the host and a neighbour, called "gre-client" on both."""
    name = f"{kind}-{neighbour.host_interface}"
    for namespace, local, remote, last in ((lab.host, neighbour.host4, neighbour.own4, 1),
                                           (neighbour, neighbour.own4, neighbour.host4, 2)):
        namespace.ip("link", "add", name, "type", kind, "local", local, "remote", remote)
        namespace.ip("link", "set", name, "up")
        address = inside(kind, neighbour, last)
        namespace.ip("addr", "add", *((f"{address}/64", "nodad") if kind == "sit" else
                                      (f"{address}/24",)), "dev", name)
    return name


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client", "peer", "stranger") as lab:
        modprobe(*KINDS.values())
        try:
            for neighbour in (lab.client, lab.peer, lab.stranger):
                for kind in KINDS:
                    make_tunnel(lab, kind, neighbour)
        except LabError as problem:
            pytest.skip(f"this kernel cannot make such tunnels: {problem}")
        lab.web(4369)
        lab.web(80)
        yield lab


@pytest.fixture(name="fence")
def _fence(lab):
    fence = Fence(lab, client=["client0", "*-client0"], cluster=["cluster*", "*-cluster*"],
                  clusters=[{"name": "app", "peers": ["10.77.2.0/24", inside("gre", lab.peer, 2)]}])
    with fence:
        if not fence.json("status")["features"]["gate"]:
            pytest.skip("this kernel refuses BPF programs on its functions (fmod_ret)")
        yield fence


@pytest.mark.parametrize("kind", KINDS)
def test_tunnel_that_is_a_client_s_opens_no_protected_port(lab, fence, kind):
    host, name = inside(kind, lab.client, 1), f"{kind}-client0"
    assert lab.client.probe(host, 4369) == "silent"
    assert lab.client.probe(host, 80) == "open"
    row = fence.interface(name)
    assert (row["zone"], row["attached"], row["attach_mode"]) == ("client", False, None)
    assert row["problem"].startswith("gate only: new connections are refused")
    assert fence.count(interface=name, zone="client", reason="gate", verdict="drop") > 0
    page = samples(fence.metrics())
    labels = (("interface", name), ("mode", "none"), ("zone", "client"))
    assert page["beamfence_interface_attached", labels] == 0
    assert fence.health()[0] == 200
    asked = fence.ask("explain", "--in", name, "--src", "192.0.2.1", "--dst", "192.0.2.2",
                      "--dport", "4369")
    assert asked.returncode == 1 and "gate" in asked.stderr
    fence.kill()
    assert lab.client.probe(host, 4369) == "silent"
    fence.start()
    assert lab.client.probe(host, 4369) == "silent"


def test_tunnel_that_is_the_cluster_s_is_for_peers_alone(lab, fence):
    assert lab.peer.probe(inside("gre", lab.peer, 1), 4369) == "open"
    for neighbour, kind in ((lab.peer, "ipip"), (lab.stranger, "gre"), (lab.stranger, "sit")):
        assert neighbour.probe(inside(kind, neighbour, 1), 4369) == "silent"
    assert fence.count(interface="gre-cluster2", zone="cluster", reason="gate") > 0


def rename(lab, name, other):
    lab.host.ip("link", "set", name, "down")
    lab.host.ip("link", "set", name, "name", other)
    lab.host.ip("link", "set", other, "up")


def test_zone_of_a_tunnel_changes_with_the_configuration_and_with_the_interface(lab, fence):
    host = inside("gre", lab.client, 1)
    fence.configure(client=["client0"], cluster=["cluster*"], trusted=["gre-client0"], clusters=())
    fence.tell("reload")
    assert lab.client.probe(host, 4369) == "open"
    fence.configure(client=["client0"], cluster=["cluster*"], clusters=())
    fence.tell("reload")
    assert "gre-client0" in fence.json("status")["unassigned"]
    assert lab.client.probe(host, 4369) == "open"
    fence.configure(client=["client0", "renamed0"], cluster=["cluster*"], clusters=())
    fence.tell("reload")
    assert fence.health()[0] == 503
    rename(lab, "gre-client0", "renamed0")
    try:
        wait_until(lambda: fence.health()[0] == 200, 10, "renamed0 is known")
        assert lab.client.probe(host, 4369) == "silent"
    finally:
        rename(lab, "renamed0", "gre-client0")


def test_without_a_gate_such_a_tunnel_is_open_and_said_to_be(lab, fence):
    settings = {"client": ["client0", "ipip-client0"], "cluster": ["cluster*"], "clusters": ()}
    fence.configure(discovery={"listeners": False}, **settings)
    fence.tell("reload")
    assert lab.client.probe(inside("ipip", lab.client, 1), 4369) == "open"
    assert fence.interface("ipip-client0")["problem"].startswith("open:")
    code, text = fence.health()
    assert code == 503 and "ipip-client0" in text
    fence.configure(**settings)
    fence.tell("reload")
    assert fence.interface("ipip-client0")["problem"].startswith("gate only:")
    assert lab.client.probe(inside("ipip", lab.client, 1), 4369) == "silent"


def test_interface_of_a_vrf_takes_its_zone_along(lab, fence):
    lab.host.ip("link", "add", "vrf0", "type", "vrf", "table", "10")
    lab.host.ip("link", "set", "vrf0", "up")
    lab.host.sysctl(ipv4__tcp_l3mdev_accept=1)
    lab.host.ip("link", "set", "ipip-client0", "master", "vrf0")
    try:
        wait_until(lambda: "vrf0" not in fence.json("status")["unassigned"], 10, "vrf0 is known")
        assert lab.client.probe(inside("ipip", lab.client, 1), 4369) == "silent"
        assert lab.client.probe(inside("ipip", lab.client, 1), 80) == "open"
    finally:
        lab.host.ip("link", "del", "vrf0")


IN_CLEAR = ("enc", "ecb(cipher_null)", "", "auth", "digest_null", "")


def seal(namespace, local, remote):
    """An interface whose packets go through IPsec (and in clear, so that no cipher is needed)."""
    for source, target, way in ((local, remote, "out"), (remote, local, "in")):
        namespace.ip("xfrm", "state", "add", "src", source, "dst", target, "proto", "esp",
                     "spi", "1", "mode", "tunnel", "if_id", "5", *IN_CLEAR)
        namespace.ip("xfrm", "policy", "add", "src", "0.0.0.0/0", "dst", "0.0.0.0/0", "dir", way,
                     "if_id", "5", "tmpl", "src", source, "dst", target, "proto", "esp",
                     "mode", "tunnel")
    namespace.ip("link", "add", "sealed0", "type", "xfrm", "if_id", "5")
    namespace.ip("link", "set", "sealed0", "up")


def test_ipsec_interface_that_a_list_names_has_that_zone_although_it_was_sealed(lab, fence):
    modprobe("xfrm_interface", "esp4", "xfrm_user", "crypto_null", "authenc")
    client = lab.client
    try:
        for namespace, local, remote, last in ((lab.host, client.host4, client.own4, 1),
                                               (client, client.own4, client.host4, 2)):
            seal(namespace, local, remote)
            namespace.ip("addr", "add", f"10.98.0.{last}/24", "dev", "sealed0")
    except LabError as problem:
        pytest.skip(f"this kernel has no IPsec interfaces: {problem}")
    assert client.probe("10.98.0.1", 80) == "open"
    assert client.probe("10.98.0.1", 4369) == "open", "no list names it, and it was sealed"
    fence.configure(client=["client0", "sealed0"], cluster=["cluster*"], clusters=())
    fence.tell("reload")
    assert client.probe("10.98.0.1", 4369) == "silent"
    assert client.probe("10.98.0.1", 80) == "open"


def answered(lab, port):
    """Whether a SYN within UDP (FOU: no device of its own) gets an answer from the host."""
    client = lab.client
    syn = TCP(sport=4242, dport=port, flags="S")
    # Its checksum is that of the segment in the packet that is left: without UDP.
    segment = bytes(IP(src=client.own4, dst=client.host4) / syn)[20:]
    frame = (to_host(lab, client) / IP(src=client.own4, dst=client.host4)
             / UDP(sport=5555, dport=FOU_PORT) / segment)
    with client.wire("eth0") as wire:
        wire.send(frame)
        for got in wire.frames(1):
            found = Ether(got)
            if TCP in found and found[TCP].sport == port and found[TCP].flags == "SA":
                return True
    return False


def test_tcp_within_udp_without_a_device_is_judged_where_the_packet_came_in(lab, fence):
    modprobe("fou")
    try:
        lab.host.ip("fou", "add", "port", FOU_PORT, "ipproto", "6")
    except LabError as problem:
        pytest.skip(f"this kernel has no FOU: {problem}")
    assert answered(lab, 80)
    assert not answered(lab, 4369)
    assert fence.count(interface="client0", reason="gate", verdict="drop") > 0
    fence.configure(client=["cluster1"], cluster=["cluster*"], trusted=["client0"], clusters=())
    fence.tell("reload")
    assert answered(lab, 4369)
    assert http_get(lab.client, lab.client.host4, 80)
