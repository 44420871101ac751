# SPDX-License-Identifier: BSD-2-Clause
"""The agent's life: start, death, restart, reload, detach. The filter outlives all but the last."""
import contextlib
import os
import re
import signal
import socket
import threading
import time

import pytest

from kit.devices import foreign_program
from kit.fence import METRICS_PORT, Fence, samples
from kit.frames import IP, TCP, to_host
from kit.lab import ROOT, epmd_names, wait_until

PROTECTED = 9105


@pytest.fixture(name="fence")
def _fence(lab):
    with Fence(lab) as fence:
        yield fence


@pytest.fixture(name="listening", autouse=True)
def _listening(lab):
    """Something to protect: a listener on epmd's port and on one of the distribution."""
    with lab.host.listen(4369), lab.host.listen(PROTECTED):
        assert closed(lab) == [False, False]
        yield


def closed(lab):
    """Whether the client is kept from epmd and from the distribution."""
    seen = lab.client.probes((lab.client.host4, 4369), (lab.client.host6, PROTECTED), timeout=0.5)
    return [one == "silent" for one in seen]


def grown(before, after):
    """Whether no counter went back, and at least one moved."""
    assert {key: packets for key, packets in before.items() if after.get(key, 0) < packets} == {}
    return any(after[key] > packets for key, packets in before.items())


def test_killed_agent_leaves_the_filter_and_the_next_one_adopts_it(lab, fence):
    assert closed(lab) == [True, True]
    before = fence.counters()
    fence.kill()
    assert closed(lab) == [True, True]
    assert fence.ask("status").returncode == 3
    fence.start()
    assert closed(lab) == [True, True]
    assert grown(before, fence.counters())
    assert fence.count(reason="client-new", verdict="drop") >= 6


def test_terminated_agent_ends_cleanly_and_leaves_the_filter(lab, fence):
    assert fence.end(signal.SIGTERM) == 0
    assert not fence.socket.exists()
    assert closed(lab) == [True, True]
    assert lab.host.program("client0") and lab.host.program("cluster0")


@contextlib.contextmanager
def flood(lab):
    """SYNs to a protected port; yields a function: how many were sent, how many passed."""
    frame = bytes(to_host(lab, lab.client) / IP(src=lab.client.own4, dst=lab.client.host4) /
                  TCP(sport=4242, dport=PROTECTED, flags="S"))
    mark = (4242).to_bytes(2, "big") + PROTECTED.to_bytes(2, "big")
    stop, sent, passed = threading.Event(), [0], [0]

    def send():
        with lab.client.wire("eth0") as wire:
            while not stop.is_set():
                for _ in range(20):
                    wire.send(frame)
                sent[0] += 20
                time.sleep(0.001)  # the rate: some 10,000 a second

    def watch():
        with lab.host.wire("client0") as behind:
            while not stop.is_set():
                for seen in behind.frames(0.05):
                    passed[0] += seen[34:38] == mark

    threads = [threading.Thread(target=one, daemon=True) for one in (watch, send)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: sent[0] > 100, 5, "the flood runs")
        yield lambda: (sent[0], passed[0])
    finally:
        stop.set()
        for thread in threads:
            thread.join(5)


def test_not_one_frame_slips_through_while_agents_die_start_and_reload(lab, fence):
    with flood(lab) as counts:
        for number in (signal.SIGKILL, signal.SIGTERM):
            fence.end(number)
            fence.start()
            fence.tell("reload")
        fence.configure(mode="enforce", attach="auto", cluster=["cluster0"])
        fence.tell("reload")
        sent, passed = counts()
    assert sent > 1000 and passed == 0


def test_the_flood_is_seen_where_there_is_no_filter(lab):
    with flood(lab) as counts:
        wait_until(lambda: counts()[1] > 100, 5, "frames of the flood arrive")


@pytest.mark.parametrize("agent", ["with the agent", "without the agent"])
def test_detach_takes_every_program_and_pin_away(lab, fence, agent):
    if agent == "without the agent":
        fence.kill()
    assert lab.host.program("client0")
    done = fence.ask("detach", "--pin-dir", fence.pins)
    assert done.returncode == 0, done.stderr
    if agent == "with the agent":
        assert fence.process.wait(5) == 0
    assert not fence.pins.exists() or not list(fence.pins.iterdir())
    wait_until(lambda: not fence.programs(), 5, "the kernel has let go of the programs")
    assert closed(lab) == [False, False]


def test_detach_is_not_undone_by_a_check_that_is_due(fence):
    """Both come at once for an agent that was held up: frozen for longer than the check's time."""
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile() as replies:
        connection.settimeout(10)
        connection.connect(str(fence.socket))
        connection.sendall(b'{"version":1,"command":"ports"}\n')
        assert '"ok":true' in replies.readline()
        fence.process.send_signal(signal.SIGSTOP)
        connection.sendall(b'{"version":1,"command":"detach"}\n')
        time.sleep(5.5)
        fence.process.send_signal(signal.SIGCONT)
        assert "client0" in replies.readline()
    assert fence.process.wait(5) == 0
    assert not fence.pins.exists()


def reload_by_command(fence):
    fence.tell("reload")


def reload_by_signal(fence):
    fence.process.send_signal(signal.SIGHUP)
    fence.wait_for("RELOADING=1")
    fence.wait_for("READY=1")


@pytest.mark.parametrize("reload", [reload_by_command, reload_by_signal])
def test_reload_takes_effect_at_once(lab, fence, reload):
    assert lab.client.probe(lab.client.host4, 9300) == "refused"
    kept = lab.host.program("client0")
    before = fence.counters()
    fence.configure(clusters=[{"name": "app", "ports": "9300", "peers": []}])
    reload(fence)
    assert lab.client.probe(lab.client.host4, 9300, 0.5) == "silent"
    assert lab.client.probe(lab.client.host6, PROTECTED) == "open"
    assert lab.host.program("client0") == kept
    assert grown(before, fence.counters())
    assert samples(fence.metrics())["beamfence_config_last_reload_successful", ()] == 1


def test_reload_attaches_to_new_interfaces_and_leaves_those_no_longer_named(lab, fence):
    assert lab.host.program("cluster0")
    fence.configure(cluster=["nosuch0"])
    fence.tell("reload")
    assert lab.host.program("client0") and lab.host.program("cluster0") is None
    assert "cluster0" in fence.json("status")["unassigned"]
    fence.configure(cluster=["cluster0"])
    fence.tell("reload")
    assert lab.host.program("cluster0")
    assert fence.json("status")["unassigned"] == []


def test_interface_that_appears_later_is_fenced_by_itself(lab, fence):
    """The configuration names cluster* for the peers, and client0 even when it comes anew."""
    late = lab.add_namespace("late")
    late.number = 5
    lab.add_link("cluster5", late, late.number)
    wait_until(lambda: lab.host.program("cluster5"), 5, "the new interface has the filter")
    assert late.probe(late.host4, PROTECTED, 0.5) == "silent"
    assert late.probe(late.host4, 81) == "refused"

    before = fence.counters()
    lab.host.ip("link", "del", "client0")
    wait_until(lambda: not fence.interface("client0")["attached"], 5, "the agent sees it go")
    lab.add_link("client0", lab.client, lab.client.number)
    wait_until(lambda: lab.host.program("client0"), 5, "client0 is fenced when it comes back")
    assert closed(lab) == [True, True]
    assert grown(before, fence.counters())


@pytest.mark.parametrize("reload", ["command", "signal"])
def test_bad_configuration_on_reload_changes_nothing(lab, fence, reload):
    before = (fence.json("status")["interfaces"], fence.json("ports"), fence.json("peers"))
    text = fence.config.read_text().replace("9100-9155", "9155-9100")
    fence.config.write_text(text)
    line = text[:text.index("9155-9100")].count("\n") + 1
    where = f"{fence.config.name}:{line}:"
    if reload == "command":
        done = fence.ask("reload")
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1 and where in done.stderr and "9155-9100" in done.stderr
    else:
        fence.process.send_signal(signal.SIGHUP)
        wait_until(lambda: where in fence.log(), 5, f"{where} in the log")
    assert (fence.json("status")["interfaces"], fence.json("ports"), fence.json("peers")) == before
    assert samples(fence.metrics())["beamfence_config_last_reload_successful", ()] == 0
    assert closed(lab) == [True, True]


@pytest.fixture(name="foreign")
def _foreign(lab):
    """Another program on client0, as an operator would have put it there."""
    lab.host.run("bpftool", "net", "attach", "xdpgeneric", "pinned", foreign_program(lab),
                 "dev", "client0")


def test_interface_held_by_another_program_is_reported_and_the_others_attach(lab, foreign):
    with Fence(lab) as fence:
        hole = fence.interface("client0")
        assert hole["attached"] is False and "foreign_pass" in hole["problem"]
        assert fence.interface("cluster0")["attached"] is True
        assert "foreign_pass" in fence.log()
        attached = {dict(labels)["interface"]: value for (name, labels), value
                    in samples(fence.metrics()).items() if name == "beamfence_interface_attached"}
        assert attached == {"client0": 0, "cluster0": 1}
        assert "client0" in fence.tell("status")
        assert fence.health()[0] == 503
        assert fence.health()[1].startswith("client0 (client) is open: ")
        assert lab.host.program("client0")  # still the other's

        lab.host.ip("link", "set", "dev", "client0", "xdpgeneric", "off")
        wait_until(lambda: fence.interface("client0")["attached"], 10, "the filter is on client0")
        assert fence.health() == (200, "ok\n")
        assert closed(lab) == [True, True]


def test_taken_metrics_port_is_a_warning_and_the_fence_stands(lab):
    with contextlib.ExitStack() as stack:
        with lab.host.listen(METRICS_PORT, "127.0.0.1"):
            fence = stack.enter_context(Fence(lab))
            assert fence.interface("client0")["attached"]
            assert len(fence.warnings(METRICS_PORT)) == 1
        fence.tell("reload")
        assert fence.warnings(METRICS_PORT) == []
        assert "beamfence_enforcing 1" in fence.metrics()


def test_second_agent_on_the_same_pins_is_refused_and_names_the_holder(lab, fence):
    second = lab.popen(lab.host, fence.command(), "second.log")
    assert second.wait(10) == 1
    lines = second.log.read_text().splitlines()
    assert len(lines) == 1 and str(fence.process.pid) in lines[0]
    assert closed(lab) == [True, True]
    assert fence.ask("status").returncode == 0


def test_resident_memory_stays_within_8_mib(fence):
    for _ in range(50):
        fence.tell("reload")
        fence.metrics()
    assert resident_kib(fence) <= memory_limit_kib()


def test_the_text_of_a_large_file_leaves_no_memory_behind(lab):
    peers = [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(300_000)]
    fence = Fence(lab)
    fence.configure(clusters=[{"name": "app", "ports": "9100", "peers": peers}])
    with fence:
        wait_until(lambda: not grows(fence), 10, "the start is over")
        before = resident_kib(fence)
        fence.tell("reload")
        wait_until(lambda: resident_kib(fence) <= before + 1024, 3, "the text of 5 MB is gone")


def grows(fence):
    """Whether the agent's memory changes within the time that a file of some MB is written in."""
    before = resident_kib(fence)
    time.sleep(0.5)
    return abs(resident_kib(fence) - before) > 64


def test_packaged_configuration_is_closed_and_runs_within_8_mib(lab):
    """Whatever the interfaces are called."""
    fence = Fence(lab)
    text = (ROOT / "deploy" / "config" / "beamfence.yaml").read_text()
    for packaged, here in (("group: beamfence", "group: root"),
                           ("/run/beamfence/control.sock", str(fence.socket))):
        assert packaged in text
        text = text.replace(packaged, here)
    fence.config.write_text(text)
    with fence:
        assert closed(lab) == [True, False]
        assert lab.peer.probe(lab.peer.host4, 4369, 0.5) == "silent"
        assert fence.health() == (200, "ok\n") and fence.json("status")["unassigned"] == []
        assert resident_kib(fence) <= memory_limit_kib()


def test_no_peers_but_those_of_the_policy_in_force_take_memory(lab, fence):
    first = fence.tables_of_peers()
    assert len(first) == 1
    fence.tell("reload")
    second = fence.tables_of_peers()
    assert len(second) == 1 and second != first
    fence.kill()
    fence.start()
    assert len(fence.tables_of_peers()) == 1 and closed(lab) == [True, True]


def memory_limit_kib():
    """8 MiB, and a row of counters for each CPU more than the two of a small host."""
    return 8 * 1024 + 8 * max(0, os.cpu_count() - 2)


def resident_kib(fence):
    status = open(f"/proc/{fence.process.pid}/status", encoding="ascii").read()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


def wake_ups(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", status.read())[1])


def test_idle_agent_wakes_up_for_its_check_every_5_s_and_once_for_a_stranger(lab, fence):
    assert closed(lab) == [True, True]
    time.sleep(1)  # whatever follows a start is over
    before = wake_ups(fence.process.pid)
    assert epmd_names(lab.client, lab.client.host4) is None
    time.sleep(3)  # the time that is measured, with the second that epmd_names() waited
    assert wake_ups(fence.process.pid) <= before + 2


def test_watchdog_of_the_service_manager_is_fed(lab):
    fence = Fence(lab)
    fence.environment["WATCHDOG_USEC"] = "400000"
    with fence:
        for _ in range(3):
            fence.wait_for("WATCHDOG=1", timeout=1)
