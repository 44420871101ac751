# SPDX-License-Identifier: BSD-2-Clause
"""Every distribution port is found by itself: with no port in the configuration, nodes of all kinds
are closed to clients, open to the peers of their cluster, and known by name."""
import contextlib
import ipaddress
import os
import re
import shutil
import time

import pytest

from kit import erlang
from kit import impostor
from kit.erlang import launch_node, ping, pings, result, start_node, start_ping, wait_for_node
from kit.fence import Fence, samples
from kit.lab import Lab, end, wait_until
from kit.sweep import ephemeral_ports
from test_tls import OPTIONS, make_certificates

APP = {"name": "app", "nodes": ["app@*"], "peers": ["10.77.2.0/24", "fd77:2::/64"]}
DB = {"name": "db", "nodes": ["db@*"], "peers": ["10.77.3.0/24", "fd77:3::/64"]}
SETTINGS = {"clusters": (APP,)}


@pytest.fixture(name="host", scope="module")
def _host():
    """A host with epmd: each test brings a fence and nodes of its own."""
    with Lab("client", "peer", "peer2") as lab:
        erlang.start_epmd(lab)
        yield lab


@contextlib.contextmanager
def node(lab, *arguments, **options):
    """A node for the time of a test, registered with epmd."""
    process = start_node(lab, *arguments, **options)
    try:
        yield process
    finally:
        stop(process)


def stop(*processes):
    """Ends nodes, and waits until epmd has noticed: a name can be registered but once."""
    for process in processes:
        end(process)
    for process in processes:
        if hasattr(process, "port"):
            wait_until(lambda one=process: f"name {one.node} at port" not in
                       erlang.epmd_names(one.namespace, "127.0.0.1", port=one.epmd_port),
                       5, "epmd has forgotten the node")


@contextlib.contextmanager
def acting(lab, name, *words, user=0):
    """An impostor for the time of a test, and the first words that it says."""
    process = impostor.start(lab, name, *words, user=user)
    try:
        yield process, impostor.said(process)
    finally:
        end(process)


def test_default_node_is_known_closed_to_clients_and_open_to_its_peers(host):
    before = time.time()
    with Fence(host, **SETTINGS) as fence, node(host, "app") as app:
        row = fence.port(port=app.port, node="app")
        assert (row["kind"], row["source"], row["cluster"]) == ("dist", "autobound", "app")
        assert (row["pid"], row["process"]) == (app.pid, "beam.smp")
        assert ipaddress.ip_address(row["address"]).is_unspecified
        assert before - 2 <= row["since"] <= time.time() + 1
        assert pings(host, (host.client, "app"), (host.peer, "app")) == ["pang", "pong"]
        assert host.client.probe(host.client.host4, app.port, 0.5) == "silent"
        assert host.peer.probe(host.peer.host4, app.port) == "open"
        assert host.peer2.probe(host.peer2.host4, app.port, 0.5) == "silent"
        explained = fence.explain("client0", host.client.own4, host.client.host4, app.port)
        assert (explained["verdict"], explained["reason"]) == ("drop", "client-new")
        explained = fence.explain("cluster0", host.peer.own4, host.peer.host4, app.port)
        assert (explained["verdict"], explained["cluster"]) == ("pass", "app")
        text = fence.tell("ports")
        assert all(word in text for word in (str(app.port), "autobound", "app", str(app.pid)))


def test_epmd_is_found_by_its_process(host):
    with Fence(host, **SETTINGS, epmd=()) as fence:
        rows = fence.ports(port=4369)
        assert {(one["kind"], one["source"]) for one in rows} == {("epmd", "epmd-listener")}
        assert {one["process"] for one in rows} == {"epmd"}
        assert host.client.probe(host.client.host4, 4369, 0.5) == "silent"
        assert host.peer.probe(host.peer.host4, 4369) == "open"


def test_node_that_starts_while_the_agent_is_dead_is_closed_and_known_later(host):
    with Fence(host, **SETTINGS) as fence:
        fence.kill()
        with node(host, "app") as app:
            targets = [(host.client.host4, 4369), (host.client.host4, app.port)]
            from_client = start_ping(host, host.client)
            assert host.client.probes(*targets, timeout=0.5) == ["silent"] * 2
            assert host.peer.probe(host.peer.host4, app.port, 0.5) == "silent"  # whose is it?
            assert result(from_client) == "pang"
            fence.start()
            row = fence.port(port=app.port, node="app")
            assert (row["source"], row["cluster"]) == ("autobound", "app")
            assert row["pid"] == app.pid
            assert ping(host, host.peer) == "pong"
            assert host.client.probes(*targets, timeout=0.5) == ["silent"] * 2
        fence.without_port(port=app.port)


def test_nodes_that_were_there_before_the_agent_are_found(host):
    with node(host, "app") as app, node(host, "db", carrier="inet6_tcp") as db:
        with Fence(host, clusters=(APP, DB)) as fence:
            row = fence.port(port=app.port, node="app")
            assert (row["source"], row["pid"], row["since"]) == ("autobound", app.pid, None)
            assert fence.port(port=db.port, node="db")["cluster"] == "db"
            probes = [(one.probe(one.host4, app.port, 0.5), one.probe(one.host6, db.port, 0.5))
                      for one in (host.client, host.peer, host.peer2)]
            assert probes == [("silent", "silent"), ("open", "silent"), ("silent", "open")]


def rabbit(lab, directory):
    """Debian's RabbitMQ on its defaults, with its management plugin and files of its own."""
    directory.mkdir()
    (directory / "enabled_plugins").write_text("[rabbitmq_management].\n")
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8",
        "RABBITMQ_NODENAME": "rabbit@localhost", "RABBITMQ_BASE": str(directory),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RUNNING_UNDER_SYSTEMD": "true",  # no shell around it that would wait for the node
    }
    return lab.popen(lab.host, ["/usr/lib/rabbitmq/bin/rabbitmq-server"], "rabbit.log",
                     env=environment, cwd=directory)


def test_rabbitmq_on_its_defaults(host):
    ports = (25672, 4369, 5672, 15672)
    closed_to_clients = ["silent", "silent", "open", "open"]

    def seen(neighbour):
        return neighbour.probes(*[(neighbour.host4, port) for port in ports], timeout=0.7)

    cluster = {"name": "mq", "nodes": ["rabbit@*"], "peers": APP["peers"]}
    with Fence(host, clusters=(cluster,), epmd=()) as fence:
        process = rabbit(host, host.directory / "rabbit")
        try:
            for port in (5672, 15672):
                wait_until(lambda number=port: host.host.probe("127.0.0.1", number) == "open" or
                           process.poll() is not None, 60, f"RabbitMQ listens on {port}")
            assert process.poll() is None, process.log.read_text()
            row = fence.port(port=25672, node="rabbit")
            assert row["source"] in ("cmdline", "registered")
            assert (row["kind"], row["cluster"], row["pid"]) == ("dist", "mq", process.pid)
            assert seen(host.client) == closed_to_clients
            assert seen(host.peer) == ["open"] * 4
            assert {one["port"] for one in fence.ports()} == {4369, 25672}
            for port in (5672, 15672):  # what an operator may want to know of
                assert fence.warnings(port)

            fence.configure(clusters=(cluster,))  # with epmd's usual port: the same
            fence.tell("reload")
            assert seen(host.client) == closed_to_clients
            fence.close()
            assert seen(host.client) == ["open"] * 4
            with Fence(host, clusters=(cluster,), epmd=()) as later:  # an agent that comes after
                assert later.port(port=25672, node="rabbit")["cluster"] == "mq"
                assert seen(host.client) == closed_to_clients
                assert seen(host.peer) == ["open"] * 4
        finally:
            end(process)


@contextlib.contextmanager
def another_epmd(lab, port):
    process = erlang.start_epmd(lab, port=port)
    try:
        yield process
    finally:
        end(process)


def launch_without_epmd(lab, name, port):
    return launch_node(lab, name, epmd_port=4399, options=("-erl_epmd_port", str(port)))


def user(lab, name):
    """Words before a command that run it as that user, with a home it may write to."""
    lab.directory.chmod(0o711)
    home = lab.directory / f"home-{name}"
    home.mkdir(exist_ok=True)
    shutil.chown(home, name)
    return ("setpriv", "--reuid", name, "--clear-groups", "env", f"HOME={home}")


def test_nodes_of_every_kind_are_found(host):
    """TLS, IPv6, without epmd, with an epmd on another port, under two users."""
    ca, cert, key = make_certificates(host.directory, "host.lab")
    conf = host.directory / "ssl_dist.conf"
    conf.write_text(OPTIONS.format(ca=ca, cert=cert, key=key))
    with Fence(host, epmd=(), clusters=(APP,)) as fence, another_epmd(host, 4370) as epmd:
        alone = launch_without_epmd(host, "alone", 9100)
        nodes = [
            launch_node(host, "secure", carrier="inet_tls",
                        options=("-ssl_dist_optfile", str(conf))),
            launch_node(host, "six", carrier="inet6_tcp"),
            launch_node(host, "elsewhere", epmd_port=4370),
            launch_node(host, "anybody", before=user(host, "nobody")),
            launch_node(host, "demon", before=user(host, "daemon")),
            launch_node(host, "fixed", 9333),
        ]
        try:
            for process in nodes:
                wait_for_node(process)
                row = fence.port(port=process.port, node=process.node)
                assert (row["kind"], row["pid"]) == ("dist", process.pid)
                assert row["cluster"] is None
                sources = ("cmdline", "registered") if process.node == "fixed" else ("autobound",)
                assert row["source"] in sources, row
            assert fence.port(port=9100)["source"] == "cmdline"
            assert fence.ports(port=9100)[0]["pid"] == alone.pid
            rows = fence.ports(port=4370)
            assert {one["source"] for one in rows} == {"epmd-listener"}
            assert {one["pid"] for one in rows} == {epmd.pid}

            client = host.client
            targets = [(client.host6 if process.node == "six" else client.host4, process.port)
                       for process in nodes] + [(client.host4, 9100), (client.host4, 4370)]
            assert client.probes(*targets, timeout=0.7) == ["silent"] * len(targets)
            wait_until(lambda: fence.warnings("six"), 30, "it is said that no cluster names it")
        finally:
            stop(alone, *nodes)
        fence.without_port(kind="dist")
    assert host.client.probe(host.client.host4, 9100) == "refused"


RUN_TIME = ("ok = application:set_env(kernel, inet_dist_listen_min, 9334), "
            "ok = application:set_env(kernel, inet_dist_listen_max, 9334), "
            "{ok, _} = net_kernel:start(['app@host.lab', longnames]).")


def test_distribution_that_starts_at_run_time_on_a_fixed_port_is_found_by_its_registration(host):
    argv = erlang.command(host, host.host, None, "inet_tcp", "-eval", RUN_TIME)
    with Fence(host, **SETTINGS) as fence:
        process = host.popen(host.host, argv, "run-time.log", env=erlang.ENVIRONMENT)
        try:
            row = fence.port(timeout=15, port=9334)
            assert (row["source"], row["node"]) == ("registered", "app")
            assert (row["cluster"], row["pid"]) == ("app", process.pid)
            assert host.client.probe(host.client.host4, 9334, 0.5) == "silent"
            assert host.peer.probe(host.peer.host4, 9334) == "open"
        finally:
            end(process)
        fence.without_port(port=9334)


BOTH_FAMILIES = (RUN_TIME[:-1] + ", {ok, _} = gen_tcp:listen(9334, [inet6, {ipv6_v6only, true}]), "
                 "timer:sleep(infinity).")


def test_second_listener_on_a_registered_port_does_not_open_it(host):
    """Only one of the two is what epmd names; nor does an agent forget it that starts anew."""
    argv = erlang.command(host, host.host, None, "inet_tcp", "-eval", BOTH_FAMILIES)
    with Fence(host, **SETTINGS) as fence:
        process = host.popen(host.host, argv, "both.log", env=erlang.ENVIRONMENT)
        try:
            assert fence.port(timeout=15, port=9334)["source"] == "registered"
            for _ in range(2):
                for _ in range(3):  # longer than epmd is asked after a change
                    assert host.client.probe(host.client.host4, 9334, 0.5) == "silent"
                    assert host.client.probe(host.client.host6, 9334, 0.5) == "silent"
                fence.kill()
                fence.start()
        finally:
            end(process)


def test_claim_outlives_an_epmd_that_forgot_it_while_no_agent_ran():
    """The node is still there, and so is its listener: nothing speaks against the claim."""
    with Lab("client", "peer") as lab:
        epmd = erlang.start_epmd(lab)
        with Fence(lab, **SETTINGS) as fence:
            argv = erlang.command(lab, lab.host, None, "inet_tcp", "-eval", RUN_TIME)
            lab.popen(lab.host, argv, "run-time.log", env=erlang.ENVIRONMENT)
            fence.port(timeout=15, port=9334, source="registered")
            fence.kill()
            end(epmd)
            erlang.start_epmd(lab)
            fence.start()
            deadline = time.monotonic() + 1.5  # more than a claim without a witness lasts
            while time.monotonic() < deadline:
                assert lab.client.probe(lab.client.host4, 9334, 0.2) == "silent"
            assert fence.ports(port=9334)


def test_port_is_free_again_when_its_node_has_stopped(host):
    with Fence(host, **SETTINGS) as fence:
        with node(host, "app") as app:
            fence.port(port=app.port, node="app")
            assert host.client.probe(host.client.host4, app.port, 0.5) == "silent"
        fence.without_port(port=app.port)
        assert host.client.probe(host.client.host4, app.port) == "refused"
        for address in (host.client.own4, host.client.own6):
            with host.client.listen(7000) as server:
                source = ("::" if ":" in address else "0.0.0.0", app.port)
                with host.host.connect(address, 7000, source=source) as outbound:
                    inbound, _ = server.accept()
                    with inbound:
                        outbound.sendall(b"question")
                        assert inbound.recv(8) == b"question"
                        inbound.sendall(b"answer")
                        assert outbound.recv(8) == b"answer"


def test_port_that_passes_from_one_cluster_to_another_takes_no_peer_along(host):
    with Fence(host, clusters=(APP, DB)) as fence:
        for name, inside, outside in (("app", host.peer, host.peer2), ("db", host.peer2, host.peer),
                                      ("app", host.peer, host.peer2)):
            with node(host, name, 9335):
                assert fence.port(port=9335, node=name)["cluster"] == name
                assert inside.probe(inside.host4, 9335) == "open"
                assert outside.probe(outside.host4, 9335, 0.5) == "silent"
                assert host.client.probe(host.client.host4, 9335, 0.5) == "silent"
            fence.without_port(port=9335)


def test_node_in_another_network_namespace_is_not_this_hosts(host):
    with Fence(host, **SETTINGS) as fence:
        before = fence.ports()
        elsewhere = impostor.start(host, "beam.smp", "listen", ",40404", namespace=host.peer)
        with acting(host, "beam.smp", "listen", ",0") as (_, words):
            assert impostor.said(elsewhere) == ["40404"]
            fence.port(port=int(words[0]))  # an event that came later has been seen
            assert fence.ports(port=40404) == []
        end(elsewhere)
        fence.without_port(port=int(words[0]))
        assert fence.ports() == before


def reload(fence, **settings):
    fence.configure(**settings)
    fence.tell("reload")


def test_exempt_ports_are_never_protected_unless_they_are_configured(host):
    client, exempt = host.client, {"exempt_ports": ["43000-43009", 9336, 9337]}
    fixed = {"name": "fixed", "ports": "9337", "peers": []}
    with ephemeral_ports(host.host, 43000, 43009), Fence(host, clusters=(fixed,),
                                                         discovery=exempt) as fence:
        with node(host, "app") as app, node(host, "db", 9336), node(host, "configured", 9337):
            assert 43000 <= app.port <= 43009
            fence.port(port=9337, node="configured", source="config")
            targets = [(client.host4, port) for port in (app.port, 9336, 9337)]
            assert client.probes(*targets, timeout=0.5) == ["open", "open", "silent"]
            assert {one["port"] for one in fence.ports()} == {4369, 9337}

            reload(fence, clusters=(fixed,))  # and no longer exempt: closed by the reload itself
            assert client.probes(*targets, timeout=0.5) == ["silent"] * 3
            assert {app.port, 9336} <= {one["port"] for one in fence.ports()}
            reload(fence, clusters=(fixed,), discovery=exempt)
            assert client.probes(*targets, timeout=0.5) == ["open", "open", "silent"]


def test_autobound_listeners_can_be_ignored(host):
    client = host.client
    with acting(host, "beam.smp", "listen", ",0", "::,0") as (_, words):
        targets = [(address, int(port))
                   for address, port in zip((client.host4, client.host6), words)]
        with Fence(host, **SETTINGS, discovery={"autobound": "ignore"}) as fence:
            assert client.probes(*targets, timeout=0.5) == ["open"] * 2
            assert fence.ports(kind="dist") == []
            with node(host, "app") as app:  # but what is registered is the distribution's
                assert fence.port(port=app.port, node="app")["source"] == "registered"
                assert client.probe(client.host4, app.port, 0.5) == "silent"
            reload(fence, **SETTINGS)
            assert client.probes(*targets, timeout=0.5) == ["silent"] * 2
            reload(fence, **SETTINGS, discovery={"autobound": "ignore"})
            assert client.probes(*targets, timeout=0.5) == ["open"] * 2


def test_watch_can_be_turned_off_and_on_again_by_reload(host):
    client, off = host.client, {"listeners": False}
    with Fence(host, **SETTINGS) as fence, node(host, "app") as app:
        assert fence.port(port=app.port, node="app")
        assert client.probe(client.host4, app.port, 0.5) == "silent"
        reload(fence, **SETTINGS, discovery=off)
        assert fence.ports(kind="dist") == []
        assert client.probe(client.host4, app.port) == "open"
        reload(fence, **SETTINGS)
        assert fence.port(port=app.port, node="app")["cluster"] == "app"
        assert client.probe(client.host4, app.port, 0.5) == "silent"


SERVES_CLIENTS = ("spawn(fun() -> {ok, _} = gen_tcp:listen(8443, []), "
                  "{ok, _} = gen_tcp:listen(8444, [{ip, {127,0,0,1}}]), timer:sleep(infinity) end).")


def test_status_warns_of_a_nodes_other_listeners_and_of_nodes_in_no_cluster(host):
    with Fence(host, **SETTINGS) as fence:
        with node(host, "other", options=("-eval", SERVES_CLIENTS)) as other:
            wait_until(lambda: fence.warnings(8443), 5, "a warning of 8443")
            assert fence.warnings(8444) == []  # only this host can reach it
            assert fence.warnings(4369) == []
            wait_until(lambda: fence.warnings("other"), 30, "a warning of the node in no cluster")
            assert "8443" in fence.tell("status")
            reload(fence, **SETTINGS, discovery={"exempt_ports": [8443, other.port]})
            assert fence.warnings(8443) == []
            assert fence.warnings("other") == []
            reload(fence, **SETTINGS)
            assert fence.warnings(8443) != []
        wait_until(lambda: not fence.warnings(8443), 5, "nothing to warn of any more")
        with node(host, "app"):
            fence.port(node="app")
            assert fence.warnings("app@") == []


def test_metrics_count_protected_ports_by_kind_and_source(host):
    def count(fence, kind, source):
        labels = (("kind", kind), ("source", source))
        return samples(fence.metrics()).get(("beamfence_protected_ports", labels), 0)

    with Fence(host, **SETTINGS, epmd=()) as fence:
        assert count(fence, "epmd", "epmd-listener") == 1
        assert count(fence, "dist", "autobound") == 0
        with node(host, "app"), node(host, "db", 9338):
            wait_until(lambda: count(fence, "dist", "autobound") == 1, 5, "the autobound node")
            wait_until(lambda: count(fence, "dist", "registered") +
                       count(fence, "dist", "cmdline") == 1, 5, "the node on a fixed port")
        wait_until(lambda: count(fence, "dist", "autobound") == 0, 5, "it is gone")
        reload(fence, **SETTINGS)
        assert (count(fence, "epmd", "config"), count(fence, "epmd", "epmd-listener")) == (1, 0)


def test_log_tells_of_a_node_that_stays(host):
    with Fence(host, **SETTINGS) as fence:
        def lines(words):
            return [line for line in fence.log().splitlines()
                    if words in line and re.search(rf"\bport={app.port}\b", line)]

        with node(host, "app") as app:
            fence.port(port=app.port, node="app")
            assert not lines("port protected")
            wait_until(lambda: lines("port protected") and lines("node registered"), 30,
                       fence.log())
        fence.without_port(port=app.port)
        wait_until(lambda: lines("port released"), 5, fence.log())


def wake_ups(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", status.read())[1])


def test_agent_is_idle_beside_an_epmd_and_a_node(host):
    """It asks epmd when somebody has connected to that, and connects to it itself to ask."""
    with Fence(host, **SETTINGS) as fence, node(host, "app") as one:
        assert fence.port(port=one.port, node="app")
        time.sleep(2)  # whatever follows a start is over
        before = wake_ups(fence.process.pid)
        time.sleep(4)  # the time that is measured
        assert wake_ups(fence.process.pid) <= before + 5
