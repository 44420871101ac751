# SPDX-License-Identifier: BSD-2-Clause
"""A user may have more epmds than are asked at a time for one user: each has its turn."""
from kit.lab import wait_until
from local_site import Site

EPMDS, FIRST_EPMD, FIRST_NODE = 8, 5300, 5400


def test_every_epmd_of_a_user_is_asked_when_the_agent_comes_after_all():
    wanted = {FIRST_NODE + n: f"n{n}" for n in range(EPMDS)}

    def found(site):
        return {one["port"]: one["node"] for one in site.fence.ports() if one["port"] in wanted}
    with Site() as site:
        for number, (port, name) in enumerate(wanted.items()):
            site.attacker("epmd", "registrar", f"127.0.0.1,{FIRST_EPMD + number}")
            site.attacker("beam.smp", "node", f"0.0.0.0,{port}", name, FIRST_EPMD + number)
        site.fence.start()
        wait_until(lambda: found(site) == wanted, 3, "all are known by their names")
