# SPDX-License-Identifier: BSD-2-Clause
"""make soak, the abuse: one agent that is bothered in every way at once, and has to stay as it was.

`abuse.py [--minutes M] [--seed N]`: under a flood of SYNs for protected ports, and in an order that
the seed gives: reloads good and bad, trials, interfaces, nodes and listeners that come and go,
peers by the thousand, clients that never read, pins and filters taken away. What comes through is
counted behind the filter; the agent's memory, descriptors, threads and pins are compared with those
after the first round of everything.
"""
import argparse
import collections
import os
import random
import socket
import sys
import time

from kit import bpf
import conftest
from kit import erlang
from kit import impostor
from kit.fence import APP, DB, Fence
from kit.frames import IP, TCP, IPv6, to_host
from kit.lab import Lab, end, unwind_on_signals, wait_until
from test_flood import Witness

PORTS = (4369, 9101, 9301)
GROWTH_KIB = 2048  # of resident memory: what an allocator may hold on to
ROW = "{:<34} {:>12} {:>12}"


class Abuse:
    """The agent, and each way to bother it: a method whose name begins with `do_`."""

    def __init__(self, lab, seed):
        self.lab, self.random = lab, random.Random(seed)
        self.fence = Fence(lab, client=["client0", "extra*"], clusters=(APP, DB),
                           discovery={"listeners": True})
        self.fence.start()
        self.done = collections.Counter()
        self.deaf = []  # sockets whose replies nobody reads

    def ways(self):
        return [name[3:] for name in dir(self) if name.startswith("do_")]

    def bother(self, way):
        getattr(self, f"do_{way}")()
        self.done[way] += 1

    def do_reload(self):
        peers = [f"10.{self.random.randrange(256)}.{number}.0/24" for number in range(200)]
        app = {**APP, "peers": [*APP["peers"], *peers]}
        ports = f"{self.random.randrange(9300, 9302)}-9355"
        self.fence.configure(client=["client0", "extra*"], discovery={"listeners": True},
                             clusters=(app, {**DB, "ports": f"9101, {ports}"}
                                       if self.random.random() < .5 else DB)
                             if self.random.random() < .5 else (app, DB))
        self.fence.ask("reload")  # some of these contradict themselves, and are refused

    def do_bad_reload(self):
        before = self.fence.config.read_text()
        self.fence.config.write_text(before + self.random.choice(
            ["clusters: 7\n", "\x00", "interfaces: [\n", "a: &a [*a]\n", "mode: audit\n" * 2]))
        assert self.fence.ask("reload").returncode == 1
        self.fence.config.write_text(before)

    def do_trial(self):
        self.fence.ask("try", self.fence.config, "--for", "60s")
        self.fence.ask(self.random.choice(["confirm", "revert"]))

    def do_interface(self):
        host = self.lab.host
        host.ip("link", "add", "extra0", "type", "veth", "peer", "name", "extra0p")
        host.ip("link", "set", "extra0", "up")
        host.ip("link", "del", "extra0")

    def do_brief_listeners(self):
        self.impostor("brief", "ipv4", "50", "50")

    def do_registrations(self):
        self.impostor("churn", "5")

    def impostor(self, *words):
        """Lets one do what it does, and leaves nothing of it: there are thousands in an hour."""
        with impostor.start(self.lab, "beam.smp", *words) as process:
            impostor.said(process)
            end(process)

    def do_peers(self):
        prefix = f"10.99.{self.random.randrange(256)}.0/24"
        self.fence.ask("peers", "add", "app", prefix, "--ttl", "1h", "--comment", "abuse")
        self.fence.ask("peers", "del", "app", prefix)

    def do_deaf_client(self):
        client = socket.socket(socket.AF_UNIX)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(1)
        client.connect(str(self.fence.socket))
        client.sendall(b'{"command":"counters"}\n' * 50)
        self.deaf.append(client)
        if len(self.deaf) > 8:
            self.deaf.pop(0).close()

    def do_deaf_follower(self):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(self.fence.socket))
        client.sendall(b'{"version":1,"command":"events","arguments":{"follow":true}}\n')
        self.deaf.append(client)
        if len(self.deaf) > 8:
            self.deaf.pop(0).close()

    def do_scrape(self):
        assert "beamfence_packets_total" in self.fence.metrics()

    def do_pin(self):
        pin = self.random.choice(sorted(self.fence.pins.iterdir()))
        if not pin.name.startswith("link-"):  # with its pin alone a link goes, and the filter
            pin.unlink(missing_ok=True)

    def quiet(self):
        for client in self.deaf:
            client.close()
        self.deaf.clear()
        self.fence.tell("status")
        time.sleep(6)  # its check of the pins comes every five seconds

    def state(self):
        """The least of a second's looks: something may just be going on."""
        looks = []
        for _ in range(10):
            looks.append(self.look())
            time.sleep(0.1)
        return {name: min(look[name] for look in looks) for name in looks[0]}

    def look(self):
        pid = self.fence.process.pid
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            found = dict(line.split(":", 1) for line in file)
        return {"memory, KiB": int(found["VmRSS"].split()[0]),
                "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
                "threads": int(found["Threads"]),
                "pins": len(list(self.fence.pins.iterdir()))}


def flood_frames(lab):
    ethernet, client = to_host(lab, lab.client), lab.client
    for port in PORTS[:2]:
        tcp = TCP(sport=4242, dport=port, flags="S")
        yield ethernet / IP(src=client.own4, dst=client.host4) / tcp
        yield ethernet / IPv6(src=client.own6, dst=client.host6) / tcp


def campaign(lab, minutes, seed):
    """Returns the table's rows and whether all is as it has to be."""
    abuse = Abuse(lab, seed)
    witness = Witness(lab)
    with bpf.LiveFlood(lab.client, flood_frames(lab)) as flood:
        for way in abuse.ways() * 2:
            abuse.bother(way)
        abuse.quiet()
        before, pid = abuse.state(), abuse.fence.process.pid
        ends = time.monotonic() + 60 * minutes
        while time.monotonic() < ends:
            abuse.bother(abuse.random.choice(abuse.ways()))
        abuse.quiet()
    wait_until(lambda: abuse.fence.ask("status").returncode == 0, 10, "the agent answers")
    after, through = abuse.state(), witness.close()
    print(f"seed {seed}, {minutes} min, {flood.offered} frames of the flood\n")
    print(ROW.format("", "before", "after"))
    for name, value in before.items():
        print(ROW.format(name, value, after[name]))
    print(ROW.format("frames through", "", through))
    for way, count in sorted(abuse.done.items()):
        print(ROW.format(f"done: {way.replace('_', ' ')}", "", count))
    same = all(before[name] == after[name] for name in ("descriptors", "threads", "pins"))
    return (same and through == 0 and abuse.fence.process.pid == pid and
            after["memory, KiB"] <= before["memory, KiB"] + GROWTH_KIB)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    if missing := conftest.lacks():
        sys.exit(f"abuse: this machine lacks: {missing} (deploy/dependencies.sh check brings it)")
    unwind_on_signals()
    with Lab("client", "peer") as lab:
        erlang.start_epmd(lab)
        erlang.start_node(lab, "app")
        good = campaign(lab, options.minutes, options.seed)
    sys.exit(0 if good else "\nabuse: FAILED: nothing may come through, and nothing may grow")


if __name__ == "__main__":
    main()
