# SPDX-License-Identifier: BSD-2-Clause
"""What is pinned, asked without any agent: the program of each link, run over frames of a table."""
import contextlib
import ctypes
import os
import struct
import threading
import time

from kit.frames import IP, TCP, Dot1Q, Ether

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
PROG_LOAD, OBJ_GET, PROG_TEST_RUN, PROG_GET_FD_BY_ID, OBJ_GET_INFO = 5, 7, 10, 13, 15
LINK_UPDATE = 29
XDP_DROP, XDP_PASS = 1, 2
PROGRAM_XDP, CALL_REDIRECT, LIVE_FRAMES, BATCH = 6, 23, 2, 64
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, max(len(attributes), 128))
    done = _libc.syscall(SYS_BPF, command, buffer, len(buffer))
    if done < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return done, buffer.raw


def _pointer(buffer):
    return ctypes.addressof(buffer)


def _open_pin(path):
    name = ctypes.create_string_buffer(os.fsencode(path))
    return _bpf(OBJ_GET, struct.pack("QII", _pointer(name), 0, 0))[0]


def replace_program(link_pin, program_pin):
    """Puts another program into a pinned link, as its owner could."""
    link, program = _open_pin(link_pin), _open_pin(program_pin)
    try:
        _bpf(LINK_UPDATE, struct.pack("II", link, program))
    finally:
        os.close(link)
        os.close(program)


def _link_program(path):
    """The program of a pinned XDP link and the interface's index, or None for a dead link."""
    link = _open_pin(path)
    try:
        info = ctypes.create_string_buffer(128)
        _bpf(OBJ_GET_INFO, struct.pack("IIQ", link, len(info), _pointer(info)))
    finally:
        os.close(link)
    program, index = struct.unpack_from("I", info, 8)[0], struct.unpack_from("I", info, 16)[0]
    return (_bpf(PROG_GET_FD_BY_ID, struct.pack("I", program))[0], index) if index else None


def _run(program, index, frame):
    data = ctypes.create_string_buffer(frame, len(frame))
    context = ctypes.create_string_buffer(struct.pack("6I", 0, len(frame), 0, index, 0, 0), 24)
    attributes = struct.pack("IIIIQQIIIIQQ", program, 0, len(frame), 0, _pointer(data), 0, 1, 0,
                             len(context), 0, _pointer(context), 0)
    return struct.unpack_from("I", _bpf(PROG_TEST_RUN, attributes)[1], 4)[0]


def _frames(sources, ports):
    for source in sources:
        for port in ports:
            for tag in ((), (Dot1Q(vlan=120),)):
                frame = Ether()
                for one in tag:
                    frame = frame / one
                frame = frame / IP(src=source, dst="10.77.1.1") / TCP(sport=999, dport=port)
                yield (source, port, bool(tag)), bytes(frame)


def verdicts(lab, pins, interfaces, sources, ports):
    """{(interface, source, port, tagged): "drop" or "pass"} by what is pinned; no filter passes."""
    table = {}
    frames = dict(_frames(sources, ports))
    with lab.host.entered():
        for interface in interfaces:
            index = int(open(f"/proc/thread-self/net/dev_snmp6/{interface}").readline().split()[1])
            path = pins / f"link-{index}"
            found = _link_program(path) if path.exists() else None
            for name, frame in frames.items():
                done = _run(found[0], index, frame) if found else XDP_PASS
                table[interface, *name] = {XDP_DROP: "drop", XDP_PASS: "pass"}[done]
            if found:
                os.close(found[0])
    return table


def _redirector(index):
    """A program that sends every frame out of one interface: return bpf_redirect(index, 0)."""
    code = b"".join(struct.pack("BBhi", *one) for one in (
        (0xb7, 1, 0, index), (0xb7, 2, 0, 0), (0x85, 0, 0, CALL_REDIRECT), (0x95, 0, 0, 0)))
    program, license_ = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    return _bpf(PROG_LOAD, struct.pack("IIQQ", PROGRAM_XDP, len(code) // 8, _pointer(program),
                                       _pointer(license_)))[0]


class LiveFlood:
    """Frames out of a neighbour's eth0 as fast as one core makes them: BPF's own live frames.

    A context manager; `offered` counts frames. The other end needs native XDP.
    """

    # Of one frame, then comes the next. Each round ends with a wait of the kernel's, of about 20 ms.
    ROUND = 1024 * BATCH

    def __init__(self, neighbour, frames):
        self._neighbour, self._frames = neighbour, [bytes(frame) for frame in frames]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.offered = 0
        self.seconds = 0.0

    def __enter__(self):
        self._thread.start()
        self._began = time.monotonic()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)
        self.seconds = time.monotonic() - self._began

    def _send(self):
        with self._neighbour.entered(), contextlib.ExitStack() as stack:
            with open("/proc/thread-self/net/dev_snmp6/eth0", encoding="ascii") as file:
                program = _redirector(int(file.readline().split()[1]))
            stack.callback(os.close, program)
            while not self._stop.is_set():
                for frame in self._frames:
                    data = ctypes.create_string_buffer(frame, len(frame))
                    with contextlib.suppress(InterruptedError):  # by a signal of the process
                        _bpf(PROG_TEST_RUN, struct.pack(
                            "IIIIQQIIIIQQIIII", program, 0, len(frame), 0, _pointer(data), 0,
                            self.ROUND, 0, 0, 0, 0, 0, LIVE_FRAMES, 0, BATCH, 0))
                        self.offered += self.ROUND
