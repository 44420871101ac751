# SPDX-License-Identifier: BSD-2-Clause
"""Packet sockets: a classic BPF filter on one, what it counted, and frames sent many in a call."""
import ctypes
import socket
import struct

from kit.lab import run

ETH_P_ALL = 3
_SOL_PACKET, _PACKET_STATISTICS, _SO_ATTACH_FILTER = 263, 6, 26
_AT_ONCE = 64  # frames a call; more overrun the device's queue
_libc = ctypes.CDLL(None, use_errno=True)


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte),
                ("k", ctypes.c_uint)]


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction))]


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]


class _Header(ctypes.Structure):  # struct msghdr
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint),
                ("vectors", ctypes.POINTER(_Vector)), ("vector_count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class _Message(ctypes.Structure):  # struct mmsghdr
    _fields_ = [("header", _Header), ("sent", ctypes.c_uint)]


def compiled(expression):
    """A tcpdump expression as classic BPF: (code, jump if true, if false, operand) each."""
    lines = run("tcpdump", "-ddd", "-i", "lo", expression).split("\n")
    return [tuple(map(int, line.split())) for line in lines[1:] if line]


def filtered_socket(namespace, code, protocol=0):
    """A packet socket for frames that the filter picks. With protocol 0 it is deaf until bound."""
    sock = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    instructions = (_Instruction * len(code))(*code)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(_Filter(len(code), instructions)))
    return sock


def statistics(sock):
    """(frames picked, those that found no room), since it was asked last."""
    return struct.unpack("II", sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))


class Batch:
    """Frames to be sent out of one device of a namespace, in order, as fast as one core can."""

    def __init__(self, namespace, device, frames):
        self._vectors = (_Vector * len(frames))(*[(frame, len(frame)) for frame in frames])
        self._messages = (_Message * len(frames))()
        for message, vector in zip(self._messages, self._vectors):
            message.header.vectors = ctypes.pointer(vector)
            message.header.vector_count = 1
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind((device, 0))
        self._at = 0
        self.laps = 0  # how often every frame was sent
        self.sent = 0

    def close(self):
        self._socket.close()

    def send(self):
        """Sends the next of them, as many as one call takes; none where the device's queue is full."""
        messages = ctypes.byref(self._messages, self._at * ctypes.sizeof(_Message))
        done = _libc.sendmmsg(self._socket.fileno(), messages,
                              min(_AT_ONCE, len(self._messages) - self._at), 0)
        self.sent += max(done, 0)
        self._at += max(done, 0)
        if self._at == len(self._messages):
            self._at = 0
            self.laps += 1
