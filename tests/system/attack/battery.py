# SPDX-License-Identifier: BSD-2-Clause
"""make attack: an attacker's toolbox, without beamfence and with it, as a table.

Each attack comes from the client side and from a stranger on the cluster side, over IPv4 and IPv6.
Each has to work without beamfence, or it proves nothing, and to gain nothing with it, while the
cluster's own traffic and a web service go on.
"""
import concurrent.futures
import sys
import time
from typing import NamedTuple

import conftest
import epmd_attacks as epmd
import node_attacks as node
import scans
from kit.lab import unwind_on_signals
from target import Target, Witness

ORIGINS = ("client", "stranger")
FAMILIES = ("IPv4", "IPv6")
AT_ONCE = 12  # most of what an attack does is to wait


class Attack(NamedTuple):
    name: str
    run: object             # (target, attacker's namespace, address): what was gained, or None
    origins: tuple = ORIGINS
    alone: bool = False     # what it measures on the host must not be moved by its like


ATTACKS = (
    Attack("nmap epmd-info", scans.epmd_info),
    Attack("nmap -sV", scans.service_detection),
    Attack("nmap -sS", scans.scan("-sS")),
    Attack("nmap -sT", scans.scan("-sT")),
    Attack("nmap -sA", scans.scan("-sA", wanted="unfiltered")),
    Attack("nmap -f", scans.in_fragments(("-f",), (24, 16))),
    Attack("nmap --mtu 8", scans.in_fragments(("--mtu", "8"), (24, 8, 8))),
    Attack("nmap -D decoys", scans.decoys),
    Attack("nmap -g 4369", scans.scan("-sS", "-g", "4369")),
    Attack("sweep of high ports", scans.port_sweep),
    Attack("forged peer's address", scans.forged_peer, ("client",)),
    Attack("epmd NAMES", epmd.names),
    Attack("epmd guessed names", epmd.guessed_names),
    Attack("epmd ALIVE2 from afar", epmd.local_command(epmd.ALIVE2)),
    Attack("epmd KILL from afar", epmd.local_command(b"k")),
    Attack("epmd DUMP from afar", epmd.local_command(b"d")),
    Attack("epmd STOP from afar", epmd.local_command(b"sapp")),
    Attack("epmd out of descriptors", epmd.exhaustion),
    Attack("handshake, whole", node.probes(at_once=1000)),
    Attack("handshake, byte by byte", node.probes(at_once=1)),
    Attack("cookie guessing", node.cookie_guessing),
    Attack("take-over with the cookie", node.take_over),
    Attack("take-over begun before", node.older_session),
    Attack("atom flood", node.atom_flood, alone=True),
    Attack("race for a new port", node.race),
)


class Results(NamedTuple):
    without: dict       # (attack's name, origin, family): what was gained, or None
    fenced: dict
    undisturbed: bool   # the peer's pings and the web service, while the fenced half ran
    drops: dict         # frames dropped on the interface of each origin
    seconds: float


def _one(target, attack, origin, family):
    attacker = getattr(target.lab, origin)
    try:
        return attack.run(target, attacker, attacker.host6 if family == "IPv6" else attacker.host4)
    except TimeoutError:
        return None  # nobody answered


def _all(target, attacks):
    """Every attack from everywhere, many at a time."""
    cases = [(attack, origin, family) for attack in attacks for origin in attack.origins
             for family in FAMILIES]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool, \
            concurrent.futures.ThreadPoolExecutor(1) as alone:
        running = {(case[0].name, *case[1:]):
                   (alone if case[0].alone else pool).submit(_one, target, *case)
                   for case in cases}
        return {key: future.result() for key, future in running.items()}


def run(attacks=ATTACKS):
    """The whole battery, in one lab."""
    began = time.monotonic()
    with Target() as target:
        without = _all(target, attacks)
        with target.fence() as fence, Witness(target) as witness:
            fenced = _all(target, attacks)
            drops = {"client": fence.count(interface="client0", verdict="drop"),
                     "stranger": fence.count(interface="cluster2", verdict="drop")}
            undisturbed = witness.undisturbed()
    return Results(without, fenced, undisturbed, drops, time.monotonic() - began)


ROW = "{:<26} {:<9} {:<28} {:<28} {:<9} {:<9}"


def table(results, attacks=ATTACKS):
    lines = [ROW.format("attack", "from", "without, IPv4", "without, IPv6", "with, IPv4",
                        "with, IPv6")]
    for attack in attacks:
        for origin in attack.origins:
            cells = [half[attack.name, origin, family] or "nothing"
                     for half in (results.without, results.fenced) for family in FAMILIES]
            lines.append(ROW.format(attack.name, origin, *cells).rstrip())
    return "\n".join(lines)


def wrong(results):
    """What is not as it has to be, in words."""
    lines = [f"{' / '.join(key)} gains nothing without beamfence: it proves nothing"
             for key, gain in results.without.items() if not gain]
    lines += [f"{' / '.join(key)} gains something with beamfence: {gain}"
              for key, gain in results.fenced.items() if gain]
    lines += [f"no frame of the {origin} was dropped"
              for origin, count in results.drops.items() if not count]
    return lines + (["peers or the web service were disturbed"] if not results.undisturbed else [])


def main():
    if missing := conftest.lacks():
        sys.exit(f"attack: this machine lacks: {missing} (deploy/dependencies.sh check brings it)")
    unwind_on_signals()
    results = run()
    print(table(results))
    print(f"\nframes dropped: {results.drops['client']} of the client, "
          f"{results.drops['stranger']} of the stranger; {results.seconds:.0f} s")
    if lines := wrong(results):
        sys.exit("\n".join(["attack: FAILED", *lines]))
    print("each ping of the peer and each page of the web service was answered meanwhile")


if __name__ == "__main__":
    main()
