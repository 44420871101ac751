# SPDX-License-Identifier: BSD-2-Clause
"""What is attacked: a host with epmd, nodes with a good and a bad cookie, and a web service."""
import contextlib
import itertools
import re
import subprocess
import threading
import time

from kit import erlang
from distribution import Session
from kit.fence import APP, Fence
from kit.lab import Lab, LabError, http_get, wait_until
from kit.sweep import ephemeral_ports

EPMD, NODE, WEAK = 4369, 9121, 9122
SPARE_EPMDS = range(4371, 4375)  # one for each that is attacked: these epmds do not survive it
CHOSEN = (41000, 41063)          # what the kernel chooses ports from
WEAK_COOKIE = "monster"
DESCRIPTORS = 64                 # that a spare epmd may have, so that it runs out soon
RESTARTS = """
Loop = fun Again() ->
    {ok, _} = net_kernel:start(['race@host.lab', longnames]),
    io:format("up~n"), timer:sleep(150), net_kernel:stop(), timer:sleep(20), Again() end, Loop()"""
PINGS = """
Loop = fun Again() ->
    Answer = net_adm:ping('app@host.lab'), erlang:disconnect_node('app@host.lab'),
    io:format("~p~n", [Answer]), timer:sleep(50), Again() end, Loop()"""


class Target:
    """The host and all that attacks need to know of it. A context manager."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self.sessions = {}      # opened before there was a filter
        self.fenced = False
        self._observers = itertools.count(1)
        try:
            self.lab = self._stack.enter_context(Lab("client", "peer", "stranger"))
            self._set_up()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._stack.close()

    def _set_up(self):
        lab = self.lab
        erlang.start_epmd(lab)
        weak = ("-eval", f"erlang:set_cookie({WEAK_COOKIE})")
        nodes = [erlang.launch_node(lab, "app", NODE, "inet6_tcp"),
                 erlang.launch_node(lab, "weak", WEAK, "inet6_tcp", options=weak)]
        for node in nodes:
            erlang.wait_for_node(node)
        lab.web()
        self._stack.enter_context(ephemeral_ports(lab.host, *CHOSEN))
        argv = erlang.command(lab, lab.host, None, "inet6_tcp", "-eval", RESTARTS)
        self._race = lab.popen(lab.host, argv, "race.log", stdout=subprocess.PIPE, text=True,
                               env=erlang.ENVIRONMENT)
        self.restarts = 0
        threading.Thread(target=self._count_restarts, daemon=True).start()
        wait_until(lambda: self.restarts, 15, "the first restart")

    def _count_restarts(self):
        for _ in self._race.stdout:
            self.restarts += 1

    def spare_epmd(self, port):
        """An epmd that will not be missed."""
        process = self.lab.popen(self.lab.host, ["prlimit", f"--nofile={DESCRIPTORS}", "epmd",
                                                 "-port", str(port)], f"epmd-{port}.log",
                                 env=erlang.ENVIRONMENT)
        try:
            for loopback in ("127.0.0.1", "::1"):
                wait_until(lambda address=loopback: self.lab.host.probe(address, port) == "open",
                           10, "a spare epmd")
        except TimeoutError as error:
            raise LabError(f"{error}: {process.poll()} {process.log.read_text()}") from error
        return process

    def observer(self, port, cookie):
        """A session from the host itself, which no filter touches: to see what became of a node."""
        try:
            connection = self.lab.host.connect("127.0.0.1", port, timeout=10)
            return Session(connection, cookie, f"observer{next(self._observers)}@host.lab")
        except TimeoutError as error:
            raise LabError(f"the node on port {port} does not answer its own host") from error

    @property
    def timeout_s(self):
        """For each answer. Without a filter a busy machine must not pass for one."""
        return 1.0 if self.fenced else 5.0

    @contextlib.contextmanager
    def fence(self):
        with Fence(self.lab, clusters=(APP,), epmd=[EPMD, *SPARE_EPMDS]) as fence:
            self.fenced = True
            yield fence
        self.fenced = False


class Witness:
    """Looks all the time whether those whom attacks must not disturb are served."""

    def __init__(self, target):
        self._target, self._lab = target, target.lab
        self.pings, self.pages = [], []
        self._done = threading.Event()
        self._threads = [threading.Thread(target=one) for one in (self._browse, self._ping)]

    def __enter__(self):
        argv = erlang.command(self._lab, self._lab.peer, f"w{time.monotonic_ns()}@peer.lab",
                              "inet6_tcp", "-hidden", "-dist_listen", "false", "-eval", PINGS)
        self._pinging = self._lab.popen(self._lab.peer, argv, "pings.log", text=True,
                                        stdout=subprocess.PIPE, env=erlang.ENVIRONMENT)
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.pings and self.pages, 15, "a first ping and a first page")
        return self

    def __exit__(self, *_):
        self._done.set()
        self._pinging.kill()
        for thread in self._threads:
            thread.join()

    def _browse(self):
        client = self._lab.client
        while not self._done.wait(0.1):
            for address in (client.host4, client.host6):
                try:
                    self.pages.append(http_get(client, address, 80) is not None)
                except (OSError, LabError):
                    self.pages.append(False)

    def _ping(self):
        for line in self._pinging.stdout:
            if re.fullmatch(r"p[ao]ng\n", line):
                self.pings.append(line == "pong\n")

    def undisturbed(self):
        return len(self.pings) > 5 and len(self.pages) > 5 and all(self.pings + self.pages)
