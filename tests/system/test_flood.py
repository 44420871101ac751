# SPDX-License-Identifier: BSD-2-Clause
"""Law 3 and 4 at work: reloads, kills and upgrades while a client floods protected ports.

Nothing may get through, no peer may be cut off, no count may go back or be lost.
"""
import collections
import json
import os
import subprocess

import pytest

from kit import bpf
from kit import erlang
from kit import other_build
from kit.fence import Fence
from kit.frames import IP, TCP, Dot1Q, IPv6, to_host
from kit.lab import Lab, wait_until
from kit.packets import ETH_P_ALL, compiled, filtered_socket, statistics

SOAK = bool(os.environ.get("BEAMFENCE_SOAK"))
RELOADS, KILLS, UPGRADES = (1000, 100, 100) if SOAK else (40, 6, 8)
PORTS = (4369, 9101, 9301)
PINGS = """
Loop = fun Again() ->
    {Time, Answer} = timer:tc(fun() -> net_adm:ping('app@host.lab') end),
    erlang:disconnect_node('app@host.lab'),
    io:format("~p ~p~n", [Answer, Time]), Again() end, Loop()"""


def policies():
    """Two that have nothing in common but what has to stay: the client's zone, and the node's peer.

    The node's port is the kernel's choice: its cluster is known by its name alone.
    """
    app = {"name": "app", "nodes": ["app@*"], "peers": ["10.77.2.0/24"]}
    others = [{"name": f"other{number}", "ports": f"{9200 + 10 * number}-{9205 + 10 * number}",
               "peers": [f"10.{number}.0.0/16", f"fd00:{number}::/64"]} for number in range(9)]
    shuffled = [{**one, "ports": two["ports"]} for one, two in zip(others, reversed(others))]
    fixed = {"name": "a", "ports": "9300-9310, 9101", "peers": ["10.77.9.0/24"]}
    first = {"cluster": ["cluster*"], "clusters": (app, *others, fixed)}
    second = {"cluster": ["cluster0"], "trusted": ["cluster1"], "client": ["client*"],
              "clusters": ({**fixed, "name": "b", "ports": "9101, 9301"}, *shuffled[3:], app),
              "epmd": (4369, 4370)}
    return first, second


class Witness:
    """Frames for the protected ports that are behind the filter of client0."""

    def __init__(self, lab):
        ports = " or ".join(f"tcp dst port {port}" for port in PORTS)
        code = compiled(f"({ports}) or (vlan and ({ports}))")
        self._socket = filtered_socket(lab.host, code)
        self._socket.bind(("client0", ETH_P_ALL))

    def close(self):
        """How many there were."""
        counted = statistics(self._socket)[0]
        self._socket.close()
        return counted


class Ledger:
    """Counters that are read again and again: none may go back."""

    def __init__(self, fence):
        self._fence, self.last = fence, collections.Counter()

    def read(self):
        now = collections.Counter(self._fence.counters())
        back = {name: (count, now[name]) for name, count in self.last.items() if now[name] < count}
        assert not back, f"counters that went back: {back}"
        self.last = now
        return now

    def dropped(self):
        return sum(count for (interface, _, verdict, _), count in self.last.items()
                   if (interface, verdict) == ("client0", "drop"))


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client", "peer", "stranger") as lab:
        erlang.start_epmd(lab)
        erlang.start_node(lab, "app")
        yield lab


@pytest.fixture(name="builds", scope="module")
def _builds(lab):
    """The agent of this tree, one with another program, and one with another layout; where there is
    time, the one that was released before too, to which it goes back as well."""
    built = [Fence.command(Fence(lab))[0]]
    for layout in (False, True):
        directory = lab.directory / f"next{layout}"
        directory.mkdir()
        built.append(other_build.build(directory, layout))
    if SOAK:
        built.append(other_build.released("0.1.0") / "beamfenced")
    return built


def flood_frames(lab):
    ethernet, client = to_host(lab, lab.client), lab.client
    for port in PORTS:
        tcp = TCP(sport=4242, dport=port, flags="S")
        yield ethernet / IP(src=client.own4, dst=client.host4) / tcp
        yield ethernet / Dot1Q(vlan=7) / IP(src=client.own4, dst=client.host4) / tcp
        yield ethernet / IPv6(src=client.own6, dst=client.host6) / tcp


def received(lab):
    links = json.loads(lab.host.ip("-j", "-s", "link", "show", "client0"))
    return links[0]["stats64"]["rx"]["packets"]


def start_pings(lab):
    argv = erlang.command(lab, lab.peer, "pings@peer.lab", "inet_tcp", "-hidden", "-dist_listen",
                          "false", "-eval", PINGS)
    return lab.popen(lab.peer, argv, "pings.log", stdout=subprocess.PIPE, text=True,
                     env=erlang.ENVIRONMENT)


def restart(fence, agent):
    fence.kill()
    fence.command = lambda: [agent, *Fence.command(fence)[1:]]
    fence.start()


def uncounted(lab, ledger):
    """Frames that client0 received and no counter has: some came before the filter did."""
    counted = sum(count for (interface, *_), count in ledger.read().items()
                  if interface == "client0")
    return received(lab) - counted


def test_flood_meets_a_closed_fence_through_reloads_kills_and_upgrades(lab, builds):
    both = policies()
    with Fence(lab, **both[0]) as fence:
        fence.port(source="autobound", node="app", cluster="app")
        ledger = Ledger(fence)
        before = uncounted(lab, ledger)
        witness, pinging = Witness(lab), start_pings(lab)
        assert pinging.stdout.readline().startswith("pong")
        with bpf.LiveFlood(lab.client, flood_frames(lab)) as flood:
            for number in range(RELOADS):
                fence.configure(**both[number % 2])
                fence.tell("reload")
                if number % 10 == 0:
                    ledger.read()
            for number in range(KILLS):
                restart(fence, builds[0])
                ledger.read()
            for number in range(UPGRADES):
                restart(fence, builds[number % len(builds)])
                ledger.read()
            restart(fence, builds[0])
        pinging.kill()
        answers = [line.split() for line in pinging.stdout.read().splitlines()]
        wait_until(lambda: uncounted(lab, ledger) == before, 5, "all that came is counted")
        print(f"\n{RELOADS} reloads, {KILLS} kills, {UPGRADES} upgrades in {flood.seconds:.0f} s: "
              f"{flood.offered} frames offered, {ledger.dropped()} dropped, {len(answers)} pings, "
              f"the slowest {max(int(line[1]) for line in answers if len(line) == 2) / 1000:.0f} ms")
        assert witness.close() == 0
        assert ledger.dropped() > 100_000
        assert len(answers) > 10 and {answer for answer, *_ in answers} == {"pong"}
        assert fence.count(interface="cluster0", verdict="drop") == 0
