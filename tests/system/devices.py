# SPDX-License-Identifier: BSD-2-Clause
"""Devices that come and go under a flood, a witness behind the filter, and hands that meddle."""
import contextlib
import ctypes
import os
import pathlib
import platform
import socket
import sys
import threading

from frames import IP, TCP, Ether
from lab import LabError, run, wait_until
from sweep import (BATCH, ETH_P_ALL, PACKET_STATISTICS, SO_ATTACH_FILTER, SOL_PACKET, _Filter,
                   _Instruction, _libc, _Message, _Vector)

MAC = "02:00:00:00:77:01"  # of the host's end: what the flood is sent to
ADDRESS = "10.77.60.1"
PROTECTED = 9105
_SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_OBJ_GET, _LINK_UPDATE = 7, 29

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
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                        socket.htons(ETH_P_ALL))
        instructions = (_Instruction * len(_TO_PROTECTED))(*_TO_PROTECTED)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                                bytes(_Filter(len(_TO_PROTECTED), instructions)))
        self._read()  # what came before the filter
        self.seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _read(self):
        counts = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        return int.from_bytes(counts[:4], sys.byteorder)

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
        self._vectors = (_Vector * BATCH)(*[(frame, len(frame))] * BATCH)
        self._messages = (_Message * BATCH)()
        for message, vector in zip(self._messages, self._vectors):
            message.header.vectors = ctypes.pointer(vector)
            message.header.vector_count = 1
        self._socket = neighbour.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind(("spring", 0))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.sent = 0

    def __enter__(self):
        self._thread.start()
        wait_until(lambda: self.sent > 1000, 10, "the flood runs")
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)
        self._socket.close()
        for name in ("spring", "switch"):
            self._neighbour.ip("link", "del", name)

    def _send(self):
        number = self._socket.fileno()
        while not self._stop.is_set():
            done = _libc.sendmmsg(number, self._messages, BATCH, 0)
            self.sent += max(done, 0)

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


def _bpf(command, attributes):
    buffer = ctypes.create_string_buffer(bytes(attributes).ljust(128, b"\0"))
    result = _libc.syscall(_SYS_BPF, command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return result


def _open_pin(path):
    name = ctypes.create_string_buffer(os.fsencode(path))
    return _bpf(_OBJ_GET, ctypes.addressof(name).to_bytes(8, "little"))


def replace_program(link_pin, program_pin):
    """Puts another program into a pinned link, as its owner could."""
    link, program = _open_pin(link_pin), _open_pin(program_pin)
    try:
        _bpf(_LINK_UPDATE, link.to_bytes(4, "little") + program.to_bytes(4, "little"))
    finally:
        os.close(link)
        os.close(program)


def detach_link(link_pin):
    """Takes a pinned link's program off its interface by force."""
    run("bpftool", "link", "detach", "pinned", link_pin)
