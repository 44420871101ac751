# SPDX-License-Identifier: BSD-2-Clause
"""Law 1 with real epmd and real Erlang: exposed before, closed to clients after, open to peers."""
import contextlib
import subprocess

import pytest

from kit import erlang
from kit.erlang import ping, pings, remote_names
from kit.fence import Fence
from kit.lab import Lab, epmd_names, http_get

OFF = None


@pytest.fixture(name="erlang_lab", scope="module")
def _erlang_lab():
    """epmd, a node for each address family and a web service on the host."""
    with Lab("client", "peer") as lab:
        erlang.start_epmd(lab)
        erlang.start_node(lab, "app", 9100)
        erlang.start_node(lab, "app6", 9101, "inet6_tcp")
        lab.web()
        yield lab


def fenced(lab, attach):
    """The lab with beamfence on it, or as it is without (OFF)."""
    return Fence(lab, attach=attach) if attach else contextlib.nullcontext()


def learns(lab, neighbour):
    """All that a neighbour gets out of the host's epmd and distribution."""
    return {
        "names over IPv4": epmd_names(neighbour, neighbour.host4),
        "names over IPv6": epmd_names(neighbour, neighbour.host6),
        "net_adm:names": remote_names(lab, neighbour),
        "pings": pings(lab, (neighbour, "app"), (neighbour, "app6", "inet6_tcp")),
        "distribution ports": neighbour.probes((neighbour.host4, 9100), (neighbour.host6, 9101)),
    }


NAMES = "name app6 at port 9101\nname app at port 9100\n"
EVERYTHING = {
    "names over IPv4": NAMES,
    "names over IPv6": NAMES,
    "net_adm:names": '{ok,[{"app",9100},{"app6",9101}]}',
    "pings": ["pong", "pong"],
    "distribution ports": ["open", "open"],
}
NOTHING = {
    "names over IPv4": None,
    "names over IPv6": None,
    "net_adm:names": "silent",
    "pings": ["pang", "pang"],
    "distribution ports": ["silent", "silent"],
}


def test_without_beamfence_a_client_learns_everything(erlang_lab):
    assert learns(erlang_lab, erlang_lab.client) == EVERYTHING


@pytest.mark.parametrize("attach", ["native", "generic"])
def test_client_learns_nothing_and_peer_everything(erlang_lab, attach):
    with fenced(erlang_lab, attach) as fence:
        assert fence.interface("client0")["attach_mode"] == attach
        assert fence.interface("cluster0")["attach_mode"] == attach
        assert learns(erlang_lab, erlang_lab.client) == NOTHING
        assert learns(erlang_lab, erlang_lab.peer) == EVERYTHING
        assert fence.count(interface="client0", verdict="drop", reason="client-new") > 0
        assert fence.count(interface="cluster0", verdict="drop") == 0
    assert learns(erlang_lab, erlang_lab.client) == EVERYTHING


@pytest.mark.parametrize("attach", ["native", "generic"])
def test_web_service_of_the_same_host_is_untouched(erlang_lab, attach):
    client = erlang_lab.client
    addresses = (client.host4, client.host6)
    before = [http_get(client, address, 80) for address in addresses]
    assert before == ["an ordinary service\n"] * 2
    with fenced(erlang_lab, attach) as fence:
        assert [http_get(client, address, 80) for address in addresses] == before
        assert client.probe(client.host4, 81) == "refused"
        assert fence.count(interface="client0", verdict="drop") == 0


@pytest.mark.parametrize("attach", [OFF, "native"])
def test_nmap_epmd_info_learns_nothing(erlang_lab, attach):
    client = erlang_lab.client
    with fenced(erlang_lab, attach):
        for version, address in (("-4", client.host4), ("-6", client.host6)):
            seen = client.run("nmap", version, "-Pn", "-n", "--max-retries", "1", "-p", "4369",
                              "--script", "epmd-info", address)
            assert ("app: 9100" in seen) == (attach is OFF)
            assert ("4369/tcp filtered" in seen) == (attach is not OFF)


REDIRECT = """table ip lab {
    chain out { type nat hook output priority -100; ip daddr 127.0.0.1 tcp dport 4369 dnat to %s; }
    chain post { type nat hook postrouting priority 100; oifname eth0 masquerade; }
}"""


def test_epmd_names_itself_gets_nothing(erlang_lab):
    """The tool asks only its own host, so the client's kernel turns it to the other."""
    client = erlang_lab.client
    client.sysctl(ipv4__conf__eth0__route_localnet=1)
    client.run("nft", REDIRECT % client.host4)
    try:
        assert "name app at port 9100" in client.run("epmd", "-names")
        with fenced(erlang_lab, "native"), pytest.raises(subprocess.TimeoutExpired):
            client.run("epmd", "-names", timeout=1.5)
    finally:
        client.run("nft", "delete table ip lab")


def test_host_itself_reaches_epmd_over_loopback(erlang_lab):
    host = erlang_lab.host
    with fenced(erlang_lab, "native"):
        assert epmd_names(host, "127.0.0.1") == NAMES
        assert epmd_names(host, "10.77.1.1") == NAMES
        assert ping(erlang_lab, host) == "pong"


def test_protection_holds_for_the_address_of_another_interface(erlang_lab):
    """A client that routes to the host's cluster address still comes in by the client interface."""
    client, peer = erlang_lab.client, erlang_lab.peer
    client.ip("route", "add", "10.77.2.0/24", "via", client.host4)
    client.ip("route", "add", "fd77:2::/64", "via", client.host6)
    targets = [(peer.host4, 4369), (peer.host6, 4369), (peer.host4, 9100), (peer.host6, 9101)]
    try:
        assert client.probes(*targets) == ["open"] * 4
        with fenced(erlang_lab, "native"):
            assert client.probes(*targets) == ["silent"] * 4
    finally:
        client.ip("route", "del", "10.77.2.0/24")
        client.ip("route", "del", "fd77:2::/64")


def test_explain_agrees_with_the_filter_and_moves_no_counter(erlang_lab):
    client = erlang_lab.client
    with fenced(erlang_lab, "native") as fence:
        before = fence.counters()
        for source, destination in ((client.own4, client.host4), (client.own6, client.host6)):
            dropped = fence.explain("client0", source, destination, 4369)
            assert (dropped["verdict"], dropped["reason"]) == ("drop", "client-new")
            assert dropped["zone"] == "client"
            passed = fence.explain("client0", source, destination, 443)
            assert (passed["verdict"], passed["reason"]) == ("pass", "other-port")
        peer = fence.explain("cluster0", "10.77.2.2", "10.77.2.1", 9100)
        assert (peer["verdict"], peer["reason"], peer["cluster"]) == ("pass", "peer", "app")
        stranger = fence.explain("cluster0", "192.0.2.9", "10.77.2.1", 9100)
        assert (stranger["verdict"], stranger["reason"]) == ("drop", "stranger-new")
        assert moved(before, fence.counters()) == {}


def moved(before, after):
    """Counters of TCP that differ; background ND and MLD of the lab is no TCP."""
    return {key: value for key, value in after.items()
            if value != before.get(key, 0) and key[3] != "not-tcp"}
