# SPDX-License-Identifier: BSD-2-Clause
"""Devices that come and go under a flood, a witness behind the filter, and hands that meddle."""
import contextlib
import os
import pathlib
import threading

from kit.fence import remove_pins
from kit.frames import IP, TCP, Ether
from kit.lab import BPFFS, LabError, run, wait_until
from kit.packets import ETH_P_ALL, Batch, filtered_socket, statistics

MAC = "02:00:00:00:77:01"  # of the host's end: what the flood is sent to
ADDRESS = "10.77.60.1"
PROTECTED = 9105
FOREIGN = """
__attribute__((section("xdp"), used)) int foreign_pass(void *context) { return 2; }
char _license[] __attribute__((section("license"), used)) = "GPL";
"""

# Classic BPF: IPv4 without options to the protected port, with a VLAN tag or without.
_TO_PROTECTED = [
    (0x28, 0, 0, 12), (0x15, 4, 0, 0x8100), (0x15, 0, 6, 0x0800),  # ldh [12]; tagged? IPv4?
    (0x28, 0, 0, 36), (0x15, 3, 0, PROTECTED), (0x06, 0, 0, 0),    # ldh [36]; the port?
    (0x28, 0, 0, 40), (0x15, 0, 1, PROTECTED), (0x06, 0, 0, 64), (0x06, 0, 0, 0),
]


def missing_kinds(*kinds):
    """Those kinds of device that this kernel cannot make."""
    missing = []
    name = f"bfk{os.getpid()}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "add", "low", "type", "veth", "peer", "name", "lowp")
        for kind in kinds:
            more = ("link", "low", "name", "probe", "type", kind, "id", "5") if kind == "vlan" \
                else ("name", "probe", "type", kind, *(("table", "10") if kind == "vrf" else ()))
            try:
                run("ip", "-n", name, "link", "add", *more)
                run("ip", "-n", name, "link", "del", "probe")
            except LabError:
                missing.append(kind)
    finally:
        run("ip", "netns", "del", name)
    return missing


class Witness:
    """Counts the frames for the protected port that come in past the filter, on any interface."""

    def __init__(self, namespace):
        self._socket = filtered_socket(namespace, _TO_PROTECTED, ETH_P_ALL)
        self._read()  # what came before the filter
        self.seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _read(self):
        return statistics(self._socket)[0]

    def look(self):
        """Frames so far, those that found no room in the socket included."""
        self.seen += self._read()
        return self.seen

    @contextlib.contextmanager
    def closing(self):
        """Does not count while a veth that is up goes down.

        The kernel takes native XDP off it (veth_close() in drivers/net/veth.c) an instant before it
        takes no more frames: about one frame in 40 times is seen then. Only a veth does so.
        """
        self.look()
        yield
        self._read()


class Deluge:
    """A flood of SYNs for a protected port into a switch (a bridge) of a neighbour's.

    Whatever is plugged into the switch carries it from the instant that it is up.
    """

    def __init__(self, neighbour, vlan=None):
        self._neighbour = neighbour
        neighbour.ip("link", "add", "switch", "type", "bridge")
        neighbour.ip("link", "add", "spring", "type", "veth", "peer", "name", "mouth")
        neighbour.ip("link", "set", "mouth", "master", "switch")
        for name in ("switch", "mouth", "spring"):
            neighbour.ip("link", "set", name, "up")
        packet = IP(src="10.77.60.2", dst=ADDRESS) / TCP(sport=4242, dport=PROTECTED, flags="S")
        frame = bytes(Ether(src="02:00:00:00:77:02", dst=MAC) / packet)
        if vlan:
            frame = frame[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + frame[12:]
        self._batch = Batch(neighbour, "spring", [frame] * 64)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self):
        self._thread.start()
        wait_until(lambda: self._batch.sent > 1000, 10, "the flood runs")
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)
        self._batch.close()
        for name in ("spring", "switch"):
            self._neighbour.ip("link", "del", name)

    def _send(self):
        while not self._stop.is_set():
            self._batch.send()

    def plug(self, host, name, index=None):
        """A new interface of the host's, still down, with its other end in the switch."""
        host.ip("link", "add", name, *(("index", str(index)) if index else ()), "address", MAC,
                "type", "veth", "peer", "name", f"{name}p", "netns", self._neighbour.name)
        self._neighbour.ip("link", "set", f"{name}p", "master", "switch", "up")

    def arriving(self, host, name):
        """Frames that came to an interface of the host's, filtered or not."""
        with host.entered():
            path = pathlib.Path("/proc/net/dev")
            for line in path.read_text().splitlines():
                if line.strip().startswith(f"{name}:"):
                    return int(line.split(":")[1].split()[1])
        return 0


def foreign_program(lab):
    """The pin of a program of somebody else's, that lets everything pass. It goes with the lab."""
    source, binary = lab.directory / "foreign.c", lab.directory / "foreign.o"
    source.write_text(FOREIGN)
    run("clang", "-O2", "-g", "-target", "bpf", "-c", source, "-o", binary)
    pins = BPFFS / f"beamfence-test-{lab.name}-foreign"
    pins.mkdir()
    lab.defer(remove_pins, pins)
    run("bpftool", "prog", "load", binary, pins / "foreign", "type", "xdp")
    return pins / "foreign"


def detach_link(link_pin):
    """Takes a pinned link's program off its interface by force."""
    run("bpftool", "link", "detach", "pinned", link_pin)
