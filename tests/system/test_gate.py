# SPDX-License-Identifier: BSD-2-Clause
"""The gate in the TCP stack: what the filter passed and should not, ends where it would be answered.

Needs a kernel with BPF trampolines on kernel functions, as all distributions' have.
"""
import socket

import pytest

from kit import erlang
from kit import impostor
from kit.fence import Fence
from kit.lab import PATIENCE, Lab
from kit.sweep import Sweep, ephemeral_ports, fixed_nodes, service, start_and_stop_nodes

pytestmark = pytest.mark.kernels
BRIEF_LISTENERS = int(5000 / PATIENCE)
FIXED = range(20100, 20105)


@pytest.fixture(name="host", scope="module")
def _host():
    with Lab("client", "peer", "stranger") as lab:
        erlang.start_epmd(lab)
        yield lab


@pytest.fixture(name="fence")
def _fence(host):
    with Fence(host, discovery={"fixed": "protect"}) as fence:
        if not fence.json("status")["features"]["gate"]:
            pytest.skip("this kernel refuses BPF programs on its functions (fmod_ret)")
        yield fence


def redirect(host, port, to):
    host.host.run("nft", f"table inet gate {{ chain in {{ type nat hook prerouting priority -100;"
                         f" tcp dport {port} redirect to :{to}; }}; }}")
    host.defer(host.host.run, "nft", "delete table inet gate")


@pytest.mark.parametrize("way", ["ipv4", "ipv6", "unbound", "again", "fixed"])
def test_no_listener_however_brief_answers_a_client(host, fence, way):
    with ephemeral_ports(host.host, 42000, 42039) as ports, service(host.host) as own:
        with Sweep(host, host.client, [*ports, *impostor.FIXED]) as sweep:
            process = impostor.start(host, "beam.smp", "brief", way, BRIEF_LISTENERS, 50)
            assert impostor.said(process) == ["done", str(BRIEF_LISTENERS)]
        assert sweep.answers.get(own, 0) > 0, "the sweep was never answered: it proves nothing"
        assert set(sweep.answers) == {own}
    assert way != "unbound" or fence.count(reason="gate") > 0


@pytest.mark.usefixtures("fence")
def test_no_node_that_first_starts_on_a_fixed_port_answers_a_client(host):
    own, *ports = FIXED
    with host.host.listen(own), Sweep(host, host.client, FIXED) as sweep:
        used = start_and_stop_nodes(host, len(ports), command=fixed_nodes(ports))
    assert used == ports
    assert set(sweep.answers) == {own}


def test_port_that_is_redirected_to_epmd_is_closed_to_clients_and_strangers(host, fence):
    redirect(host, 5555, 4369)
    assert host.client.probe(host.client.host4, 5555) == "silent"
    assert host.client.probe(host.client.host6, 5555) == "silent"
    assert host.stranger.probe(host.stranger.host4, 5555) == "silent"
    assert fence.count(interface="client0", reason="gate", verdict="drop") >= 2
    assert fence.count(interface="cluster2", reason="gate", verdict="drop") >= 1
    assert host.peer.probe(host.peer.host4, 5555) == "open"
    fence.kill()
    assert host.client.probe(host.client.host4, 5555) == "silent"
    fence.start(mode="audit")
    assert host.client.probe(host.client.host4, 5555) == "open"


def test_the_hosts_own_connections_pass_whatever_address_they_take(host, fence):
    for address in ("127.0.0.1", "::1", host.client.host4, host.client.host6, host.peer.host4):
        assert host.host.probe(address, 4369) == "open"
    assert fence.count(reason="gate") == 0


def test_interface_that_shares_its_index_modulo_65536_with_one_of_ours_has_no_zone(host, fence):
    with host.host.entered():
        index = socket.if_nametoindex("client0")
    lodger = host.add_namespace("lodger")
    host.host.ip("link", "add", "lodger0", "index", index + 65536, "type", "veth",
                 "peer", "name", "eth0", "netns", lodger.name)
    lodger.ip("link", "set", "eth0", "up")
    lodger.ip("addr", "add", "10.77.8.2/24", "dev", "eth0")
    host.host.ip("link", "set", "lodger0", "up")
    host.host.ip("addr", "add", "10.77.8.1/24", "dev", "lodger0")
    assert lodger.probe("10.77.8.1", 4369) == "open"
    assert fence.count(reason="gate") == 0


def test_listener_in_another_namespace_is_left_alone(host, fence):
    listening = impostor.start(host, "beam.smp", "hold", "ipv4", namespace=host.peer)
    port = int(impostor.said(listening)[0])
    assert host.host.probe(host.peer.own4, port) == "open"
    assert fence.count(reason="gate") == 0
