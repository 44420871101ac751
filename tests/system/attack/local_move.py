# SPDX-License-Identifier: BSD-2-Clause
"""Attacks of a local user that give a node's port to another cluster, or lock its peers out."""
from local_open import flood, flood_of_many, more_names, mutes, shadow
from local_site import KNOWN_S, PORT, Attack, found

APP = {"name": "app", "nodes": ["app@*"], "peers": ["10.77.2.0/24"]}
DB = {"name": "db", "nodes": ["db*@*"], "peers": ["10.77.3.0/24"]}


def misplaced(site):
    """Whether a peer of the other cluster is let in, or the node's own are locked out."""
    own, other = site.lab.peer, site.lab.peer2

    def another():
        return site.greeted(other) and "another cluster's peer is let in"

    if not found(lambda: another() or site.greeted(own), 3 * KNOWN_S):
        return "its own peers are locked out"
    if now := site.gained(another):
        return now
    return None if found(lambda: site.greeted(own), KNOWN_S) else "its own peers are locked out"


def early(attack, by="epmd", start_epmd_last=False):
    """What the user does is there before the node."""
    def run(site):
        if not start_epmd_last:
            site.epmd()
        site.fence.start()
        attack(site)
        if start_epmd_last:
            site.epmd()
        site.node(by=by)
        return misplaced(site)
    return run


def late(attack, restart=False):
    """What the user does comes while a node that is known runs; which may then be restarted."""
    def run(site):
        site.epmd()
        site.fence.start()
        node = site.known_node()
        attack(site)
        if restart:
            site.stop(node)
            site.node()
        return misplaced(site)
    return run


def name(site):
    site.attacker("python3", "register", 4369, f"db7,{PORT}")


def forged_line(site):
    site.attacker("python3", "register", 4369, f"x at port 1\nname db7 at port {PORT}\nname y,1")


def epmd_on_the_port(site):
    site.attacker("epmd", "listen", f"::1,{PORT}")


def own_node_on_the_port(site):
    site.attacker("beam.smp", "node", f"::1,{PORT}", "db7")


CLUSTERED = ("client", "peer", "peer2"), (APP, DB)
ATTACKS = tuple(Attack(name, run, *CLUSTERED) for name, run in (
    ("name of the other's, before", early(name)),
    ("name of the other's, command line", early(name, by="command line")),
    ("line forged for the other's", early(forged_line)),
    ("epmd beside the node", late(epmd_on_the_port)),
    ("own node beside, before", early(own_node_on_the_port)),
    ("own node beside, after", late(own_node_on_the_port, restart=True)),
    ("second listener locks peers out", early(shadow, by="command line")),
    ("more names lock peers out", early(more_names, by="command line")),
    ("mute epmds lock peers out", early(mutes, by="kernel", start_epmd_last=True)),
    ("17,000 listeners lock peers out", early(flood, by="kernel")),
    ("17,000 of 20 uids lock peers out", early(flood_of_many, by="kernel")),
))
