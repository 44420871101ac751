# SPDX-License-Identifier: BSD-2-Clause
"""make soak: the open window, looked for at length: `soak.py [--nodes N] [--fixed]`, 200 by default.

Real nodes start and stop on ports that the kernel chooses, while a client floods SYNs over all of
these ports. A service in the same range must be seen answering; not one node may be. Then the same,
with fewer nodes, where listeners are not watched: there the sweep has to catch some.

With --fixed the nodes choose their ports themselves, each another one, named on the command line or
known to epmd alone. `discovery.fixed: protect` has to close these; what `known` leaves open is shown.
"""
import argparse
import contextlib
import sys

import conftest
from kit import erlang
from kit.fence import Fence
from kit.lab import Lab, unwind_on_signals
from kit.sweep import (Sweep, autobound_node, ephemeral_ports, fixed_nodes, service,
                       start_and_stop_nodes)

PORTS = (41000, 41399)
FIRST_FIXED = 20000  # below what the kernel chooses from
ROW = "{:<16} {:>7} {:>12} {:>12} {:>9} {:>15} {:>16} {:>12}"


@contextlib.contextmanager
def chosen_by_kernel(lab, _nodes):
    """Yields the range, the service's port in it, and how nodes are started on the others."""
    with ephemeral_ports(lab.host, *PORTS) as ports, service(lab.host) as own:
        yield ports, own, autobound_node


@contextlib.contextmanager
def chosen_by_nodes(lab, nodes):
    """The same for ports that nodes choose."""
    ports = range(FIRST_FIXED, FIRST_FIXED + nodes + 1)
    with lab.host.listen(ports[0]):
        yield ports, ports[0], fixed_nodes(ports[1:])


def round_of(lab, nodes, choice, name, **discovery):
    """One row of the table. Returns the ports of nodes that answered, or None: it proves nothing."""
    with Fence(lab, clusters=(), discovery=discovery), choice(lab, nodes) as (ports, own, command):
        with Sweep(lab, lab.client, ports) as sweep:
            used = start_and_stop_nodes(lab, nodes, command=command)
    of_service = sweep.answers.get(own, 0)
    of_nodes = {port: count for port, count in sweep.answers.items() if port != own}
    print(ROW.format(name, len(used), sweep.sent, sweep.arrived, f"{sweep.seconds:.1f}",
                     len(of_nodes), sum(of_nodes.values()), of_service), flush=True)
    valid = (of_service > 0 and sweep.lost == 0 and len(used) == nodes and
             set(used) <= set(ports))
    return set(of_nodes) if valid else None


def rounds(lab, nodes, fixed):
    """Whether all is as it has to be."""
    few = max(4, nodes // 20)
    if not fixed:
        return (round_of(lab, nodes, chosen_by_kernel, "watched") == set() and
                bool(round_of(lab, few, chosen_by_kernel, "not watched", listeners=False)))
    return (round_of(lab, nodes, chosen_by_nodes, "fixed: protect", fixed="protect") == set() and
            round_of(lab, nodes, chosen_by_nodes, "fixed: known", fixed="known") is not None and
            bool(round_of(lab, few, chosen_by_nodes, "not watched", listeners=False)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--nodes", type=int, default=200, help="how many start and stop")
    parser.add_argument("--fixed", action="store_true", help="on ports of their own choice")
    options = parser.parse_args()
    if missing := conftest.lacks():
        sys.exit(f"soak: this machine lacks: {missing} (deploy/dependencies.sh check brings it)")
    unwind_on_signals()
    first, last = ((FIRST_FIXED, FIRST_FIXED + options.nodes) if options.fixed else PORTS)
    print(f"SYNs from a client to ports {first}-{last} of the host, IPv4 and IPv6\n")
    print(ROW.format("listeners", "nodes", "SYNs sent", "SYNs arrived", "seconds",
                     "nodes answering", "nodes' SYN-ACKs", "service's"))
    with Lab("client", "peer") as lab:
        erlang.start_epmd(lab)
        good = rounds(lab, options.nodes, options.fixed)
    if not good:
        sys.exit("\nsoak: FAILED: with the watch no node may answer, without it some must, and the "
                 "service always")
    print(f"\nnot one SYN-ACK of {options.nodes} nodes left the client interface")


if __name__ == "__main__":
    main()
