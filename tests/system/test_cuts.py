# SPDX-License-Identifier: BSD-2-Clause
"""A configuration that would cut what stands says so before it does."""
import contextlib
import os
import resource
import signal
import socket
import time

import pytest

from kit import erlang
from kit.fence import APP, Fence, config_text, samples
from kit.lab import Lab, wait_until

WITHOUT_PEER = {**APP, "peers": ["10.77.3.0/24"]}
CUT = "would cut 10.77.2.2 to port 9100 (cluster app, interface cluster0, connections 1)"


@pytest.fixture(name="cluster", scope="module")
def _cluster():
    """The node "app" on the host, and one of the peer's that is connected to it."""
    with Lab("client", "peer", "stranger") as lab:
        erlang.start_epmd(lab)
        erlang.start_node(lab, "app", 9100)
        lab.other = erlang.start_eval(
            lab, lab.peer, "begin pong = net_adm:ping('app@host.lab'), receive stop -> ok end end")
        wait_until(lambda: connections(lab, 9100), 15, "the nodes are connected")
        yield lab


@pytest.fixture(name="fence")
def _fence(cluster):
    with Fence(cluster) as fence:
        yield fence


def connections(lab, port):
    return lab.host.run("ss", "-Htn", "state", "established", f"sport = :{port}").splitlines()


def refused(fence):
    """What the alert looks at."""
    return samples(fence.metrics())["beamfence_warnings", (("kind", "connection-refused"),)]


def test_reload_names_what_it_would_cut_and_changes_nothing(cluster, fence):
    peer = cluster.peer
    before = fence.counters().keys()
    fence.configure(clusters=[WITHOUT_PEER])
    done = fence.ask("reload")
    assert done.returncode == 1 and CUT in done.stdout, done
    assert "- peer 10.77.2.0/24 of app" in done.stdout.splitlines()
    assert done.stderr.count("\n") == 1 and "nothing changed" in done.stderr
    assert "reload --yes" in done.stderr
    assert peer.probe(peer.host4, 9100) == "open"
    assert fence.counters().keys() == before
    assert not fence.json("status")["last_reload"]["ok"]
    assert not fence.warnings("is cut off")

    answer = fence.ask("--json", "reload")
    assert answer.returncode == 1
    assert '"reloaded": false' in answer.stdout and '"remote": "10.77.2.2"' in answer.stdout

    fence.configure()
    assert fence.tell("reload").splitlines()[1:] == ["it says what was in force before"]


def test_reload_all_the_same_cuts_and_that_is_seen_within_a_minute(cluster, fence):
    peer = cluster.peer
    fence.configure(clusters=[WITHOUT_PEER])
    began = time.monotonic()
    said = fence.tell("reload", "--yes")
    assert CUT.replace("would cut", "cuts") in said
    assert refused(fence) == 1
    assert time.monotonic() - began < 60
    assert fence.warnings("10.77.2.2 is connected to port 9100 and is cut off (connections: 1)",
                          "peers add app 10.77.2.2")
    assert "problem=connection-refused" in fence.log()
    assert "cut_connections=1" in fence.log()
    assert peer.probe(peer.host4, 9100, 0.5) == "silent"

    fence.tell("peers", "add", "app", "10.77.2.2")
    wait_until(lambda: refused(fence) == 0, 15, "it is a peer again")
    assert len(connections(cluster, 9100)) == 1


def test_check_on_the_host_itself_says_the_same_and_leaves_all_as_it_is(cluster, fence):
    file = cluster.directory / "next.yaml"
    file.write_text(config_text(fence.socket, clusters=[WITHOUT_PEER], client=["client0", "new*"],
                                cluster=[], trusted=["cluster*"]))
    before = fence.counters().keys()
    said = fence.tell("check", file)
    assert ": ok: " in said and "+ client interface new*" in said and "would cut" not in said
    file.write_text(config_text(fence.socket, clusters=[WITHOUT_PEER]))
    assert CUT in fence.tell("check", file)
    assert fence.json("check", file)["cuts"][0]["reason"] == "stranger-segment"
    done = fence.ask("check", "--no-cuts", file)
    assert done.returncode == 1 and "(1): 10.77.2.2 to port 9100" in done.stderr, done
    fence.tell("check", "--no-cuts", fence.config)
    assert fence.counters().keys() == before
    assert fence.interface("cluster0")["zone"] == "cluster"
    assert fence.json("status")["last_reload"]["ok"]
    assert cluster.peer.probe(cluster.peer.host4, 9100) == "open"
    alone = fence.run("--socket", "/nonexistent", "check", file)
    assert alone.returncode == 0 and "on this host" not in alone.stdout and alone.stderr == ""


def test_trial_names_what_it_cuts_and_goes_on(cluster, fence):
    file = cluster.directory / "trial.yaml"
    file.write_text(config_text(fence.socket, clusters=[WITHOUT_PEER]))
    assert CUT.replace("would cut", "cuts") in fence.tell("try", file, "--for", "30s")
    assert refused(fence) == 1
    fence.tell("revert")
    assert refused(fence) == 0


def test_signal_cannot_ask_and_says_it_in_the_log(cluster, fence):
    fence.configure(clusters=[WITHOUT_PEER])
    os.kill(fence.process.pid, signal.SIGHUP)
    wait_until(lambda: "cut_connections=1" in fence.log(), 10, "reloaded")
    wait_until(lambda: "10.77.2.2 is connected to port 9100 and is cut off" in fence.log(), 10, "told")
    assert cluster.peer.probe(cluster.peer.host4, 9100, 0.5) == "silent"


def test_port_that_a_client_uses_is_told_before_it_closes(cluster, fence):
    client = cluster.client
    with contextlib.ExitStack() as stack:
        for address in ("0.0.0.0", "::"):
            stack.enter_context(cluster.host.listen(9300 + (address == "::"), address))
        stack.enter_context(client.connect(client.host4, 9300))
        stack.enter_context(client.connect(client.host4, 9300))
        stack.enter_context(client.connect(client.host6, 9301))
        fence.configure(clusters=[APP, {"name": "web", "ports": "9300-9301", "peers": []}])
        done = fence.ask("reload")
        assert done.returncode == 1
        assert ("would cut 10.77.1.2 to port 9300 (cluster web, interface client0, "
                "connections 2)") in done.stdout
        assert ("would cut fd77:1::2 to port 9301 (cluster web, interface client0, "
                "connections 1)") in done.stdout
        assert "(3): 10.77.1.2 to port 9300, fd77:1::2 to port 9301" in done.stderr
        fence.configure(clusters=[APP, {"name": "web", "ports": "9300-9301", "peers": []}],
                        mode="audit")
        assert "cuts" not in fence.tell("reload")
        fence.configure(clusters=[APP, {"name": "web", "ports": "9300-9301", "peers": []}])
        assert fence.ask("reload").returncode == 1, "from audit to enforce"


def test_connections_of_the_host_itself_are_not_cut(cluster, fence):
    stranger = cluster.stranger
    with stranger.listen(7000, "0.0.0.0"):
        with cluster.host.connect(stranger.own4, 7000, source=("0.0.0.0", 9150)):
            fence.configure(mode="audit")
            fence.tell("reload")
            fence.configure(mode="enforce")
            assert "cuts" not in fence.tell("reload")
            assert refused(fence) == 0


def test_interface_that_gets_a_zone_is_judged_before_it_has_the_filter(cluster):
    """Left alone, it lets everything in: what stands there is cut when it is fenced."""
    with Fence(cluster, clusters=[WITHOUT_PEER], cluster=["cluster2"]) as fence:
        fence.configure(clusters=[WITHOUT_PEER])
        done = fence.ask("reload")
        assert done.returncode == 1 and CUT in done.stdout, done
        assert not cluster.host.program("cluster0")
        assert [one["name"] for one in fence.json("status")["interfaces"]] == ["client0", "cluster2"]
        fence.configure(clusters=[APP])
        assert "cuts" not in fence.tell("reload")
        assert cluster.host.program("cluster0")


def test_help_is_what_help_says(fence):
    for command in ("reload", "help", "check"):
        assert fence.tell("help", command) == fence.tell(command, "--help")
    assert fence.tell("help") == fence.tell("--help")
    done = fence.ask("help", "nonesuch")
    assert done.returncode == 2 and "nonesuch" in done.stderr and done.stdout == ""


def test_check_leaves_the_offloads_of_an_interface_alone(cluster, fence):
    def vlan_offload():
        text = cluster.host.run("ethtool", "-k", "client0")
        return next(line for line in text.splitlines() if line.startswith("rx-vlan-offload"))

    cluster.host.run("ethtool", "-K", "client0", "rxvlan", "on")
    file = fence.config.with_name("vlan.yaml")
    file.write_text(config_text(fence.socket, client=["client0", "client0.120"]))
    fence.tell("check", file)
    assert vlan_offload().endswith(" on")
    fence.configure(client=["client0", "client0.120"])
    fence.tell("reload")
    assert " off" in vlan_offload()


def test_connections_within_the_host_hide_none_that_comes_from_elsewhere(cluster, fence):
    """More of them than are judged, on a port before the one that the peer is connected to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    try:
        with contextlib.ExitStack() as stack, cluster.host.entered():
            server = stack.enter_context(socket.create_server(("", 4370), backlog=4096))
            for number in range(4200):
                client = stack.enter_context(socket.socket())
                client.bind((f"127.1.{number // 250}.{number % 250 + 1}", 0))
                client.connect(("127.0.0.1", 4370))
                stack.enter_context(server.accept()[0])
            fence.configure(clusters=[WITHOUT_PEER], epmd=(4369, 4370))
            done = fence.ask("check", fence.config)
            assert CUT in done.stdout, done
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
