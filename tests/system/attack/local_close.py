# SPDX-License-Identifier: BSD-2-Clause
"""Attacks of a local user that close a service, or freeze its sessions."""
from kit.lab import end, wait_until
from local_open import flood_of_many
from local_site import Attack, found

LIES = 5433     # where the user's own epmds listen
OPENS_S = 3     # within which a port is open again that was closed for a reason


def names(port):
    """The end of a command line that says of a node's port what it says."""
    return "--", "-kernel", "inet_dist_listen_min", str(port)


def beside(name, spec, port, address="0.0.0.0", *, program=False, **service):
    """A stranger's listener on the service's port, at an address that is another."""
    def attack(site):
        site.fence.start()
        victim = site.service(port, address, **service)
        words = ("listen", spec, *(names(port) if name == "beam.smp" else ()))
        if program:
            site.attacker("harmless", *words, program=site.program(name))
        else:
            site.attacker(name, *words)
        return site.gained(victim.lost)
    return attack


def beside_a_flood(site):
    """The same where there is no room any more to tell one address from another."""
    site.fence.start()
    victim = site.service(5432)
    flood_of_many(site)
    site.attacker("epmd", "listen", "::1,5432")
    return site.gained(victim.lost)


def in_the_gap(site):
    """The listener is gone for a moment, as when a service restarts and its sessions go on."""
    site.fence.start()
    victim = site.service(5432)
    victim.stop_listening()
    site.attacker("epmd", "listen", "0.0.0.0,5432")
    return site.gained(victim.frozen)


# A BEAM's port for clients

def _another_hosts_epmd(site):
    """The broker's connection to a database of another host is taken for a registration."""
    site.fence.start()
    database = site.lab.peer.own4
    dial = f'{{ok, _}} = gen_tcp:connect("{database}", 5432, [])'
    with site.lab.peer.listen(5432, database):
        broker, victim = site.broker(1883, more=dial)
        liar = site.attacker("epmd", "liar", "127.0.0.1,5432", "mqtt,1883")
        site.tell()
        return broker, liar, site.gained(victim.lost)


def lie_about_a_broker(site):
    return _another_hosts_epmd(site)[2]


def lie_that_stays(site):
    """The same, when the liar has gone and the broker has been restarted."""
    broker, liar, _ = _another_hosts_epmd(site)
    end(liar)
    end(broker)
    return _starts_closed(site, 1883)


def lie_of_a_ping(site):
    """A real node whose attempts to reach another host's epmd count as its registrations."""
    site.epmd()
    site.fence.start()
    lab = site.lab
    lab.host.erlang_hosts["down.lab"] = ["10.77.2.99"]
    lab.host.ip("neigh", "add", "10.77.2.99", "lladdr", "02:00:00:00:00:99", "dev", "cluster0")
    ping = "(fun F() -> net_adm:ping('rabbit@down.lab'), timer:sleep(100), F() end)()"
    _, victim = site.broker(5672, name="rabbit", more=ping)
    site.tell()
    site.attacker("python3", "register", 4369, "evil,5672")
    return site.gained(lambda: victim.closed() or site.nudge())


def epmd_that_is_visited(site):
    """A program called epmd, on another port, that a BEAM has a reason to connect to."""
    site.fence.start()
    _, victim = site.broker(8080, more=f'gen_tcp:connect("127.0.0.1", {LIES}, [])')
    site.attacker("epmd", "liar", f"127.0.0.1,{LIES}", "web,8080")
    site.tell()
    return site.gained(victim.lost)


def own_node_beside(site):
    """A whole node of the user's, with an epmd of the user's, at another address."""
    site.fence.start()
    site.attacker("epmd", "registrar", f"127.0.0.1,{LIES}")
    site.attacker("beam.smp", "node", "127.0.0.1,8080", "mine", LIES)
    site.nudge()
    return _starts_closed(site, 8080, site.client.host4)


def own_node_before(*noise):
    """A node of the user's is long gone when somebody's BEAM, which is no node, takes its port."""
    def attack(site):
        if noise:   # which keeps the agent from making its mind up, where an epmd answers
            site.epmd()
        site.fence.start()
        own = site.attacker("beam.smp", "listen", "0.0.0.0,8080", *names(8080))
        site.nudge()
        end(own)
        if noise:
            site.attacker("beam.smp", *noise)
        return _starts_closed(site, 8080)
    return attack


def _starts_closed(site, port, address="0.0.0.0"):
    """Whether a BEAM that begins to serve is closed, and still so a while after."""
    site.broker(port, address, serves=False)
    wait_until(lambda: site.lab.host.probe(site.client.host4, port) == "open", 10, "it serves")
    if found(lambda: site.client.probe(site.client.host4, port, 0.3) == "open", OPENS_S):
        return site.gained(site.served(port).lost)
    return f"port {port} stays closed"


def refuted_before_a_restart(site):
    """The user's port is no node's, as the agent found out; then it is another's, and no node's."""
    site.epmd()
    site.fence.start()
    own = site.attacker("beam.smp", "renegade", "0.0.0.0,8080", "x")
    wait_until(lambda: "does not speak the distribution" in site.fence.log(), 10, "it is refuted")
    end(own)
    site.fence.end()
    site.fence.start()
    site.broker(8080, serves=False)
    wait_until(lambda: site.lab.host.probe(site.client.host4, 8080) == "open", 10, "it serves")
    if site.client.probe(site.client.host4, 8080, 0.5) != "open":
        return "port 8080 is closed at first"
    return None


PEERED = ("client", "peer")
ONE = "10.77.1.1"       # the address that clients know
ATTACKS = (
    Attack("epmd on ::1", beside("epmd", "::1,1883", 1883)),
    Attack("epmd on 127.0.0.1", beside("epmd", "127.0.0.1,5432", 5432, ONE)),
    Attack("epmd on 127.0.0.2", beside("epmd", "127.0.0.2,5432", 5432, ONE)),
    Attack("BEAM on 127.0.0.1", beside("beam.smp", "127.0.0.1,8080", 8080, ONE)),
    Attack("BEAM on ::1", beside("beam.smp", "::1,8080", 8080)),
    Attack("epmd on [::] without IPv4", beside("epmd", "::,9000", 9000)),
    Attack("epmd on 0.0.0.0 by IPv6",
           beside("epmd", "::ffff:0.0.0.0,9000,dual", 9000, "::", at="fd77:1::1", only6=True)),
    Attack("epmd on ::ffff:127.0.0.1",
           beside("epmd", "::ffff:127.0.0.1,5432,dual", 5432, ONE)),
    Attack("epmd on every address of lo",
           beside("epmd", "0.0.0.0,5432,dev=lo", 5432, device="client0")),
    Attack("BEAM on a cluster's address",
           beside("beam.smp", "10.77.2.1,8080", 8080, ONE), PEERED),
    Attack("epmd on the interface's IPv6", beside("epmd", "fd77:1::1,5432", 5432)),
    Attack("BEAM by its program's name",
           beside("beam.smp", "::1,8080", 8080, program=True)),
    Attack("BEAM on a port as if the kernel's",
           beside("beam.smp", "::1,45000,range", 45000)),
    Attack("epmd on ::1 and a flood of 20 uids", beside_a_flood),
    Attack("listener in a restart's gap", in_the_gap),
    Attack("lie of a broker's connection", lie_about_a_broker, PEERED),
    Attack("lie that stays when its liar goes", lie_that_stays, PEERED),
    Attack("lie of a node's ping", lie_of_a_ping, PEERED),
    Attack("epmd that a BEAM visits", epmd_that_is_visited),
    Attack("own node and own epmd beside", own_node_beside),
    Attack("refuted before the agent restarts", refuted_before_a_restart),
    Attack("own node before", own_node_before()),
    Attack("own node before, connections", own_node_before("ringing", 4369)),
    Attack("own node before, listeners", own_node_before("listening")),
)
