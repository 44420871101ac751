# SPDX-License-Identifier: BSD-2-Clause
"""Whose a listener is: told where a port is closed or open and nobody said so, and where it is a
node's or a tool's that says it by its name alone."""
import json
import os
import re
import subprocess
import sys
import time

import pytest

from kit import erlang
from kit.fence import APP, Fence, samples
from kit.lab import Lab, end, epmd_names, wait_until

PEERS = ["10.77.2.0/24", "fd77:2::/64"]
HEARD_S = 30  # until the agent has listed what it heard of: at most every 15 s, at a check
# A service manager: listens, and gives the socket to an epmd that it starts for the first client.
MANAGER = """
import os, select, socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
select.select([s], [], [])
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp("epmd", ["epmd", "-systemd"])
"""
OWN_EPMD = """-module(own_epmd).
-export([start_link/0, register_node/2, register_node/3, port_please/2, port_please/3,
         listen_port_please/2, names/1, address_please/3]).
start_link() -> ignore.
register_node(_, _) -> {ok, 1}.
register_node(_, _, _) -> {ok, 1}.
port_please(_, _) -> {port, 4371, 5}.
port_please(_, _, _) -> {port, 4371, 5}.
listen_port_please(_, _) -> {ok, 4371}.
names(_) -> {error, address}.
address_please(_, Host, Family) -> inet:getaddr(Host, Family).
"""


@pytest.fixture(name="host", scope="module")
def _host():
    with Lab("client", "peer") as lab:
        yield lab


def beam(lab, namespace, name, *options):
    return lab.popen(namespace, erlang.command(lab, namespace, name, "inet_tcp", *options),
                     f"beam-{name}.log", env=erlang.ENVIRONMENT)


def warnings_of(fence, kind):
    """How many warnings of a kind the page of metrics counts."""
    return next(value for (name, labels), value in samples(fence.metrics()).items()
                if name == "beamfence_warnings" and ("kind", kind) in labels)


# What is in other namespaces.

def test_beams_and_epmds_of_other_namespaces_are_warned_of(host):
    box, client = host.peer, host.client
    with Fence(host, client=["client0"], clusters=()) as fence:
        assert not fence.warnings("namespace", "25699")
        epmd = erlang.start_epmd(host, box, port=4399)
        node = erlang.start_node(host, "rabbit", 25699, namespace=box, epmd_port=4399)
        quiet = beam(host, client, f"quiet@{client.name}.lab", "inet_dist_use_interface",
                     "{127,0,0,1}", "-erl_epmd_port", "25698")
        wait_until(lambda: client.probe("127.0.0.1", 25698) == "open", 10, "the quiet one")
        try:
            warning, = wait_until(lambda: fence.warnings("namespace", "25699"), HEARD_S, "a node")
            assert f'"beam.smp" (pid {node.pid})' in warning and os.uname().nodename in warning
            assert fence.warnings("namespace", '"epmd"', f"(pid {epmd.pid})", "4399")
            assert not fence.warnings("namespace", "25698")  # nobody else reaches that one
            assert warnings_of(fence, "other-namespace") >= 2
            wait_until(lambda: f'pid {node.pid}' in fence.log(), 10, "the log tells it")
        finally:
            for process in (epmd, node, quiet):
                end(process)
        wait_until(lambda: not fence.warnings("namespace", "25699"), HEARD_S, "it is over")


# What is no BEAM on a port that is protected.

def listens(fence, port):
    return fence.warnings(f"port {port}: ", "is no BEAM")


def test_services_that_a_preset_or_range_closes_are_warned_of(host):
    host.web(9111)
    host.web(9300)
    with Fence(host, clusters=[{"name": "app", "ports": "9110-9155, 9300", "peers": PEERS}],
               extra="presets: [rabbitmq]\n") as fence:
        warning, = listens(fence, 9111)
        assert f'"{process_name(os.getpid())}" (pid {os.getpid()})' in warning
        line = next(number for number, text in enumerate(fence.config.read_text().split("\n"), 1)
                    if "9110-9155" in text)
        assert f'line {line} of the configuration (9110-9155, cluster "app")' in warning
        assert listens(fence, 9300) == []  # is listed by itself: that is meant
        with host.host.listen(6379, "127.0.0.1"):
            assert warnings_of(fence, "closed-service") == 1
        with host.host.listen(6443):
            wait_until(lambda: listens(fence, 6443), HEARD_S, "a service that came later")
            assert fence.warnings('preset "rabbitmq": 6000-6500, cluster "app"')
            assert listens(fence, 6379) == []  # was on loopback
            wait_until(lambda: 'port 6443: "' in fence.log(), 10, "the log tells it")
            assert warnings_of(fence, "closed-service") == 2
        wait_until(lambda: not listens(fence, 6443), HEARD_S, "it is over")
        fence.configure(clusters=[{"name": "app", "ports": "9112-9155", "peers": PEERS}])
        fence.tell("reload")
        assert listens(fence, 9111) == []


def process_name(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as file:
        return file.read().strip()


def test_nodes_and_epmd_on_configured_ports_are_no_services(host):
    epmd = erlang.start_epmd(host)
    try:
        with Fence(host, clusters=(APP,)) as fence:
            app = erlang.start_node(host, "app", 9120)
            fence.port(port=9120, node="app")
            fence.tell("reload")
            assert listens(fence, 9120) == listens(fence, 4369) == []
            end(app)
    finally:
        end(epmd)


# Sockets that are handed over, and names that epmd does not tell.

def test_epmd_that_is_given_its_socket_is_closed_to_clients(host):
    port = 4371
    with Fence(host) as fence:
        manager = host.popen(host.host, [sys.executable, "-c", MANAGER, str(port)], "manager.log",
                             env=erlang.ENVIRONMENT)
        try:
            wait_until(lambda: host.host.probe("127.0.0.1", port) == "open", 5, "it listens")
            fence.port(port=port, source="epmd-listener", pid=manager.pid)
            assert epmd_names(host.client, host.client.host4, port=port) is None
        finally:
            end(manager)


def test_node_without_epmd_has_its_name_from_its_command_line(host):
    with Fence(host, clusters=[{"name": "xmpp", "nodes": ["ejabberd@*"], "peers": PEERS}],
               epmd=()) as fence:
        node = beam(host, host.host, "ejabberd@host.lab", "-erl_epmd_port", "5210")
        other = beam(host, host.host, "other@host.lab", "-erl_epmd_port", "5211")
        try:
            row = fence.port(port=5210, node="ejabberd")
            assert (row["source"], row["cluster"]) == ("cmdline", "xmpp")
            assert host.peer.probe(host.peer.host4, 5210) == "open"
            assert host.client.probe(host.client.host4, 5210, 0.5) == "silent"
            fence.port(port=5211, node="other", cluster=None)
            explained = fence.explain("cluster0", host.peer.own4, host.peer.host4, 5211)
            assert (explained["reason"], explained["cluster"]) == ("stranger-new", None)
            assert "belongs to no cluster" in explained["text"]
            explained = fence.explain("cluster0", "10.9.9.9", host.peer.host4, 5210)
            assert "no peer of its cluster" in explained["text"]
            wait_until(lambda: "node named by its command line" in fence.log(), 40,
                       "the log, once they stay")
            wait_until(lambda: fence.warnings('node "other"', "5211", f"pid {other.pid}"), 40,
                       "a warning of a node that stays")
        finally:
            end(node)
            end(other)


def test_node_with_an_epmd_module_of_its_own_is_asked(host):
    (host.directory / "own_epmd.erl").write_text(OWN_EPMD)
    subprocess.run(["erlc", "own_epmd.erl"], cwd=host.directory, check=True)
    with Fence(host, clusters=[{"name": "mq", "nodes": ["mq@*"], "peers": PEERS}]) as fence:
        node = beam(host, host.host, "mq@host.lab", "-pa", str(host.directory),
                    "-epmd_module", "own_epmd", "-kernel", "inet_dist_use_interface",
                    "{10,77,1,1}")
        try:
            fence.port(port=4371, node="mq", cluster="mq")
            assert host.client.probe("10.77.1.1", 4371, 0.5) == "silent"
        finally:
            end(node)


def test_listener_on_one_address_is_warned_of_as_one_on_all(host):
    with Fence(host, clusters=()) as fence:
        node = beam(host, host.host, None, "-eval",
                    "{ok, _} = gen_tcp:listen(8445, [{ip, {10,77,1,1}}]), "
                    "timer:sleep(infinity).")
        try:
            wait_until(lambda: fence.warnings("port 8445", "on 10.77.1.1"), 5, "a warning")
        finally:
            end(node)


# RabbitMQ's command line tools.

class Broker:
    """Debian's RabbitMQ, in one namespace, by an address as its host."""

    def __init__(self, lab, namespace, address):
        home = lab.directory / f"mq-{namespace.name}"
        home.mkdir()
        (home / ".erlang.cookie").write_text("onlyfortests")
        (home / ".erlang.cookie").chmod(0o400)
        files = {"MNESIA_BASE": "db", "LOG_BASE": "log", "CONFIG_FILE": "rabbitmq.conf",
                 "ENABLED_PLUGINS_FILE": "plugins", "PID_FILE": "pid", "FEATURE_FLAGS_FILE": "flags",
                 "GENERATED_CONFIG_DIR": "generated"}
        self._environment = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home),
            "RABBITMQ_NODENAME": f"rabbit@{address}", "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RUNNING_UNDER_SYSTEMD": "true",
            **{f"RABBITMQ_{key}": str(home / name) for key, name in files.items()}}
        self._namespace = namespace
        self.process = lab.popen(namespace, ["/usr/lib/rabbitmq/bin/rabbitmq-server"],
                                 f"mq-{namespace.name}.log", env=self._environment)

    def wait(self):
        wait_until(lambda: self._namespace.probe("127.0.0.1", 5672) == "open", 120, "a broker")

    def ctl(self, *words):
        with self._namespace.entered():
            return subprocess.run(["/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", *words],
                                  env=self._environment, text=True, capture_output=True,
                                  timeout=100, check=True).stdout

    def declare(self, name):
        self.ctl("eval", "rabbit_amqqueue:declare({resource, <<\"/\">>, queue, "
                         f"<<\"{name}\">>}}, true, false, [], none, <<\"x\">>), ok.")


@pytest.fixture(name="brokers", scope="module")
def _brokers():
    """A cluster of two, each with a queue of its own."""
    with Lab("client", "peer") as lab:
        daemons = [erlang.start_epmd(lab), erlang.start_epmd(lab, lab.peer)]
        brokers = [Broker(lab, lab.host, "10.77.2.1"), Broker(lab, lab.peer, "10.77.2.2")]
        for broker in brokers:
            broker.wait()
        for words in (["stop_app"], ["join_cluster", "rabbit@10.77.2.1"], ["start_app"]):
            brokers[1].ctl(*words)
        for broker, name in zip(brokers, ("here", "there")):
            broker.declare(name)
        yield lab, brokers
        for process in [broker.process for broker in brokers] + daemons:
            end(process)


@pytest.mark.parametrize("cluster, extra", [
    ({"nodes": ["rabbit@*"]}, ""),
    ({"nodes": ["rabbit@*"], "ports": "25672"}, ""),
    ({}, "presets: [rabbitmq]\n"),
], ids=["nodes", "nodes-and-port", "preset"])
def test_rabbitmqctl_has_an_answer_of_the_whole_cluster(brokers, cluster, extra):
    lab, both = brokers
    with Fence(lab, clusters=[{"name": "mq", "peers": PEERS, **cluster}], extra=extra) as fence:
        wait_until(lambda: fence.ports(node="rabbit", cluster="mq"), 5, "the node's own port")
        for broker in both:
            began = time.monotonic()
            queues = broker.ctl("list_queues", "name").split()
            assert sorted(set(queues) - {"name"}) == ["here", "there"]
            assert time.monotonic() - began < 15
        events = [json.loads(line) for line in fence.tell("--json", "events").splitlines()]
        tools = [one["port"] for one in events if one.get("event") == "node"
                 and re.fullmatch(r"rabbitmqcli-\d+-rabbit", one["node"])]
        assert tools and all(35672 <= port <= 35682 for port in tools)
        assert not fence.warnings("rabbitmqcli")


# Users who have more than there is room for.

CROWD = """
import ctypes, os, resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
os.setuid(64532)
ctypes.CDLL(None).prctl(15, b"beam.smp")
held = [socket.create_server(("", port)) for port in range(30000, 31010)]
time.sleep(600)
"""


def test_user_with_a_thousand_listeners_hides_nobody_elses_and_does_not_fill_the_log(host):
    host.web(9140)
    with Fence(host, clusters=[{"name": "app", "ports": "9110-9155", "peers": PEERS}]) as fence:
        assert listens(fence, 9140)
        crowd = host.popen(host.host, [sys.executable, "-c", CROWD], "crowd.log")
        try:
            wait_until(lambda: warnings_of(fence, "exposed-listener") >= 1010, 30, "all are there")
            assert listens(fence, 9140)
            assert len(fence.warnings("it is not protected")) == 100
            assert fence.log().count("problem=exposed-listener") <= 50
        finally:
            end(crowd)
