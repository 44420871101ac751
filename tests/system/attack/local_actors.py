# SPDX-License-Identifier: BSD-2-Clause
"""What a local user without privileges runs: `local_actors.py NAME ROLE WORDS…`, as impostor.py.

A process may call itself anything and listen on any port above 1023. The first line of output says
that it is ready; then it stays, or goes on, until it is ended. What follows the word "--" is there
for those who read command lines.
"""
import contextlib
import itertools
import pathlib
import resource
import signal
import socket
import struct
import sys
import threading

from kit import impostor
from kit.impostor import say

IP_LOCAL_PORT_RANGE = 51


def listener(spec, backlog=64):
    """A listener as "address,port[,option…]" says.

    Options: "dual" (IPv4 as well), "dev=lo", "reuse" (SO_REUSEPORT), and "range", with which the
    kernel chooses the port, and finds one alone to choose from.
    """
    address, port, *options = spec.split(",")
    port = int(port)
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in address:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, "dual" not in options)
    if "dev=lo" in options:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
    if "reuse" in options:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if "range" in options:
        opened.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("HH", port, port))
        port = 0
    opened.bind((address, port))
    opened.listen(backlog)
    return opened


def descriptors(count):
    """As many as are needed, or as may be had."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(int(count) + 50, most), most))


def listeners_of(words):
    return [listener(one) for one in itertools.takewhile(lambda word: word != "--", words)]


def listen(*specs):
    """Listeners that never accept: whoever asks them for anything waits."""
    kept = listeners_of(specs)
    say("listening")
    signal.pause()
    return kept


def many(count, spec):
    """That many listeners like the one; with port 0 each on a loopback address of its own.

    (So that the kernel need not search long for a port that is free.)
    """
    descriptors(count)
    address, _, rest = spec.partition(",")
    addresses = [f"127.{1 + (n >> 14)}.{n >> 7 & 127}.{1 + (n & 127)}" for n in range(int(count))]
    kept = [listener(f"{one if rest.startswith('0') else address},{rest}", 1) for one in addresses]
    say(*[one.getsockname()[1] for one in kept[-10:]])
    signal.pause()


def mute(count, first, visits="0"):
    """Listeners on that many ports of 127.0.0.1, where nobody ever says a word.

    With visits they are closed after one each, and the connections are kept.
    """
    descriptors(2 * int(count))
    kept = [listener(f"127.0.0.1,{int(first) + n}") for n in range(int(count))]
    say("listening")
    if int(visits):
        kept = [one.accept()[0] for one in kept]
        say("gone")
    signal.pause()
    return kept


def visit(count, first):
    """A connection to each of so many ports of 127.0.0.1."""
    descriptors(count)
    kept = [socket.create_connection(("127.0.0.1", int(first) + n), 5) for n in range(int(count))]
    say("connected")
    signal.pause()
    return kept


def connecting(address, port):
    """A connection that is under way, and need not come about."""
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex((address, int(port)))
    return one


def crowded(count, spec, epmd_port, *specs):
    """So many listeners like the one, then others, of a process that is connected to an epmd."""
    descriptors(int(count))
    kept = [listener(spec, 1) for _ in range(int(count))]
    kept += listeners_of(specs)
    kept.append(socket.create_connection(("127.0.0.1", int(epmd_port)), 5))
    say("connected")
    signal.pause()


def knock(count, address, port):
    """So many connections that never come about."""
    descriptors(count)
    kept = [connecting(address, port) for _ in range(int(count))]
    say("knocked")
    signal.pause()
    return kept


def _repeated(lie):
    name, times, rest = lie.partition("*")
    count, _, port = rest.partition(",")
    return [f"{name}{n},{port}" for n in range(int(count))] if times else [lie]


def liar(spec, *lies):
    """An epmd that names what it likes: each lie is "name,port", or "names*count,port"."""
    server = listener(spec)
    lies = [one for lie in lies for one in _repeated(lie)]
    lines = [b"name %s at port %s\n" % tuple(one.encode().split(b",")) for one in lies]
    head = struct.pack(">I", server.getsockname()[1])
    say("listening")

    def answer(connection):
        if connection.recv(16) == impostor.NAMES_REQUEST:
            connection.sendall(head + b"".join(lines))
            connection.close()
        else:
            threading.Event().wait()  # a visitor stays

    while True:
        threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()


def _answering(server, answer):
    while True:
        with server.accept()[0] as connection:
            connection.settimeout(1)
            with contextlib.suppress(OSError):
                connection.recv(1024)
                connection.sendall(answer)


def speak(answer, *specs):
    """Listeners that answer whatever they are asked as a node would, or as no node would."""
    said_then_closed = {"node": b"\0\3sok", "web": b"HTTP/1.0 400 Bad Request\r\n\r\n"}[answer]
    for one in specs:
        threading.Thread(target=_answering, args=(listener(one), said_then_closed)).start()
    say("listening")


def _registered(spec, name, epmd_port, answer):
    opened = listener(spec)
    registered = impostor.alive(opened.getsockname()[1], name, int(epmd_port))
    say("registered")
    _answering(opened, answer)
    return registered


def node(spec, name, epmd_port="4369", *_):
    """Listens, registers that with an epmd, and greets as a node does."""
    return _registered(spec, name, epmd_port, b"\0\3sok")


def renegade(spec, name, epmd_port="4369"):
    """Registers what it listens on as a node does, and greets as none."""
    return _registered(spec, name, epmd_port, b"HTTP/1.0 400 Bad Request\r\n\r\n")


def nodes(count):
    """So many listeners that are registered with epmd, and never say a word."""
    descriptors(2 * int(count))
    kept = [listener("0.0.0.0,0") for _ in range(int(count))]
    kept += [impostor.alive(one.getsockname()[1], f"m{n}") for n, one in enumerate(kept)]
    say("registered")
    signal.pause()


def registrar(spec):
    """An epmd of the user's own that takes every registration, and tells of none but those."""
    server = listener(spec)
    head = struct.pack(">I", server.getsockname()[1])
    known = {}
    say("listening")

    def answer(connection):
        asked = connection.recv(1024)
        if asked[2:3] == b"x":
            name = asked[13:13 + int.from_bytes(asked[11:13], "big")]
            known[name] = int.from_bytes(asked[3:5], "big")
            connection.sendall(b"v\0" + bytes(4))
            connection.recv(1)
            known.pop(name)
        elif asked == impostor.NAMES_REQUEST:
            connection.sendall(head + b"".join(b"name %s at port %d\n" % one
                                               for one in known.items()))
        connection.close()

    while True:
        threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()


def ringing(port):
    """Connects to epmd and hangs up, over and over, and leaves no port waiting."""
    abort = struct.pack("ii", 1, 0)
    say("begun")
    while True:
        with connecting("127.0.0.1", port) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)


def listening():
    """Opens and closes listeners over and over."""
    say("begun")
    while True:
        listener("127.0.0.1,0").close()


ROLES = {"listen": listen, "many": many, "mute": mute, "visit": visit, "knock": knock,
         "crowded": crowded, "liar": liar, "registrar": registrar, "register": impostor.register,
         "speak": speak, "node": node, "renegade": renegade, "nodes": nodes, "ringing": ringing,
         "listening": listening}

if __name__ == "__main__":
    pathlib.Path("/proc/self/comm").write_text(sys.argv[1])
    ROLES[sys.argv[2]](*sys.argv[3:])
