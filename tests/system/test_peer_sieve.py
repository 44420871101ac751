# SPDX-License-Identifier: BSD-2-Clause
"""No peer is ever overlooked: not after a start, reload, adoption or change at run time. (Across a
change of layout: test_flood.py, where a dropped frame of a peer fails.)"""
import ipaddress
import random

import pytest

from kit.fence import APP, Fence
from kit.lab import Lab

LENGTHS = {4: (32, 30, 28, 24), 6: (128, 64, 60, 56)}
COUNT, SAMPLE = 2000, 24


@pytest.fixture(name="host", scope="module")
def _host():
    with Lab("peer") as lab:
        yield lab


def prefixes(seed):
    """Spread over 172.16.0.0/12 and fd00::/8, so that none is within another by luck."""
    chance, found = random.Random(seed), set()
    while len(found) < COUNT:
        family = chance.choice((4, 6))
        if family == 4:
            address = ipaddress.IPv4Address(0xac100000 | chance.getrandbits(20))
        else:
            address = ipaddress.IPv6Address(0xfd << 120 | chance.getrandbits(120))
        found.add(str(ipaddress.ip_network((address, chance.choice(LENGTHS[family])),
                                           strict=False)))
    return sorted(found)


def overlooked(fence, peers, seed=1):
    """Those of a sample that the program in force does not take for peers."""
    missed = []
    for prefix in random.Random(seed).sample(peers, min(SAMPLE, len(peers))):
        network = ipaddress.ip_network(prefix)
        to = "10.77.2.1" if network.version == 4 else "fd77:2::1"
        answer = fence.explain("cluster0", str(network.network_address), to, 9100)
        if (answer["verdict"], answer["reason"]) != ("pass", "peer"):
            missed.append((prefix, answer))
    return missed


def test_no_peer_is_overlooked_at_start_reload_adoption_or_at_run_time(host):
    first, second = prefixes(1), prefixes(2)
    added = ["192.0.2.7", "198.51.100.0/22", "2001:db8::/36", "2001:db8:8000::1"]
    networks = [str(ipaddress.ip_network(prefix)) for prefix in added]
    with Fence(host, clusters=({**APP, "peers": first},)) as fence:
        assert not overlooked(fence, first)
        for number, peers in enumerate((second, first, second)):  # each in the other tables
            fence.configure(clusters=({**APP, "peers": peers},))
            fence.tell("reload")
            assert not overlooked(fence, peers, number)
        for prefix in added:
            fence.tell("peers", "add", "app", prefix)
            assert not overlooked(fence, [str(ipaddress.ip_network(prefix))])
        fence.tell("peers", "del", "app", added[0])
        answer = fence.explain("cluster0", added[0], "10.77.2.1", 9100)
        assert answer["reason"] == "stranger-new"
        fence.kill()
        fence.start()
        assert not overlooked(fence, second, 5)
        assert not overlooked(fence, networks[1:])
