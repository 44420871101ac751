# SPDX-License-Identifier: BSD-2-Clause
"""Cluster interfaces: peers of a port's own cluster pass, everybody else does not."""
import pytest

from kit import erlang
from kit.erlang import pings, ping
from kit.fence import Fence
from kit.frames import IP, TCP, IPv6, tagged
from kit.lab import Lab, epmd_names, http_get, wait_until


@pytest.fixture(scope="module")
def tiers():
    """Two tiers on one host: the nodes app (9100; 9101 over IPv6) and db (9200)."""
    with Lab("client", "peer", "peer2", "stranger") as lab:
        erlang.start_epmd(lab)
        erlang.start_node(lab, "app", 9100)
        erlang.start_node(lab, "app6", 9101, "inet6_tcp")
        erlang.start_node(lab, "db", 9200)
        lab.web()
        yield lab


def access(neighbour):
    """What a neighbour reaches of both tiers, over IPv4 and over IPv6."""
    ports = {"epmd": (4369, 4369), "app": (9100, 9101), "db": (9250, 9250)}
    targets = [(address, port) for pair in ports.values()
               for address, port in zip((neighbour.host4, neighbour.host6), pair)]
    seen = neighbour.probes(*targets)
    return dict(zip(ports, zip(seen[::2], seen[1::2])))


SILENT = ("silent", "silent")
OPEN = {"epmd": ("open", "open"), "app": ("open", "open"), "db": ("refused", "refused")}


def test_each_tiers_peers_are_refused_at_the_other_tiers_ports(tiers):
    wanted = [(tiers.peer, "app"), (tiers.peer, "db"), (tiers.peer2, "app"), (tiers.peer2, "db")]
    assert pings(tiers, *wanted) == ["pong"] * 4
    with Fence(tiers) as fence:
        assert pings(tiers, *wanted) == ["pong", "pang", "pang", "pong"]
        assert fence.count(interface="cluster0", reason="stranger-new") > 0
        assert fence.count(interface="cluster1", reason="stranger-new") > 0
        assert fence.count(interface="cluster0", reason="peer") > 0


def test_epmd_is_open_to_peers_of_any_cluster_and_closed_to_strangers(tiers):
    everyone = (tiers.peer, tiers.peer2, tiers.stranger)
    names = [epmd_names(one, one.host4) for one in everyone]
    assert None not in names
    with Fence(tiers):
        for address in ("host4", "host6"):
            seen = [epmd_names(one, getattr(one, address)) for one in everyone]
            assert seen == [names[0], names[1], None]


def test_allowlist_holds_on_ipv4_and_ipv6(tiers):
    assert access(tiers.stranger) == OPEN
    with Fence(tiers):
        assert access(tiers.peer) == {**OPEN, "db": SILENT}
        assert access(tiers.peer2) == {**OPEN, "app": SILENT}
        assert access(tiers.stranger) == dict.fromkeys(OPEN, SILENT)
        assert http_get(tiers.stranger, tiers.stranger.host4, 80)


def test_without_clusters_every_protected_port_is_closed_to_all(tiers):
    with Fence(tiers, clusters=()) as fence:
        assert tiers.peer.probe(tiers.peer.host4, 4369) == "silent"
        assert fence.json("peers") == []


def test_peers_added_and_removed_at_run_time_count_at_once(tiers):
    stranger = tiers.stranger
    with Fence(tiers) as fence:
        assert ping(tiers, stranger, "app") == "pang"
        fence.tell("peers", "add", "app", "10.77.4.2", "--comment", "migration")
        assert ping(tiers, stranger, "app") == "pong"
        assert stranger.probe(stranger.host4, 9250, 0.7) == "silent"
        assert stranger.probe(stranger.host6, 9101, 0.7) == "silent"
        added = [one for one in fence.json("peers", "list") if one["source"] == "runtime"]
        assert [(one["cluster"], one["comment"]) for one in added] == [("app", "migration")]
        assert added[0]["prefix"].startswith("10.77.4.2")

        # A connection that stands is cut as well: its segments are a stranger's now.
        standing = stranger.connect(stranger.host4, 9100)
        fence.tell("peers", "del", "app", "10.77.4.2")
        assert stranger.probe(stranger.host4, 9100, 0.7) == "silent"
        with standing:
            standing.sendall(b"still here?")
            standing.settimeout(0.5)
            with pytest.raises(TimeoutError):
                standing.recv(1)
        assert fence.count(interface="cluster2", reason="stranger-segment") > 0


def test_peer_with_a_time_to_live_goes_by_itself(tiers):
    stranger = tiers.stranger
    with Fence(tiers) as fence:
        fence.tell("peers", "add", "app", "fd77:4::/64", "--ttl", "1s")
        assert stranger.probe(stranger.host6, 9101) == "open"
        wait_until(lambda: stranger.probe(stranger.host6, 9101, 0.3) == "silent", 5, "it is gone")
        assert all(one["source"] == "config" for one in fence.json("peers", "list"))


def test_peers_refuses_what_makes_no_sense(tiers):
    with Fence(tiers) as fence:
        before = fence.json("peers", "list")
        for wrong in (("add", "nosuch", "10.0.0.1"), ("add", "app", "10.0.0.1/24"),
                      ("add", "app", "10.0.0.300"), ("del", "app", "192.0.2.1"),
                      ("add", "app", "10.0.0.1", "--ttl", "-1h")):
            done = fence.ask("peers", *wrong)
            assert done.returncode in (1, 2) and done.stderr.count("\n") == 1, (wrong, done)
        assert fence.json("peers", "list") == before


def test_audit_mode_passes_everything_and_counts_what_it_would_drop(tiers):
    with Fence(tiers, mode="audit") as fence:
        assert access(tiers.client) == OPEN
        assert access(tiers.stranger) == OPEN
        assert ping(tiers, tiers.client, "app") == "pong"
        assert fence.count(interface="client0", verdict="pass", reason="client-new") > 0
        assert fence.count(interface="client0", verdict="pass", reason="client-segment") > 0
        assert fence.count(interface="cluster2", verdict="pass", reason="stranger-new") > 0
        assert fence.count(verdict="drop") == 0
        explained = fence.explain("client0", tiers.client.own4, tiers.client.host4, 4369)
        assert (explained["verdict"], explained["reason"]) == ("pass", "client-new")
        assert explained["decision"] == "drop"

        fence.configure(mode="enforce")
        fence.tell("reload")
        assert tiers.client.probe(tiers.client.host4, 4369, 0.7) == "silent"
        assert fence.count(interface="client0", verdict="drop", reason="client-new") > 0


def syn(source, port, source_port):
    family = IPv6 if ":" in source else IP
    target = "fd77:2::1" if ":" in source else "10.77.2.1"
    return family(src=source, dst=target) / TCP(sport=source_port, dport=port, flags="S")


VLAN_CASES = [
    # tags, source, port, passes, (interface, zone, reason)
    ([(0x8100, 120)], "10.77.2.2", 9100, True, ("client0.120", "cluster", "peer")),
    ([(0x8100, 120)], "fd77:2::2", 9100, True, ("client0.120", "cluster", "peer")),
    ([(0x8100, 120)], "10.77.3.2", 9100, False, ("client0.120", "cluster", "stranger-new")),
    ([(0x8100, 120)], "10.77.3.2", 4369, True, ("client0.120", "cluster", "peer")),
    ([(0x8100, 120)], "192.0.2.1", 4369, False, ("client0.120", "cluster", "stranger-new")),
    ([(0x8100, 120)], "fd00::66", 9100, False, ("client0.120", "cluster", "stranger-new")),
    ([(0x8100, 130)], "192.0.2.1", 9100, True, ("client0.130", "trusted", "trusted")),
    ([], "10.77.2.2", 9100, False, ("client0", "client", "client-new")),
    ([(0x8100, 121)], "10.77.2.2", 9100, False, ("client0", "client", "client-new")),
    ([(0x8100, 0)], "10.77.2.2", 9100, False, ("client0", "client", "client-new")),
    ([(0x8100, 121)], "10.77.2.2", 443, True, None),
    ([(0x88A8, 7), (0x8100, 121)], "10.77.2.2", 9100, False, ("client0", "client", "client-new")),
]


@pytest.mark.parametrize("attach", ["native", "generic"])
def test_vlan_tagged_cluster_on_a_client_trunk(tiers, attach):
    with tiers.client.wire("eth0") as out, tiers.host.wire("client0") as behind:
        frames = [tagged(tiers, tiers.client, case[0], syn(case[1], case[2], 30000 + number))
                  for number, case in enumerate(VLAN_CASES)]

        def arrived():
            for frame in frames:
                out.send(frame)
            seen = list(behind.frames(0.4))
            ports = [(30000 + number).to_bytes(2, "big") for number in range(len(frames))]
            return [any(port in frame[34:] for frame in seen) for port in ports]
        assert arrived() == [True] * len(frames)

        with Fence(tiers, attach=attach, cluster=["cluster*", "client0.120"],
                   trusted=["client0.130"]) as fence:
            names = {one["name"]: one["zone"] for one in fence.json("status")["interfaces"]}
            assert names["client0.120"] == "cluster" and names["client0"] == "client"
            expected = {}
            for case in VLAN_CASES:
                if case[4]:
                    expected[case[4]] = expected.get(case[4], 0) + 1
            assert arrived() == [case[3] for case in VLAN_CASES]
            counters = {(key[0], key[1], key[3]): packets
                        for key, packets in fence.counters().items() if packets}
            assert {key: counters.get(key) for key in expected} == expected
            explained = fence.explain("client0", "10.77.2.2", "10.77.2.1", 9100, "--vlan", "120")
            assert (explained["verdict"], explained["reason"]) == ("pass", "peer")
