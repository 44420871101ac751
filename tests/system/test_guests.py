# SPDX-License-Identifier: BSD-2-Clause
"""Law 2 for guests: a container on a macvlan, or a machine behind a bridge port, that is fenced.

A guest opens connections from the very port on which a node of the host listens. The replies pass
the host's filter, and are not for the host.
"""
import pytest

from kit import impostor
from kit.fence import Fence
from kit.lab import Lab, end, wait_until

GUEST = "10.77.1.50", "fd77:1::50"  # the guest's
SERVICE = 7000
ATTACH = pytest.mark.parametrize("attach", ["native", "generic"])
FORWARDING = pytest.mark.parametrize("forwarding", [0, 1])


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client") as lab:
        yield lab


@pytest.fixture(name="service", scope="module")
def _service(lab):
    with lab.client.listen(SERVICE) as listener:
        yield listener


def forward(lab, on):
    lab.host.sysctl(ipv4__ip_forward=on, ipv6__conf__all__forwarding=on)


def addressed(guest, interface):
    guest.ip("link", "set", interface, "up")
    guest.ip("addr", "add", f"{GUEST[0]}/24", "dev", interface)
    guest.ip("addr", "add", f"{GUEST[1]}/64", "dev", interface, "nodad")
    return guest


@pytest.fixture(name="macvlan", scope="module")
def _macvlan(lab):
    guest = lab.add_namespace("macvlan")
    lab.host.ip("link", "add", "link", "client0", "name", "mv0", "netns", guest.name,
                "type", "macvlan", "mode", "bridge")
    return addressed(guest, "mv0")


@pytest.fixture(name="bridged")
def _bridged():
    """A guest behind a bridge of the host's; the bridge's other port faces the client."""
    with Lab("client") as lab:
        guest = lab.add_namespace("guest")
        lab.host.ip("link", "add", "br0", "type", "bridge")
        lab.host.ip("link", "add", "tap0", "type", "veth", "peer", "name", "eth0",
                    "netns", guest.name)
        lab.host.ip("addr", "flush", "dev", "client0")
        for port in ("client0", "tap0"):
            lab.host.ip("link", "set", port, "master", "br0", "up")
        lab.host.ip("link", "set", "br0", "up")
        for address in ("10.77.1.1/24", "fd77:1::1/64"):
            lab.host.ip("addr", "add", address, "dev", "br0")
        lab.guest = addressed(guest, "eth0")
        with lab.client.listen(SERVICE):
            yield lab


def connects(lab, guest, address, port):
    source = GUEST[":" in address]
    wait_until(lambda: guest.probe(address, SERVICE) == "open", 5, "the guest has a link")
    with guest.connect(address, SERVICE, 2, (source, port)):
        return True


def node(lab):
    """A node of the host's that listens on every address, on a port of the kernel's choice."""
    process = impostor.start(lab, "beam.smp", "listen", "0.0.0.0,0", "::,0")
    return process, [int(port) for port in impostor.said(process)]


def check_guest(lab, guest):
    process, ports = node(lab)
    for address, port in zip((lab.client.own4, lab.client.own6), ports):
        assert connects(lab, guest, address, port)
    for address, port in zip((lab.client.host4, lab.client.host6), ports):
        assert lab.client.probe(address, port, 0.3) == "silent"
    end(process)


@ATTACH
@FORWARDING
def test_guest_on_a_macvlan_connects_from_the_port_of_a_node_of_the_host(
        lab, service, macvlan, attach, forwarding):
    assert service
    forward(lab, forwarding)
    with Fence(lab, clusters=(), attach=attach) as fence:
        check_guest(lab, macvlan)
        assert fence.count(interface="client0", reason="no-listener") > 0


@ATTACH
@FORWARDING
def test_guest_behind_a_bridge_port_connects_from_the_port_of_a_node_of_the_host(
        bridged, attach, forwarding):
    forward(bridged, forwarding)
    with Fence(bridged, clusters=(), attach=attach) as fence:
        check_guest(bridged, bridged.guest)
        assert fence.count(interface="client0", reason="no-listener") > 0


def judged(fence, lab, address, port):
    """What becomes of a segment that opens nothing."""
    source = lab.client.own6 if ":" in address else lab.client.own4
    return fence.explain("client0", source, address, port, "--flags", "A")["reason"]


@FORWARDING
def test_segments_for_an_address_of_the_hosts_are_dropped_however_new_it_is(lab, forwarding):
    forward(lab, forwarding)
    new = {"10.77.1.77": "10.77.1.77/24", "fd77:1::77": "fd77:1::77/64"}
    with Fence(lab, clusters=()) as fence:
        process, ports = node(lab)
        for address, port in zip((lab.client.host4, lab.client.host6, "127.0.0.1", "::1"),
                                 ports * 2):
            assert judged(fence, lab, address, port) == "client-segment"
        for (address, prefix), port in zip(new.items(), ports):
            assert judged(fence, lab, address, port) == "no-listener"
            lab.host.ip("addr", "add", prefix, "dev", "client0", "nodad")
            # Sooner than by the check every five seconds.
            wait_until(lambda a=address, p=port: judged(fence, lab, a, p) == "client-segment", 2,
                       f"{address} is known for the host's")
            lab.host.ip("addr", "del", prefix, "dev", "client0")
            wait_until(lambda a=address, p=port: judged(fence, lab, a, p) == "no-listener", 2,
                       f"{address} is the host's no more")
        end(process)


def test_routes_that_make_addresses_local_are_known_whatever_their_table(lab):
    forward(lab, 0)
    routes = [("10.88.0.0/16", "10.88.3.4", "local"), ("fd88::/32", "fd88::9", "local"),
              ("10.89.0.0/16", "10.89.3.4", "100"), ("fd89::/32", "fd89::9", "100")]
    with Fence(lab, clusters=()) as fence:
        process, ports = node(lab)
        for prefix, address, table in routes:
            port = ports[":" in address]
            assert judged(fence, lab, address, port) == "no-listener"
            lab.host.ip("route", "add", "local", prefix, "dev", "lo", "table", table)
            lab.defer(lab.host.ip, "route", "del", "local", prefix, "dev", "lo", "table", table)
            wait_until(lambda a=address, p=port: judged(fence, lab, a, p) == "client-segment", 10,
                       f"{prefix} is known for the host's")
        for address in ("224.0.0.1", "255.255.255.255", "10.77.1.255", "ff02::1"):
            assert judged(fence, lab, address, ports[":" in address]) == "client-segment"
        end(process)


def test_next_agent_goes_on_with_the_addresses_and_forgets_those_that_went(lab):
    forward(lab, 0)
    lab.host.ip("addr", "add", "10.77.1.78/24", "dev", "client0")
    with Fence(lab, clusters=()) as fence:
        process, ports = node(lab)
        assert judged(fence, lab, "10.77.1.78", ports[0]) == "client-segment"
        fence.kill()
        lab.host.ip("addr", "del", "10.77.1.78/24", "dev", "client0")
        lab.host.ip("addr", "add", "10.77.1.79/24", "dev", "client0")
        fence.start()
        assert judged(fence, lab, "10.77.1.78", ports[0]) == "no-listener"
        assert judged(fence, lab, "10.77.1.79", ports[0]) == "client-segment"
        assert judged(fence, lab, lab.client.host4, ports[0]) == "client-segment"
        end(process)
    lab.host.ip("addr", "del", "10.77.1.79/24", "dev", "client0")
