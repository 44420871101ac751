# SPDX-License-Identifier: BSD-2-Clause
"""make soak: the open window, looked for at length: `soak.py [--nodes N]`, 200 unless told.

Real nodes start and stop on ports that the kernel chooses, while a client floods SYNs over all of
these ports. A service in the same range must be seen answering; not one node may be. Then the same,
with fewer nodes, where listeners are not watched: there the sweep has to catch some.
"""
import argparse
import sys

import conftest
import erlang
from fence import Fence
from lab import Lab, unwind_on_signals
from sweep import Sweep, ephemeral_ports, service, start_and_stop_nodes

PORTS = (41000, 41399)
ROW = "{:<12} {:>7} {:>12} {:>12} {:>9} {:>15} {:>12}"


def round_of(lab, nodes, watched):
    """One row of the table; returns whether it is as it has to be."""
    with Fence(lab, clusters=(), discovery={"listeners": watched}), \
            ephemeral_ports(lab.host, *PORTS) as ports:
        with service(lab.host) as own, Sweep(lab, lab.client, ports) as sweep:
            used = start_and_stop_nodes(lab, nodes)
    of_service = sweep.answers.get(own, 0)
    of_nodes = sum(count for port, count in sweep.answers.items() if port != own)
    print(ROW.format("watched" if watched else "not watched", len(used), sweep.sent, sweep.arrived,
                     f"{sweep.seconds:.1f}", of_nodes, of_service), flush=True)
    return (of_service > 0 and sweep.lost == 0 and len(used) == nodes and
            set(used) <= set(ports) and (of_nodes == 0) == watched)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--nodes", type=int, default=200, help="how many start and stop")
    nodes = parser.parse_args().nodes
    if missing := conftest.lacks():
        sys.exit(f"soak: this machine lacks: {missing} (deploy/dependencies.sh check brings it)")
    unwind_on_signals()
    print(f"SYNs from a client to ports {PORTS[0]}-{PORTS[1]} of the host, IPv4 and IPv6\n")
    print(ROW.format("listeners", "nodes", "SYNs sent", "SYNs arrived", "seconds",
                     "nodes' SYN-ACKs", "service's"))
    with Lab("client", "peer") as lab:
        erlang.start_epmd(lab)
        good = [round_of(lab, nodes, True), round_of(lab, max(4, nodes // 20), False)]
    if not all(good):
        sys.exit("\nsoak: FAILED: with the watch no node may answer, without it some must, and the "
                 "service always")
    print(f"\nnot one SYN-ACK of {nodes} nodes left the client interface")


if __name__ == "__main__":
    main()
