# SPDX-License-Identifier: BSD-2-Clause
"""What anyone on the host may claim: names in epmd, names of processes, epmds that misbehave.

Nobody can close a port that he does not listen on himself, and nothing makes the agent wait, grow
or misprint.
"""
import contextlib
import os
import re
import time

import pytest

from kit import erlang
from kit import impostor
from kit.fence import Fence, samples
from kit.lab import Lab, end, wait_until
from kit.sweep import ephemeral_ports
from test_discovery import APP, DB, SERVES_CLIENTS, acting, node

RSS_GROWTH_MAX = 16 << 20
MANY = 17_000  # more than one user may have followed, and more than all of them


@pytest.fixture(name="host", scope="module")
def _host():
    with Lab("client", "peer", "peer2") as lab:
        yield lab


@pytest.fixture(name="epmd")
def _epmd(host):
    process = erlang.start_epmd(host)
    yield process
    end(process)


def resident(process):
    """Bytes of memory that a process has resident."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) << 10


def descriptors(process):
    return sorted(os.listdir(f"/proc/{process.pid}/fd"), key=int)


def pins(fence):
    return sorted(str(path) for path in fence.pins.rglob("*"))


def answers_quickly(fence):
    """Asks for the status; the time that the answer took in seconds."""
    began = time.monotonic()
    fence.tell("status")
    return time.monotonic() - began


def test_lying_registrations_close_nothing(host, epmd):
    """Ports of other programs, and a BEAM's own port for clients, stay open to clients."""
    client = host.client
    services = [(client.host4, port) for port in (22, 443, 8443)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(host.host.listen(22))
        stack.enter_context(host.host.listen(443))
        web = stack.enter_context(node(host, "app", options=("-eval", SERVES_CLIENTS)))
        wait_until(lambda: client.probe(client.host4, 8443) == "open", 5, "8443 is served")
        fence = stack.enter_context(Fence(host, clusters=(APP, DB)))
        assert fence.port(port=web.port, node="app")["cluster"] == "app"
        for name in ("sshd", "beam.smp"):  # a plain process, and one that says it is a BEAM
            lies = [f"{name[0]}{port},{port}" for port in (22, 443, 8443)]
            stack.enter_context(acting(host, name, "register", 4369, *lies))
        late = stack.enter_context(node(host, "db"))  # has the agent ask epmd once more
        assert fence.port(port=late.port, node="db")["cluster"] == "db"
        assert "s8443" in erlang.epmd_names(host.host, "127.0.0.1")
        assert client.probes(*services, timeout=0.7) == ["open"] * 3
        assert {one["port"] for one in fence.ports()} == {4369, web.port, late.port}
        for one in (web, late):
            assert client.probe(client.host4, one.port, 0.5) == "silent"
        assert fence.port(port=web.port)["cluster"] == "app"


def test_lying_registration_lets_no_peer_of_another_cluster_in(host, epmd):
    """A process that names another's distribution port "db" does not open it to the peers of db."""
    with Fence(host, clusters=(APP, DB)) as fence, node(host, "app") as app:
        fence.port(port=app.port, node="app")
        with acting(host, "beam.smp", "register", 4369, f"db,{app.port}"), node(host, "late"):
            fence.port(node="late")
            assert fence.port(port=app.port)["cluster"] == "app"
            assert host.peer.probe(host.peer.host4, app.port) == "open"
            assert host.peer2.probe(host.peer2.host4, app.port, 0.5) == "silent"


def test_process_that_calls_itself_beam_closes_only_its_own_ports(host, epmd):
    client = host.client
    with Fence(host, clusters=()) as fence, host.host.listen(8080):
        with acting(host, "beam.smp", "listen", ",0", ",8081") as (process, words):
            own = int(words[0])
            assert fence.port(port=own)["pid"] == process.pid
            targets = [(client.host4, port) for port in (own, 8080, 8081)]
            assert client.probes(*targets, timeout=0.5) == ["silent", "open", "open"]
        fence.without_port(port=own)


def test_name_of_a_process_is_printed_without_harm(host, epmd):
    with Fence(host, clusters=()) as fence:
        with acting(host, "beam.\x1b[31m\x07", "listen", ",0") as (_, words):
            fence.port(port=int(words[0]))
            assert harmless(fence.tell("ports")) and harmless(fence.tell("status"))
        assert harmless(fence.log())


def test_epmd_port_is_held_while_one_of_its_two_listeners_stays(host):
    client = host.client
    with Fence(host, clusters=(), epmd=()) as fence:
        with acting(host, "epmd", "listen", ",4370"):
            with acting(host, "epmd", "listen", "::,4370"):
                assert client.probes((client.host4, 4370), (client.host6, 4370),
                                     timeout=0.5) == ["silent"] * 2
            wait_until(lambda: len(fence.ports(port=4370)) <= 1, 5, "one is gone")
            assert client.probe(client.host4, 4370, 0.5) == "silent"
        fence.without_port(port=4370)
        assert client.probe(client.host4, 4370) == "refused"


def test_node_is_named_where_epmd_was_handed_its_socket_by_systemd(host):
    """Debian's epmd.socket: the listener is opened by another process than epmd."""
    with Fence(host, clusters=(APP,)) as fence:
        with acting(host, "systemd", "activated", "epmd", "-systemd"), node(host, "app") as app:
            assert fence.port(port=app.port, node="app")["cluster"] == "app"


def harmless(text):
    """Whether text has no control characters but for newlines, and nothing that turns text round."""
    return all(one == "\n" or one.isprintable() for one in text)


BEHAVIOURS = ("slow", "mute", "garbage", "absurd", "many", "wide", "control", "endless")


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_odd_epmd_neither_stops_the_agent_nor_feeds_it(host, behaviour):
    with contextlib.ExitStack() as stack:
        fence = stack.enter_context(Fence(host, clusters=(APP,)))
        before = resident(fence.process)
        with host.host.listen(0) as unused:
            claimed = unused.getsockname()[1]
        process, words = stack.enter_context(acting(host, "beam.smp", "listen", f",{claimed}"))
        odd, _ = stack.enter_context(acting(host, "epmd", "epmd", behaviour, 4369, claimed))
        _, words = stack.enter_context(acting(host, "beam.smp", "node"))
        own = int(words[0])
        assert impostor.said(odd) == ["asked"]
        slowest = max(answers_quickly(fence) for _ in range(20))
        assert slowest < 1
        assert fence.port(port=own)["source"] == "autobound"
        for command in ("ports", "status"):
            assert harmless(fence.tell(command)), fence.tell(command)
            assert harmless(fence.tell("--json", command))
        assert harmless(fence.log())
        assert host.client.probe(host.client.host4, own, 0.5) == "silent"
        assert resident(fence.process) - before < RSS_GROWTH_MAX
        assert process.poll() is None


def test_agent_is_none_the_worse_for_an_odd_epmd(host):
    """When a sound one comes after, nodes are known by name again."""
    with Fence(host, clusters=(APP,)) as fence:
        with acting(host, "epmd", "epmd", "mute", 4369, 1) as (odd, _):
            with acting(host, "beam.smp", "node"):
                assert impostor.said(odd) == ["asked"]
        epmd = erlang.start_epmd(host)
        try:
            with node(host, "app") as app:
                assert fence.port(port=app.port, node="app", timeout=10)["cluster"] == "app"
        finally:
            end(epmd)


def test_a_thousand_starts_and_stops_leave_nothing(host, epmd):
    with Fence(host, clusters=(APP,), epmd=()) as fence:
        with ephemeral_ports(host.host, 32768, 60999):  # for connections that do not linger
            before = fence.ports(), pins(fence), descriptors(fence.process)
            memory = resident(fence.process)
            with acting(host, "beam.smp", "churn", 1000) as (_, words):
                assert words == ["done", "1000"]
            wait_until(lambda: (fence.ports(), pins(fence), descriptors(fence.process)) == before,
                       10, "all is as it was")
            with node(host, "app") as app:  # and works on
                assert fence.port(port=app.port, node="app")["cluster"] == "app"
            assert resident(fence.process) - memory < RSS_GROWTH_MAX


def test_more_listeners_than_a_user_may_have_are_his_harm_alone(host, epmd):
    client = host.client
    flood = acting(host, "beam.smp", "many", MANY, user=65534)
    with Fence(host, clusters=()) as fence, flood as (_, words):
        targets = [(client.host4, int(port)) for port in words]  # the first and the last
        assert client.probes(*targets, timeout=0.7) == ["silent", "open"]
        assert answers_quickly(fence) < 2
        wait_until(lambda: "more listeners than can be followed" in fence.log(), 10, "it is said")
        with node(host, "app", options=("-kernel", "inet_dist_listen_min", "9444")):  # root's
            assert fence.port(port=9444)["source"] == "cmdline"
            assert client.probe(client.host4, 9444, 0.5) == "silent"
        assert "user 65534 has had more listeners" in fence.tell("status")
        page = samples(fence.metrics())
        assert [value for (name, _), value in page.items() if "unfollowed" in name and value]
