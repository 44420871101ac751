# SPDX-License-Identifier: BSD-2-Clause
"""Law 3: a listener of the distribution never answers a client, from its first instant to its last.

The ports that the kernel chooses from are narrowed to a few, so that each of them is tried every
millisecond or less: a window that a sweep of the whole range would hit once a day is hit at once.
"""
import pytest

import erlang
import impostor
from fence import Fence
from lab import Lab, wait_until
from sweep import Sweep, ephemeral_ports, service, start_and_stop_nodes

# Ways to listen that know their port before listen(2), as OTP's distribution does.
BOUND = ("ipv4", "ipv6")
NODES = 20
BRIEF_LISTENERS = 5000


@pytest.fixture(name="host", scope="module")
def _host():
    with Lab("client", "peer") as lab:
        erlang.start_epmd(lab)
        yield lab


def settings(watched):
    return {"clusters": (), "discovery": {"listeners": watched}}


def answered(sweep, own):
    """The ports that answered but for the service's own, which had to."""
    assert sweep.answers.get(own, 0) > 0, "the sweep was never answered: it proves nothing"
    assert sweep.lost == 0, "SYN-ACKs went unseen"
    return set(sweep.answers) - {own}


def test_no_client_is_answered_while_nodes_start_and_stop(host):
    with Fence(host, **settings(True)), ephemeral_ports(host.host, 41000, 41199) as ports:
        with service(host.host) as own, Sweep(host, host.client, ports) as sweep:
            used = start_and_stop_nodes(host, NODES)
        assert len(used) == NODES and set(used) <= set(ports)
        assert answered(sweep, own) == set()


def test_the_same_sweep_catches_nodes_where_listeners_are_not_watched(host):
    with Fence(host, **settings(False)), ephemeral_ports(host.host, 41000, 41199) as ports:
        with service(host.host) as own, Sweep(host, host.client, ports) as sweep:
            used = start_and_stop_nodes(host, 4)
        assert answered(sweep, own) & set(used) != set()


# Where the kernel cannot have the gate (test_gate.py), of so many brief listeners under such a sweep
# a few may answer once: to a SYN that the filter had passed before the port was protected, and that
# came to the stack after the listener (seen: one in 20,000 on two virtual CPUs). What the client
# sends next is dropped.
LEFT = 5


def brief_listeners(lab, watched, way, hold_us=0):
    """What a sweep of forty ports catches of listeners that are open for microseconds."""
    with Fence(lab, **settings(watched)), ephemeral_ports(lab.host, 42000, 42039) as ports:
        with service(lab.host) as own, Sweep(lab, lab.client, ports) as sweep:
            process = impostor.start(lab, "beam.smp", "brief", way, BRIEF_LISTENERS, hold_us)
            assert impostor.said(process) == ["done", str(BRIEF_LISTENERS)]
        return sum(sweep.answers[port] for port in answered(sweep, own))


@pytest.mark.parametrize("way", BOUND)
def test_no_client_is_answered_by_listeners_open_for_microseconds(host, way):
    assert brief_listeners(host, True, way) <= LEFT
    assert brief_listeners(host, True, way, hold_us=50) <= LEFT


@pytest.mark.parametrize("way", BOUND)
def test_the_same_sweep_catches_listeners_open_for_microseconds(host, way):
    assert brief_listeners(host, False, way, hold_us=50) > 20 * LEFT


def test_no_client_is_answered_while_agents_die_and_start(host):
    """The watch is the kernel's: its agent may come and go."""
    with Fence(host, **settings(True)) as fence, ephemeral_ports(host.host, 42000, 42039) as ports:
        with service(host.host) as own, Sweep(host, host.client, ports) as sweep:
            process = impostor.start(host, "beam.smp", "brief", "ipv4", BRIEF_LISTENERS, 100)
            for _ in range(3):
                fence.kill()
                fence.start()
                fence.tell("reload")
            done = impostor.said(process)
        assert done == ["done", str(BRIEF_LISTENERS)]
        assert sum(sweep.answers[port] for port in answered(sweep, own)) <= LEFT


def test_listener_that_was_there_before_the_agent_is_closed_when_it_is_ready(host):
    listeners = impostor.start(host, "beam.smp", "listen", ",0", "::,0")
    ports = [int(word) for word in impostor.said(listeners)]
    with Sweep(host, host.client, ports) as sweep:
        wait_until(lambda: set(sweep.answers) == set(ports), 5, "both listeners answer")
    with Fence(host, **settings(True)), service(host.host) as own:
        with Sweep(host, host.client, [*ports, own]) as sweep:
            sweep.wait_laps(100)
        assert answered(sweep, own) == set()


@pytest.mark.parametrize("way", ["unbound", "again"])
def test_listener_that_gets_its_port_after_the_watch_is_closed_a_moment_later(host, way):
    """Without bind(2) the kernel chooses the port when the watch has seen the socket already."""
    with Fence(host, **settings(True)) as fence:
        listening = impostor.start(host, "beam.smp", "hold", way)
        port = int(impostor.said(listening)[0])
        fence.port(port=port, source="autobound")
        assert host.client.probe(host.client.host4, port, 0.5) == "silent"
