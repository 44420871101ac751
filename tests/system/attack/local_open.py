# SPDX-License-Identifier: BSD-2-Clause
"""Attacks of a local user that open a node's port to clients."""
import time

from kit import impostor
from kit.lab import end
from local_site import NOBODY, PORT, SUBORDINATES, Attack, Site

MUTES, MUTE_PORTS = 300, 20000
KNOCKS = 5000           # more than the registrations of 0.1
SHADOWS = 1000
LISTENERS = 17_000      # more than the listeners of 0.1
TRIES, KEPT_S = 3, 1            # of a port of somebody else's
FORGED = f"x at port 1\nname a at port {PORT}\nname b at port {PORT}\nname c,1"


# What the user does

def more_names(site):
    site.attacker("python3", "register", 4369, f"evil,{PORT}", f"evil2,{PORT}")


def forged_lines(site):
    """One registration, whose name makes several lines of what epmd answers."""
    site.attacker("python3", "register", 4369, FORGED)


def _knock(site, count, user=NOBODY):
    """Connections to a host that is down, as some host always is."""
    site.lab.host.ip("neigh", "replace", "10.77.1.99", "lladdr", "02:00:00:00:00:99",
                     "dev", "client0")
    site.attacker("beam.smp", "knock", count, "10.77.1.99", 4369, user=user)


def knocks(site):
    for _ in range(5):
        _knock(site, KNOCKS // 5)


def some_more_knocks(site):
    """Take the room in the table that the node has left."""
    _knock(site, 100)


def knocks_of_many(site):
    for user in SUBORDINATES:
        _knock(site, KNOCKS // len(SUBORDINATES), user)


def mutes(site, count=MUTES):
    site.attacker("epmd", "mute", count, MUTE_PORTS)


def mutes_of_many(site):
    for number, user in enumerate(SUBORDINATES):
        site.attacker("epmd", "mute", 15, MUTE_PORTS + 15 * number, user=user)


def visitors(site):
    """Connections to epmds that have no listener any more, and never said a word."""
    hosts = site.attacker("epmd", "mute", MUTES, MUTE_PORTS, 1)
    site.attacker("beam.smp", "visit", MUTES, MUTE_PORTS)
    impostor.said(hosts)


def more_names_among_mute_nodes(site):
    """Whoever asks the nodes themselves has many to ask that do not answer."""
    site.attacker("beam.smp", "nodes", MUTES)
    more_names(site)


def shadow(site):
    site.attacker("beam.smp", "listen", f"::1,{PORT}")


def shadow_by_ipv6(site):
    site.attacker("beam.smp", "listen", f"fd77:1::1,{PORT}")


def shadow_everywhere(site):
    site.attacker("beam.smp", "listen", f"::,{PORT}")


def shadows(site):
    site.attacker("beam.smp", "many", SHADOWS, f"::1,{PORT},reuse")


def shadow_that_denies(site):
    """Whoever asks at the wrong address hears that this is no node."""
    site.attacker("beam.smp", "speak", "web", f"::1,{PORT}", f"fd77:1::1,{PORT}")


def flood(site):
    site.attacker("beam.smp", "many", LISTENERS, "127.0.0.1,0")


def flood_of_many(site, name="beam.smp", port=0):
    """The same by several users, each on a port of its own or all on one."""
    return [site.attacker(name, "many", LISTENERS // len(SUBORDINATES),
                          f"127.0.0.{2 + number},{port or 10000 + number},reuse", user=user)
            for number, user in enumerate(SUBORDINATES)]


def names_without_end(site):
    """Of many listeners on one port of a process that is a node elsewhere."""
    site.attacker("epmd", "liar", "127.0.0.1,5390", "n*16384,5391")
    site.attacker("beam.smp", "crowded", 1000, "127.0.0.1,5391,reuse", 5390, "0.0.0.0,5392", "--",
                  "-kernel", "inet_dist_listen_min", 5392, "inet_dist_listen_max", 5392)


# When

def before(attack, by="epmd"):
    """The attack is there when the node starts for the first time."""
    def run(site):
        site.epmd()
        site.fence.start()
        attack(site)
        site.node(by=by)
        return site.stays_open()
    return run


def after(attack, between=lambda site: None):
    """The attack begins while the node runs, which is then restarted on a port that is known."""
    def run(site):
        site.epmd()
        site.fence.start()
        node = site.known_node()
        attack(site)
        if now := site.gained(site.greeted):
            return now
        site.stop(node)
        between(site)
        return site.leaks(site.node)
    return run


def before_epmd(attack, start_epmd):
    """The attack is there when epmd starts."""
    def run(site):
        site.fence.start()
        attack(site)
        start_epmd(site)
        site.node()
        return site.stays_open()
    return run


def before_the_agent(site):
    """The agent is restarted among epmds that never answer, and then a node starts."""
    site.fence.start()
    site.epmd()
    mutes(site, 2000)   # which come in any order: among so many the real one is late
    site.fence.end()
    site.fence.start()
    site.node()
    return site.stays_open()


def between(port, *options):
    """The user takes the port of a node that has stopped, keeps it a while, and gives it back.

    When the node starts again, that must not be its first time. What would be gained are a few
    milliseconds, so it is tried more than once.
    """
    def run(site):
        site.port = port
        # As if the user waited a minute: where old connections are kept no port is chosen.
        site.lab.host.sysctl(ipv4__tcp_max_tw_buckets=0)
        site.epmd()
        site.fence.start()
        node = site.known_node()
        for _ in range(TRIES):
            what, node = _take(site, node, options)
            if what:
                return what
        return None
    return run


def _take(site, node, options):
    site.stop(node)
    own = site.attacker("beam.smp", "listen", ",".join(["0.0.0.0", str(site.port), *options]))
    site.nudge()
    time.sleep(KEPT_S)
    end(own)
    site.nudge()
    started = []
    return site.leaks(lambda: started.append(site.node())), started[0]


EPMD, SYSTEMDS = Site.epmd, Site.activated_epmd
ATTACKS = (
    Attack("more names, before", before(more_names)),
    Attack("more names, after", after(more_names)),
    Attack("more names, 300 mute nodes", before(more_names_among_mute_nodes)),
    Attack("16,384 names for 1,000 listeners", before(names_without_end)),
    Attack("lines forged by one name, before", before(forged_lines)),
    Attack("lines forged by one name, after", after(forged_lines)),
    Attack("knocks fill a table, before", before(knocks)),
    Attack("knocks fill a table, after", after(knocks, some_more_knocks)),
    Attack("knocks of 20 uids", before(knocks_of_many)),
    Attack("mute epmds before epmd", before_epmd(mutes, EPMD)),
    Attack("mute epmds before systemd's", before_epmd(mutes, SYSTEMDS)),
    Attack("mute epmds before the agent", before_the_agent),
    Attack("mute epmds of 20 uids", before_epmd(mutes_of_many, EPMD)),
    Attack("visitors of mute epmds", before_epmd(visitors, SYSTEMDS)),
    Attack("second listener on ::1, before", before(shadow)),
    Attack("second listener on ::1, after", after(shadow)),
    Attack("second listener by IPv6, before", before(shadow_by_ipv6)),
    Attack("second listener on [::], before", before(shadow_everywhere)),
    Attack("1,000 second listeners, before", before(shadows)),
    Attack("second listener denies, before", before(shadow_that_denies)),
    Attack("second listener denies, after", after(shadow_that_denies)),
    Attack("port taken between stop and start", between(PORT)),
    Attack("port taken as if by the kernel", between(45321, "range")),
    Attack("17,000 listeners", before(flood, "command line")),
    Attack("17,000 listeners of 20 uids", before(flood_of_many, "command line")),
)
