# SPDX-License-Identifier: BSD-2-Clause
"""What the listener watch costs other programs, and how long it takes to learn what it must.

    /usr/bin/python3 tests/bench/watch.py [--rounds N]

1. connect/close and listen/close over loopback, with the watch and without, in turn; medians.
2. A fixed port that no configuration names: from its first SYN-ACK to a client to its last.
3. An autobound node: from its registration with epmd to the first SYN-ACK to a peer of its cluster.
"""
import argparse
import pathlib
import socket
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

# pylint: disable=wrong-import-position
from kit import erlang  # noqa: E402
from kit.fence import Fence  # noqa: E402
from kit.lab import Lab, end, run, unwind_on_signals, wait_until  # noqa: E402
from kit.sweep import ETH_P_ALL, Sweep, ephemeral_ports  # noqa: E402

APP = {"name": "app", "nodes": ["app@*"], "peers": ["10.77.2.0/24", "fd77:2::/64"]}
TARGET_US = 1.0
CASES = (("connect/close", "connect", "curl"), ("listen/close", "listen", "nginx"),
         ("listen/close of a BEAM", "listen", "beam.smp"),
         ("connect/close of a BEAM", "connect", "beam.smp"))


def costs(lab, rounds):
    """Microseconds for each case, without and with the watch, in turn so that drift cancels out."""
    churn = lab.directory / "churn"
    run("cc", "-O2", "-o", churn, pathlib.Path(__file__).with_name("churn.c"))
    taken = {(case[0], watched): [] for case in CASES for watched in (False, True)}
    with Fence(lab, clusters=()) as fence:
        for turn in range(rounds):
            for watched in ((False, True), (True, False))[turn % 2]:
                fence.configure(clusters=(), discovery={"listeners": watched})
                fence.tell("reload")
                for text, what, name in CASES:
                    taken[text, watched].append(
                        float(lab.host.run(churn, what, 10_000, name)) / 1000)
    print(f"{'µs a round, median of ' + str(rounds):<34}{'without':>9}{'with':>9}{'more':>9}"
          f"{'lowest':>9}")
    good = True
    for text, _, name in CASES:
        without, with_watch = (statistics.median(taken[text, one]) for one in (False, True))
        lowest = min(taken[text, True]) - min(taken[text, False])
        print(f"  {text:<32}{without:>9.2f}{with_watch:>9.2f}{with_watch - without:>9.2f}"
              f"{lowest:>9.2f}")
        if name != "beam.smp":
            good = good and min(with_watch - without, lowest) <= TARGET_US
    return good


def fixed_port_window(lab, name, options):
    """Milliseconds for which a client is answered by a node on a fixed port, once it listens."""
    with Fence(lab, clusters=(APP,)) as fence, Sweep(lab, lab.client, [9400]) as sweep:
        argv = erlang.command(lab, lab.host, name and f"{name}@host.lab", "inet_tcp", *options)
        process = lab.popen(lab.host, argv, "bench-node.log", env=erlang.ENVIRONMENT)
        source = fence.port(timeout=20, port=9400)["source"]
        sweep.wait_laps(1000)
        end(process)
        wait_until(lambda: "name " not in erlang.epmd_names(lab.host, "127.0.0.1"), 5, "gone")
    first, last = sweep.times.get(9400, (0, 0))
    return source, (last - first) * 1000, sweep.answers.get(9400, 0)


class Registrations(threading.Thread):
    """When epmd first answered a registration on the host's loopback: ALIVE2_RESP or its kin."""

    def __init__(self, namespace):
        super().__init__(daemon=True)
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind(("lo", ETH_P_ALL))
        self.at = None
        self.start()

    def run(self):
        while self.at is None:
            frame = self._socket.recv(2048)
            header = 14 + (frame[14] & 15) * 4
            payload = frame[header + (frame[header + 12] >> 4) * 4:14 +
                            int.from_bytes(frame[16:18], "big")]
            if frame[header:header + 2] == (4369).to_bytes(2, "big") and payload[:1] in (b"v", b"y"):
                self.at = time.monotonic()
        self._socket.close()


def first_peer_delay(lab):
    """Milliseconds from a node's registration to the first SYN-ACK to a peer of its cluster."""
    with Fence(lab, clusters=(APP,)), ephemeral_ports(lab.host, 41000, 41049) as ports:
        registrations = Registrations(lab.host)
        with Sweep(lab, lab.peer, ports) as sweep:
            node = erlang.start_node(lab, "app")
            wait_until(lambda: node.port in sweep.answers, 10, "a peer is answered")
        end(node)
        wait_until(lambda: "name " not in erlang.epmd_names(lab.host, "127.0.0.1"), 5, "gone")
    return (sweep.times[node.port][0] - registrations.at) * 1000


RUN_TIME = ("ok = application:set_env(kernel, inet_dist_listen_min, 9400), "
            "ok = application:set_env(kernel, inet_dist_listen_max, 9400), "
            "{ok, _} = net_kernel:start(['app@host.lab', longnames]).")


def spread(values):
    return f"median {statistics.median(values):.2f}, most {max(values):.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    unwind_on_signals()
    with Lab("client", "peer") as lab:
        good = costs(lab, rounds)
        erlang.start_epmd(lab)
        print("\nms that a client is answered by a fixed port that no configuration names")
        kinds = (("app", ("inet_dist_listen_min", "9400", "inet_dist_listen_max", "9400")),
                 (None, ("-eval", RUN_TIME)))
        for name, options in kinds:
            found = [fixed_port_window(lab, name, options) for _ in range(5)]
            print(f"  {found[0][0]:<12} {spread([one[1] for one in found])} "
                  f"({sum(one[2] for one in found)} SYN-ACKs)")
        print("\nms from a node's registration to the first accepted SYN of a peer")
        print(f"  {spread([first_peer_delay(lab) for _ in range(5)])}")
    if not good:
        sys.exit(f"\nwatch: FAILED: the watch costs more than {TARGET_US} µs")


if __name__ == "__main__":
    main()
