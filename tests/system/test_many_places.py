# SPDX-License-Identifier: BSD-2-Clause
"""More places over time than there are counters for: those of places that are gone are used again."""
from kit.fence import APP, Fence

PLACES = 100  # VLANs of one policy
ROUNDS = 3    # 256 slots are there: the third has to take those of the first
ZONES = ("client", "cluster", "trusted")


def zones(number):
    """The zone of each VLAN of that policy, next to which there is always another."""
    first = 1 + number * PLACES
    return {vlan: ZONES[vlan % len(ZONES)] for vlan in range(first, first + PLACES)}


def settings(number):
    by_zone = {zone: tuple(f"client0.{vlan}" for vlan, its in zones(number).items() if its == zone)
               for zone in ZONES}
    return dict(by_zone, client=("client0", *by_zone["client"]),
                clusters=[dict(APP, peers=[f"192.0.2.{number}"])])


def check(fence, number):
    def explain(vlan, source):
        return fence.explain("client0", source, "10.77.1.1", 9100, "--vlan", vlan)

    for vlan, zone in zones(number).items():
        assert explain(vlan, "198.51.100.1")["zone"] == zone, vlan
    cluster = next(vlan for vlan, zone in zones(number).items() if zone == "cluster")
    assert explain(cluster, f"192.0.2.{number}")["reason"] == "peer"
    assert explain(cluster, f"192.0.2.{number - 1}")["reason"] == "stranger-new"


def test_each_place_has_its_own_zone_and_peers_when_slots_are_used_again(lab):
    with Fence(lab, **settings(0)) as fence:
        for number in range(1, ROUNDS):
            fence.configure(**settings(number))
            fence.tell("reload")
            check(fence, number)
        fence.kill()
        fence.start(**settings(ROUNDS))  # an agent that has put no policy into force yet
        check(fence, ROUNDS)
