# SPDX-License-Identifier: BSD-2-Clause
"""Attacks of a local user on what others need: tables, ports of the future, and the pins."""
import subprocess

from kit.lab import LabError, end
from local_open import LISTENERS, flood_of_many
from local_site import NOBODY, Attack, found

SETTLED_S = 12      # within which ports are open again whose listeners are gone


def _stays_closed(site, port):
    """Whether a service that comes on a port later is still closed a while after."""
    with site.lab.host.listen(port, "0.0.0.0"):
        opens = found(lambda: site.client.probe(site.client.host4, port, 0.3) == "open",
                      SETTLED_S)
    return None if opens else f"port {port} stays closed"


def ports_of_a_flood(site):
    """More listeners than there is room for, each on another port."""
    site.fence.start()
    flood = site.attacker("beam.smp", "many", LISTENERS, "127.0.0.1,0")
    end(flood)
    return _stays_closed(site, int(flood.words[-1]))


def port_of_a_flood(site):
    """More listeners than there is room for, all on one port of choice."""
    site.fence.start()
    end(site.attacker("epmd", "many", LISTENERS, "127.0.0.1,5432,reuse"))
    return _stays_closed(site, 5432)


def port_of_a_flood_of_many(site):
    site.fence.start()
    for one in flood_of_many(site, "epmd", 5432):
        end(one)
    return _stays_closed(site, 5432)


def pins_by_an_early_directory(site):
    """A bpf file system that was mounted by hand is writable for all."""
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "check": True}
    subprocess.run(["mkdir", "-m", "777", site.fence.pins], **user)
    with site.lab.host.listen(4369):
        try:
            site.fence.start()
        except LabError:
            return None  # it says so, and does not run on somebody else's directory
        if site.client.probe(site.client.host4, 4369, 0.5) != "silent":
            raise LabError("epmd's port is not closed")
        site.fence.end()
        subprocess.run(["find", site.fence.pins, "-mindepth", "1", "-delete"],
                       **{**user, "check": False})
        if found(lambda: site.client.probe(site.client.host4, 4369, 0.3) == "open", 2):
            return "the filter is gone"
    return None


ATTACKS = (
    Attack("ports of 17,000 listeners", ports_of_a_flood),
    Attack("port of 17,000 listeners", port_of_a_flood),
    Attack("port of 17,000 listeners of 20 uids", port_of_a_flood_of_many),
    Attack("directory of the pins", pins_by_an_early_directory),
)
