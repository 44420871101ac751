# SPDX-License-Identifier: BSD-2-Clause
"""What comes and goes all day, as the command lines of products do, hides nothing that matters.

BEAMFENCE_SOAK=1: ten minutes of such a call every fifteen seconds.
"""
import os
import time

import pytest

from kit import erlang
from kit.fence import APP, Fence
from kit.lab import wait_until

SOAK = bool(os.environ.get("BEAMFENCE_SOAK"))
CALLS, PAUSE = (40, 15) if SOAK else (40, 0)
SCANS = 12  # ports that a scanner tries, over and over
ONLY_APP = {**APP, "nodes": ["app@*"]}


@pytest.fixture(name="host")
def _host(lab):
    erlang.start_epmd(lab)
    return lab


def start_call(lab, number):
    """A node of its own for a second, of no cluster, as "rabbitmqctl status" is one."""
    return erlang.launch_node(lab, f"cli-{number}-rabbit", options=("-s", "erlang", "halt"))


def scan(lab, number, seen):
    """One knock at a port of the range; the source port tells which, in the event."""
    port = 9100 + number % SCANS
    lab.client.probe(lab.client.host4, port, timeout=0.05)
    seen.add(port)


def drops(fence, port):
    return [one for one in fence.request("events") if one["event"] == "drop"
            and one["port"] == port]


def test_calls_of_a_products_command_line_hide_no_drop_and_make_no_noise(host):
    seen, known = set(), {}
    with Fence(host, clusters=(ONLY_APP,), discovery={"fixed": "known"}) as fence:
        for number in range(CALLS):
            process = start_call(host, number)
            for knock in range(max(PAUSE, 1)):
                scan(host, number * max(PAUSE, 1) + knock, seen)
                time.sleep(bool(PAUSE))
            assert process.wait(30) == 0
            for one in fence.request("events"):
                if one["event"] == "drop":
                    known[one["time"], one["source_port"]] = one
        listed = fence.request("events")
        kept = {(one["time"], one["source_port"]) for one in listed if one["event"] == "drop"}
        assert {one["port"] for one in listed if one["event"] == "drop"} == seen
        assert kept >= set(known), "a drop is forgotten"
        assert any(one["event"] == "listener" for one in listed)
        assert not fence.warnings("of no cluster"), "of a node that came and went"
        # But for the BEAMs of others on this machine.
        said = [line for line in fence.log().splitlines() if "other-namespace" not in line]
        assert not [line for line in said if "cli-" in line or " warning " in line], said
        assert len(said) < 20, said


def test_node_of_no_cluster_that_stays_is_a_warning(host):
    with Fence(host, clusters=(ONLY_APP,)) as fence:
        node = erlang.start_node(host, "other")
        fence.port(port=node.port, node="other")
        assert not fence.warnings("other")
        wait_until(lambda: fence.warnings("other"), 30, "the node of no cluster")
        wait_until(lambda: "node-of-no-cluster" in fence.log(), 10, fence.log())


def test_drops_are_lines_of_the_log_for_those_who_ask(lab):
    with Fence(lab) as fence:
        lab.client.probe(lab.client.host4, 4369, timeout=0.2)
        wait_until(lambda: fence.count(reason="client-new"), 5, "it is dropped")
        assert fence.request("events") and "drop" not in fence.log()
        fence.config.write_text(fence.config.read_text() + "events: {journal: drops}\n")
        fence.tell("reload")
        lab.client.probe(lab.client.host6, 9105, timeout=0.2)
        wanted = f"reason=client-new source={lab.client.own6} source_port="
        wait_until(lambda: wanted in fence.log(), 5, fence.log())
        for port in range(9100, 9150):
            lab.client.probe(lab.client.host4, port, timeout=0.001)
        wait_until(lambda: fence.count(reason="client-new") >= 52, 5, "they are dropped")
        assert " drop " in fence.log()
        assert fence.log().count(" drop ") <= 52


def test_what_is_shown_can_be_chosen(lab):
    with Fence(lab) as fence:
        lab.client.probe(lab.client.host4, 4369, timeout=0.2)
        wait_until(lambda: fence.tell("events", "--type", "drop"), 5, "the drop")
        text = fence.tell("events", "--type", "drop", "--interface", "client*", "--since", "1m")
        assert text.count("\n") == 1 and "Z drop client0 client-new" in text
        assert not fence.tell("events", "--type", "drop", "--interface", "cluster0")
        assert fence.ask("events", "--type", "drips").returncode == 2
        assert " 0 " not in fence.tell("counters") and " 0 " in fence.tell("counters", "--all")
        assert any(not one["packets"] for one in fence.json("counters"))
