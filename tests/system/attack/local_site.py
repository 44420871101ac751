# SPDX-License-Identifier: BSD-2-Clause
"""What a local user attacks: a host behind a fence, its epmd, nodes and services, and its clients.

The user's programs are local_actors.py, run as nobody or as one of the user's subordinate uids.
"""
import contextlib
import itertools
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from typing import NamedTuple

import distribution
from kit import erlang
from kit import impostor
from kit.fence import Fence
from kit.lab import PATIENCE, Lab, LabError, end, wait_until

NOBODY = 65534
SUBORDINATES = range(100000, 100020)    # as of /etc/subuid, by newuidmap
PORT = 9321                             # of a node that chose it itself
HOLD_S = 1.5                            # for so long something must not come about
KNOWN_S = 1                             # within which a node is known, however busy the host
SILENT_S = 0.7                          # a SYN is sent again after a second
SMALL = ("+S", "1:1", "+SDcpu", "1:1", "+SDio", "1", "+A", "1")     # a BEAM that starts quickly
ECHO = """
    Echo = fun E(S) ->
        case gen_tcp:recv(S, 0) of {ok, B} -> gen_tcp:send(S, B), E(S); _ -> ok end end,
    Accept = fun A(L) ->
        {ok, S} = gen_tcp:accept(L), P = spawn(fun() -> receive go -> Echo(S) end end),
        gen_tcp:controlling_process(S, P), P ! go, A(L) end,
    spawn(fun() -> {ok, L} = gen_tcp:listen(%d, [binary, {active, false}, {reuseaddr, true},
        {ip, element(2, inet:parse_address("%s"))}, {backlog, 64}]), Accept(L) end)."""
WHEN_TOLD = """
    Wait = fun W() -> filelib:is_file("go") orelse begin timer:sleep(10), W() end end,
    spawn(fun() -> Wait(), %s, timer:sleep(infinity) end)."""


class Attack(NamedTuple):
    name: str
    run: object             # (site): what was gained, in words, or None
    neighbours: tuple = ("client",)
    clusters: tuple = ()


def found(condition, seconds):
    """The first true value of condition() within that time, or None."""
    with contextlib.suppress(TimeoutError):
        return wait_until(condition, seconds, "")
    return None


class Service:
    """What somebody serves to clients: tried by new connections, and by a session that stands."""

    def __init__(self, client, address, port, listener=None):
        self._client, self._address, self.port = client, address, port
        self._listener = listener
        wait_until(lambda: client.probe(address, port, SILENT_S) == "open", 10, "it serves")
        self._session = client.connect(address, port, 3 * PATIENCE)
        if self.frozen():
            raise LabError(f"the service on port {port} does not answer")

    def close(self):
        self._session.close()
        if self._listener:
            _close(self._listener)

    def frozen(self):
        with contextlib.suppress(TimeoutError):
            self._session.sendall(b"?")
            if self._session.recv(16):
                return None
            raise LabError("the service has hung up")
        return f"sessions of port {self.port} freeze"

    def closed(self):
        if self._client.probe(self._address, self.port, SILENT_S) == "silent":
            return f"clients of port {self.port} meet silence"
        return None

    def stop_listening(self):
        """As when a service restarts: its sessions go on."""
        _close(self._listener)
        wait_until(lambda: self._client.probe(self._address, self.port) == "refused", 5,
                   "nobody listens")

    def lost(self):
        return self.closed() or self.frozen()


class Site:
    """One host for one attack. A context manager."""

    def __init__(self, neighbours=("client",), clusters=()):
        self._count = itertools.count(1)
        self._stack = contextlib.ExitStack()
        self.lab = self._stack.enter_context(Lab(*neighbours))
        self.client = self.lab.client
        self.port = PORT
        self.fence = Fence(self.lab, clusters=clusters)
        self._share_actors()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _share_actors(self):
        """Puts the user's programs where the user may read them, wherever these sources are."""
        self.lab.directory.chmod(0o711)
        here, self._actors = pathlib.Path(__file__).parent, self.lab.directory / "actors"
        (self._actors / "kit").mkdir(parents=True)
        shutil.copy(here / "local_actors.py", self._actors)
        shutil.copy(here.parent / "kit/impostor.py", self._actors / "kit")

    # The user

    def attacker(self, name, role, *words, user=NOBODY, program=sys.executable):
        """Something that the user runs, under any name, when it says that it is ready."""
        argv = [program, "-BSsE", self._actors / "local_actors.py", name, role, *words]
        process = self.lab.popen(self.lab.host, argv, f"attacker{next(self._count)}.log", text=True,
                                 stdout=subprocess.PIPE, user=user, group=user, extra_groups=[])
        process.words = impostor.said(process)
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(rf"^Uid:(\t{user}){{4}}$.*^CapEff:\t0+$", status, re.DOTALL | re.MULTILINE)
        return process

    def program(self, name):
        """A copy of the interpreter under another name."""
        return shutil.copy(pathlib.Path(sys.executable).resolve(), self._actors / name)

    # Others

    def epmd(self):
        return erlang.start_epmd(self.lab)

    def activated_epmd(self):
        """An epmd that was handed its socket, as Debian's is by systemd."""
        process = impostor.start(self.lab, "systemd", "activated", "epmd", "-systemd")
        impostor.said(process)
        return process

    def node(self, by="epmd"):
        """A node on a port that its "command line" tells or "epmd" alone, or on a kernel's."""
        config = self.lab.directory / "sys.config"
        config.write_text(f"[{{kernel,[{{inet_dist_listen_min,{self.port}}},"
                          f"{{inet_dist_listen_max,{self.port}}}]}}].")
        options = (*SMALL, "-config", config.with_suffix("")) if by == "epmd" else SMALL
        port = self.port if by == "command line" else None
        node = erlang.start_node(self.lab, "app", port, options=options)
        self.port = node.port
        return node

    def known_node(self):
        """A node that the agent knows."""
        node = self.node()
        self.fence.port(port=node.port, node=node.node, timeout=10)
        return node

    def stop(self, node):
        """Ends a node, and waits until epmd has noticed."""
        end(node)
        wait_until(lambda: f"name {node.node} at port" not in
                   erlang.epmd_names(self.lab.host, "127.0.0.1"), 5, "epmd has forgotten the node")

    def service(self, port, address="0.0.0.0", at=None, device=None, only6=False):
        """A plain service of root's that echoes, found by clients at host4 unless told where."""
        opened = self.lab.host.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only6)
        if device:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        opened.bind((address, port))
        opened.listen(64)
        threading.Thread(target=_accept, args=(opened,), daemon=True).start()
        return self.served(port, at, opened)

    def served(self, port, at=None, listener=None):
        """A service that somebody has begun to serve."""
        service = Service(self.client, at or self.client.host4, port, listener)
        self._stack.callback(service.close)
        return service

    def broker(self, port, address="0.0.0.0", name=None, more="ok", serves=True):
        """A BEAM of root's that serves clients, and does something more when it is told.

        Without a name it is no node.
        """
        argv = erlang.command(self.lab, self.lab.host, name and f"{name}@host.lab", "inet_tcp",
                              *SMALL, "-eval", ECHO % (port, address), "-eval", WHEN_TOLD % more)
        process = self.lab.popen(self.lab.host, argv, f"broker{next(self._count)}.log",
                                 env=erlang.ENVIRONMENT)
        return process, self.served(port) if serves else None

    def tell(self):
        """Has brokers do what they are to do when they are told."""
        (self.lab.directory / "go").touch()

    # What came of it

    def nudge(self):
        """Has the agent look at listeners, and ask epmds, once more: it tells of a new one."""
        new = self.attacker("beam.smp", "listen", "0.0.0.0,0")
        found(lambda: self.fence.ports(pid=new.pid), 2)
        end(new)

    def gained(self, check):
        """What the check finds within a while, in which the agent has looked once more."""
        if now := check():
            return now
        self.nudge()
        return found(check, HOLD_S)

    def greeted(self, neighbour=None):
        """Whether the node answers a client's handshake."""
        neighbour = neighbour or self.client
        try:
            with neighbour.connect(neighbour.host4, self.port, 0.3) as connection:
                connection.settimeout(2)
                distribution.challenged(connection, f"x{time.monotonic_ns()}@client.lab")
        except distribution.Refused:
            pass
        except OSError:
            return None
        return "the node greets a client"

    def stays_open(self):
        """Whether a new node is open when it should be known, or opens again."""
        if found(lambda: not self.greeted(), KNOWN_S):
            return self.gained(self.greeted)
        return "the node greets a client"

    def leaks(self, restart):
        """Whether a client that knocks all the time is let in while a node is restarted."""
        stop, seen = threading.Event(), []

        def knock():
            while not stop.is_set() and not seen:
                if self.client.probe(self.client.host4, self.port, 0.002) == "open":
                    seen.append("a client that knocks all the time is let in")

        thread = threading.Thread(target=knock)
        thread.start()
        try:
            restart()
            self.nudge()
            return found(lambda: seen, HOLD_S) and seen[0]
        finally:
            stop.set()
            thread.join()


def _close(opened):
    """Wakes who waits for connections, too: or the socket would stay."""
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
    opened.close()


def _accept(opened):
    while True:
        try:
            connection = opened.accept()[0]
        except OSError:
            return
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection):
    with connection, contextlib.suppress(OSError):
        while part := connection.recv(4096):
            connection.sendall(part)
