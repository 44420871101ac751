# SPDX-License-Identifier: BSD-2-Clause
"""The race for the open window: SYNs over a range of ports as fast as one core sends them, and a
watch for every SYN-ACK that comes back.

A sweep says nothing unless it can be answered: tests put a service into its range that must be
seen answering, and run it with the listener watch off, where it has to catch something.
"""
import collections
import contextlib
import itertools
import json
import socket
import subprocess
import threading
import time

from kit import erlang
from kit.frames import IP, TCP, IPv6, to_host
from kit.lab import PATIENCE, LabError, end, wait_until
from kit.packets import ETH_P_ALL, Batch, filtered_socket, statistics

SOURCE_PORT = 4242

# Classic BPF: TCP over IPv4 or IPv6 with SYN and ACK set. (code, jump if true, if false, operand)
_SYN_ACKS = [
    (0x28, 0, 0, 12),      # ldh  [12]         ethertype
    (0x15, 0, 5, 0x0800),  # jeq  IPv4
    (0x30, 0, 0, 23),      # ldb  [23]         protocol
    (0x15, 0, 9, 6),       # jeq  TCP
    (0xb1, 0, 0, 14),      # ldxb 4*([14]&15)  header length
    (0x50, 0, 0, 14 + 13),  # ldb  [x + 27]     flags
    (0x05, 0, 0, 4),       # ja   the test of the flags
    (0x15, 0, 5, 0x86dd),  # jeq  IPv6
    (0x30, 0, 0, 20),      # ldb  [20]         next header
    (0x15, 0, 3, 6),       # jeq  TCP
    (0x30, 0, 0, 54 + 13),  # ldb  [67]         flags
    (0x54, 0, 0, 0x12),    # and  SYN|ACK
    (0x15, 1, 0, 0x12),    # jeq  both
    (0x06, 0, 0, 0),       # ret  no
    (0x06, 0, 0, 128),     # ret  yes
]


class SynAcks:
    """Every SYN-ACK that arrives at a neighbour: how many and when, by the port that answered."""

    def __init__(self, neighbour):
        self._socket = filtered_socket(neighbour, _SYN_ACKS)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.settimeout(0.05)
        self._socket.bind(("eth0", ETH_P_ALL))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.by_port = collections.Counter()
        self.times = {}  # port: (first, last) on time.monotonic()
        self.lost = 0    # SYN-ACKs that came too fast to be seen

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5)
        self.lost = statistics(self._socket)[1]
        self._socket.close()

    def _watch(self):
        quiet = False
        while not (quiet and self._stop.is_set()):
            try:
                frame = self._socket.recv(128)
            except TimeoutError:
                quiet = True  # what was on its way when the sweep ended has come
                continue
            start = 14 + (frame[14] & 15) * 4 if frame[12:14] == b"\x08\x00" else 54
            port = int.from_bytes(frame[start:start + 2], "big")
            now = time.monotonic()
            self.by_port[port] += 1
            self.times[port] = (self.times.get(port, (now,))[0], now)


class Sweep:
    """Floods SYNs from a neighbour to ports of the host, over IPv4 and IPv6, round and round.

    A context manager. `answers` (of SynAcks) counts what came back; `arrived` frames at the host.
    """

    def __init__(self, lab, neighbour, ports, versions=(4, 6)):
        self._lab, self._neighbour = lab, neighbour
        ends = {4: (IP, neighbour.own4, neighbour.host4), 6: (IPv6, neighbour.own6, neighbour.host6)}
        ethernet = to_host(lab, neighbour)
        frames = []
        for port, version in itertools.product(ports, versions):
            header, source, destination = ends[version]
            frames.append(bytes(ethernet / header(src=source, dst=destination) /
                                TCP(sport=SOURCE_PORT, dport=port, flags="S")))
        self._batch = Batch(neighbour, "eth0", frames)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._syn_acks = SynAcks(neighbour)
        self.arrived = 0
        self.seconds = 0.0

    def __enter__(self):
        self._arrived_before = self._received()
        self._began = time.monotonic()
        self._syn_acks.__enter__()
        self._thread.start()
        wait_until(lambda: self.laps, 10, "the sweep runs")
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)
        self.seconds = time.monotonic() - self._began
        self._batch.close()
        self._syn_acks.__exit__()
        self.arrived = self._received() - self._arrived_before

    @property
    def laps(self):
        """How often every port was tried."""
        return self._batch.laps

    @property
    def sent(self):
        return self._batch.sent

    @property
    def answers(self):
        """SYN-ACKs so far, by port."""
        return dict(self._syn_acks.by_port)

    @property
    def times(self):
        return dict(self._syn_acks.times)

    @property
    def lost(self):
        """SYN-ACKs that the watch missed: known once the sweep has ended."""
        return self._syn_acks.lost

    def wait_laps(self, number=2, timeout=10):
        """Waits until every port was tried that often from now on."""
        target = self.laps + number
        wait_until(lambda: self.laps >= target, timeout, f"{number} laps of the sweep")

    def _received(self):
        links = json.loads(self._lab.host.ip("-j", "-s", "link", "show",
                                             self._neighbour.host_interface))
        return links[0]["stats64"]["rx"]["packets"]

    def _send(self):
        while not self._stop.is_set():
            self._batch.send()


@contextlib.contextmanager
def ephemeral_ports(namespace, first, last):
    """Narrows the ports that the kernel chooses from, so that a sweep comes by more often.

    Connections that are over do not hold a port for a minute, or few would do for few nodes only.
    """
    with namespace.entered(), open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        before = file.read().strip()
    namespace.sysctl(ipv4__ip_local_port_range=f"{first} {last}", ipv4__tcp_max_tw_buckets=0)
    try:
        yield range(first, last + 1)
    finally:
        namespace.sysctl(ipv4__ip_local_port_range=before)


@contextlib.contextmanager
def service(namespace):
    """A service that is no BEAM, on a port that the kernel chose: must be seen answering."""
    with namespace.listen(0) as listener:
        yield listener.getsockname()[1]


OWN_PORT = ("{ok, Names} = net_adm:names({127,0,0,1}), [Own, _] = string:split(atom_to_list(node()),"
            ' "@"), {_, Port} = lists:keyfind(Own, 1, Names), io:format("~p", [Port]), halt().')


def autobound_node(lab, number, carrier):
    """The command of a node on a port of the kernel's choice, that prints its port and ends."""
    return erlang.command(lab, lab.host, f"brief{number}@host.lab", carrier, "-eval", OWN_PORT)


def fixed_nodes(ports):
    """Such commands for start_and_stop_nodes(): of nodes that chose their ports themselves.

    Each port is used once, so that nothing is known of it from before; every other one is named
    on the command line, and the rest in a file alone, so that only epmd tells of them.
    """
    left = iter(ports)

    def command(lab, number, carrier):
        port = next(left)
        words = ("inet_dist_listen_min", str(port), "inet_dist_listen_max", str(port))
        if number // 2 % 2:
            config = lab.directory / f"brief{number}.config"
            config.write_text(f"[{{kernel, [{{{words[0]}, {port}}}, {{{words[2]}, {port}}}]}}].\n")
            words = ("-config", str(config.with_suffix("")))
        return erlang.command(lab, lab.host, f"brief{number}@host.lab", carrier, *words,
                              "-eval", OWN_PORT)
    return command


def start_and_stop_nodes(lab, number, at_once=3, command=autobound_node):
    """Lets that many nodes, IPv4 and IPv6 in turn, start, register and end.

    Returns the ports that they listened on.
    """
    running, ports = [], []

    def reap(process):
        said = process.communicate(timeout=60 * min(PATIENCE, 3))[0]
        if process.returncode or not said.isdigit():
            raise LabError(f"a node did not start: {said} {process.log.read_text()}")
        ports.append(int(said))

    try:
        for count in range(number):
            if len(running) == at_once:
                reap(running.pop(0))
            argv = command(lab, count, ("inet_tcp", "inet6_tcp")[count % 2])
            running.append(lab.popen(lab.host, argv, "brief.log", stdout=subprocess.PIPE, text=True,
                                     env=erlang.ENVIRONMENT))
        while running:
            reap(running.pop(0))
    finally:
        for process in running:
            end(process)
    return ports
