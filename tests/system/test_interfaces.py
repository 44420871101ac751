# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces made, renamed, moved and deleted under a flood, and a filter that others meddle with."""
import contextlib
import json
import os
import pathlib
import re
import signal
import time

import pytest

from kit.bpf import replace_program
from kit.devices import ADDRESS, PROTECTED, Deluge, Witness, detach_link, foreign_program
from kit.fence import Fence, samples
from kit.lab import BPFFS, LabError, run, wait_until


@pytest.fixture(name="deluge")
def _deluge(lab):
    with Deluge(lab.client) as deluge:
        yield deluge


@pytest.fixture(name="fence")
def _fence(lab):
    with Fence(lab, client=["client0", "new*"], cluster=["cluster*"]) as fence:
        yield fence


def program_on(lab, name):
    try:
        return lab.host.program(name)
    except LabError:
        return None


def filtered(lab, fence, name):
    """Waits until an interface has the filter."""
    wait_until(lambda: program_on(lab, name) and any(
        one["name"] == name and one["attached"] for one in fence.json("status")["interfaces"]),
        10, f"{name} has the filter")


def carries(lab, deluge, name, frames=2000):
    """Waits until the flood has come to an interface."""
    before = deluge.arriving(lab.host, name)
    wait_until(lambda: deluge.arriving(lab.host, name) > before + frames, 10,
               f"{name} carries the flood")


def link_pins(fence):
    return {path.name for path in fence.pins.glob("link-*")}


def test_interface_is_filtered_from_its_first_frame_through_its_whole_life(lab, fence, deluge):
    elsewhere = lab.add_namespace("elsewhere")
    pins = link_pins(fence)
    with Witness(lab.host) as witness:
        for turn in range(5):
            deluge.plug(lab.host, "new0")
            filtered(lab, fence, "new0")  # while it is still down
            lab.host.ip("link", "set", "new0", "up")
            carries(lab, deluge, "new0")
            for name, before in (("new1", "new0"), ("new2", "new1"), ("new0", "new2")):
                lab.host.ip("link", "set", before, "name", name)
                carries(lab, deluge, name, 500)
                filtered(lab, fence, name)
            with witness.closing():
                lab.host.ip("link", "set", "new0", "netns", elsewhere.name)
            wait_until(lambda: link_pins(fence) == pins, 5, "its pin is gone")
            elsewhere.ip("link", "set", "new0", "netns", lab.host.name)
            filtered(lab, fence, "new0")
            lab.host.ip("link", "set", "new0", "up")
            carries(lab, deluge, "new0")
            assert fence.count(interface="new0", reason="client-new") > 0
            with witness.closing():
                lab.host.ip("link", "del", "new0")
            wait_until(lambda: link_pins(fence) == pins, 5, "its pin is gone")
            assert witness.look() == 0, f"turn {turn}"


def test_the_witness_sees_the_flood_where_there_is_no_filter(lab, fence, deluge):
    with Witness(lab.host) as witness:
        deluge.plug(lab.host, "other0")
        lab.host.ip("link", "set", "other0", "up")
        wait_until(lambda: witness.look() > 1000, 10, "the witness sees the flood")
    assert "other0" in fence.json("status")["unassigned"]
    lab.host.ip("link", "del", "other0")


def test_counters_go_by_name_and_never_back_through_a_rename(lab, fence, deluge):
    deluge.plug(lab.host, "new0")
    filtered(lab, fence, "new0")
    lab.host.ip("link", "set", "new0", "up")
    carries(lab, deluge, "new0", 100)
    lab.host.ip("link", "set", "new0", "name", "new1")
    filtered(lab, fence, "new1")
    under_old_name = fence.count(interface="new0", reason="client-new")
    wait_until(lambda: fence.count(interface="new1", reason="client-new"), 5, "new1 counts")
    assert fence.count(interface="new0", reason="client-new") == under_old_name > 0
    lab.host.ip("link", "set", "new1", "name", "new0")
    wait_until(lambda: fence.count(interface="new0", reason="client-new") > under_old_name, 5,
               "new0 goes on")
    lab.host.ip("link", "del", "new0")


def test_index_of_an_interface_that_moved_away_is_another_interface(lab, fence, deluge):
    """The link goes with the interface; who comes by its number needs one of his own."""
    elsewhere = lab.add_namespace("elsewhere")
    deluge.plug(lab.host, "new0", index=4000)
    filtered(lab, fence, "new0")
    lab.host.ip("link", "set", "new0", "netns", elsewhere.name)
    deluge.plug(lab.host, "new1", index=4000)
    filtered(lab, fence, "new1")
    with Witness(lab.host) as witness:
        lab.host.ip("link", "set", "new1", "up")
        carries(lab, deluge, "new1")
        assert witness.look() == 0
    elsewhere.ip("link", "del", "new0")
    lab.host.ip("link", "del", "new1")


@pytest.mark.parametrize("kind", ["bridge", "macvlan", "tun"])
def test_devices_of_other_kinds_get_the_filter_when_they_are_made(lab, fence, kind):
    if kind == "tun":
        lab.host.ip("tuntap", "add", "new0", "mode", "tun")
    else:
        lab.host.ip("link", "add", "new0", *(("link", "client0") if kind == "macvlan" else ()),
                    "type", kind)
    filtered(lab, fence, "new0")
    assert fence.interface("new0")["attach_mode"] in ("native", "generic")
    assert fence.explain("new0", "192.0.2.1", ADDRESS, PROTECTED)["verdict"] == "drop"
    lab.host.ip("link", "del", "new0")
    wait_until(lambda: not any(one["name"] == "new0" for one in
                               fence.json("status")["interfaces"]), 5, "it is gone")


def test_unnamed_devices_above_fenced_ones_are_answered_for_by_what_is_below(lab, fence):
    lab.host.ip("link", "add", "mv0", "link", "client0", "type", "macvlan")
    lab.host.ip("link", "add", "br0", "type", "bridge")
    lab.host.ip("link", "set", "cluster0", "master", "br0")

    def zone(name):
        done = fence.ask("--json", "explain", "--in", name, "--src", "192.0.2.1", "--dst",
                         ADDRESS, "--dport", PROTECTED)
        return json.loads(done.stdout)["zone"] if done.returncode == 0 else None

    wait_until(lambda: zone("mv0") == "client", 5, "mv0 is known by client0")
    wait_until(lambda: zone("br0") == "cluster", 5, "br0 is known by its port")
    assert not program_on(lab, "mv0") and not program_on(lab, "br0")
    assert not {"mv0", "br0"} & set(fence.json("status")["unassigned"])
    lab.host.ip("link", "del", "mv0")
    lab.host.ip("link", "set", "client0", "master", "br0")
    wait_until(lambda: zone("br0") is None, 5, "ports of two zones tell nothing")


def test_port_below_a_bridge_that_has_the_filter_is_said_to_get_none(lab):
    lab.host.ip("link", "add", "br0", "type", "bridge")
    lab.host.ip("link", "set", "client0", "master", "br0")
    with Fence(lab, client=["br0"], cluster=["cluster*"]) as fence:
        assert fence.interface("br0")["attached"]
        fence.configure(client=["br0", "client0"])
        fence.tell("reload")
        assert "above" in fence.interface("client0")["problem"]
        assert fence.interface("br0")["attached"]
        fence.tell("detach")
        fence.process.wait(5)
        fence.start()
        assert fence.interface("client0")["attached"] and fence.interface("br0")["attached"]


def reattached(fence, name):
    found = [value for (metric, labels), value in samples(fence.metrics()).items()
             if metric == "beamfence_interface_reattached_total" and ("interface", name) in labels]
    assert len(found) <= 1
    return found[0] if found else 0


@pytest.fixture(name="foreign")
def _foreign(lab):
    return foreign_program(lab)


def pin_of(lab, fence, name):
    index = lab.host.ip("-o", "link", "show", name).split(":")[0]
    return fence.pins / f"link-{index}"


@pytest.mark.parametrize("how", ["detached", "replaced"])
def test_filter_that_somebody_takes_off_comes_back_and_is_counted(lab, fence, foreign, how):
    with lab.host.listen(PROTECTED):
        assert lab.client.probe(lab.client.host4, PROTECTED, 0.3) == "silent"
        assert reattached(fence, "client0") == 0
        if how == "detached":
            detach_link(pin_of(lab, fence, "client0"))
        else:
            replace_program(pin_of(lab, fence, "client0"), foreign)
        wait_until(lambda: lab.client.probe(lab.client.host4, PROTECTED, 0.3) == "silent", 10,
                   "the filter is back")
    wait_until(lambda: reattached(fence, "client0") == 1, 10, "it is counted")
    assert fence.interface("client0")["attached"]
    assert re.search("taken the filter off.*client0", fence.log())
    assert reattached(fence, "cluster0") == 0
    fence.kill()
    fence.start()
    assert reattached(fence, "client0") == 1, "it outlives the agent"


def test_pins_removed_by_hand_come_back_and_the_filter_outlives_the_agent(lab, fence):
    before = {path.name for path in fence.pins.iterdir()}
    for path in fence.pins.iterdir():
        path.unlink()
    fence.pins.rmdir()
    wait_until(lambda: fence.pins.exists() and
               {path.name for path in fence.pins.iterdir()} == before, 10, "pins are back")
    wait_until(lambda: "removed pins" in fence.log(), 5, "the log says so")
    second = lab.popen(lab.host, fence.command(), "second.log")
    assert second.wait(10) == 1 and str(fence.process.pid) in second.log.read_text()
    with lab.host.listen(PROTECTED):
        fence.kill()
        assert lab.client.probe(lab.client.host4, PROTECTED, 0.3) == "silent"
        fence.start()
        assert fence.interface("client0")["attached"]
        assert lab.client.probe(lab.client.host4, PROTECTED, 0.3) == "silent"


def test_what_is_not_ours_in_the_pin_directory_is_told_and_does_no_harm(lab, foreign):
    fence = Fence(lab)
    fence.pins.mkdir()
    index = lab.host.ip("-o", "link", "show", "client0").split(":")[0]
    for name in (f"link-{index}", "link-99", "tables", "stray"):
        run("bpftool", "prog", "pin", "pinned", foreign, fence.pins / name)
    with fence:
        assert fence.interface("client0")["attached"]
        assert fence.warnings("stray")
        assert "stray" in fence.tell("status")
        assert fence.explain("client0", "192.0.2.1", ADDRESS, PROTECTED)["verdict"] == "drop"
        fence.kill()
        fence.start()
        assert fence.interface("client0")["attached"], fence.log()


def test_bpffs_mounted_over_the_pins_is_told_and_pinned_to_anew(lab):
    fence = Fence(lab)
    command = fence.command()
    fence.command = lambda: ["unshare", "--mount", "--propagation", "private", *command]
    with fence:
        def within(*argv):
            return run("nsenter", "-t", fence.process.pid, "-m", *argv)

        before = set(within("ls", fence.pins).split())
        within("mount", "-t", "tmpfs", "none", BPFFS)
        wait_until(lambda: fence.warnings("not all pinned"), 10, "status says so")
        within("mount", "-t", "bpf", "none", BPFFS)
        wait_until(lambda: not fence.warnings("not all pinned"), 10, "it is mended")
        assert set(within("ls", fence.pins).split()) == before


def test_more_names_come_and_go_than_there_are_counters(lab, fence):
    """Each zone of each name has counters of its own: those of the departed are given out again."""
    made, batch = 60, lab.directory / "batch"
    client_new = fence.count(interface="client0")
    for turn in range(5):
        names = [f"new{turn * made + number}" for number in range(made)]
        for verb in ("add", "del"):
            more = " type veth peer name p{}" if verb == "add" else ""
            batch.write_text("".join(f"link {verb} {name}{more.format(name)}\n" for name in names))
            lab.host.ip("-batch", batch)
            wait_until(lambda: sum(one["attached"] and one["name"] in names for one in
                                   fence.json("status")["interfaces"]) ==
                       (made if verb == "add" else 0), 20, f"{verb} in turn {turn}")
    assert fence.interface("client0")["attached"] and fence.count(interface="client0") >= client_new
    assert len(link_pins(fence)) == 2
    assert fence.count(interface="new299") == 0


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])


def lost_messages(pid, namespace):
    """Messages that found no room in the agent's netlink sockets."""
    table = namespace.run("cat", "/proc/net/netlink").splitlines()[1:]
    sockets = set()
    for file in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.update(re.findall(r"socket:\[(\d+)\]", os.readlink(file)))
    return sum(int(line.split()[8]) for line in table if line.split()[9] in sockets)


def test_after_more_events_than_can_wait_all_interfaces_are_looked_at_anew(lab, fence):
    """What was said of new0 and of client0's new name is lost: that there was more is all."""
    batch, pid = lab.directory / "flood", fence.process.pid
    batch.write_text("".join(f"link set cluster0 mtu {1400 + number % 2}\n"
                             for number in range(3000)))
    os.kill(pid, signal.SIGSTOP)
    lab.host.ip("-batch", batch)
    before = lost_messages(pid, lab.host)
    assert before > 0
    lab.host.ip("link", "add", "new0", "type", "veth", "peer", "name", "new0p", "netns",
                lab.client.name)
    lab.host.ip("link", "set", "client0", "name", "new1")
    lab.host.ip("link", "del", "cluster0")
    assert lost_messages(pid, lab.host) > before
    os.kill(pid, signal.SIGCONT)
    filtered(lab, fence, "new0")
    filtered(lab, fence, "new1")
    wait_until(lambda: len(link_pins(fence)) == 2, 5, "cluster0's pin is gone")


def test_storm_of_interface_events_neither_stalls_nor_grows_the_agent(lab, fence, deluge):
    events = 10000
    batch = lab.directory / "storm"
    batch.write_text("".join(f"link set client0 mtu {1400 + number % 2}\n"
                             for number in range(events)))
    fence.tell("status")
    memory, cpu = resident_kib(fence.process.pid), cpu_seconds(fence.process.pid)
    began = time.monotonic()
    storm = lab.popen(lab.host, ["ip", "-batch", batch], "storm.log")
    with Witness(lab.host) as witness:
        slowest = 0
        deluge.plug(lab.host, "new0")
        filtered(lab, fence, "new0")
        while storm.poll() is None:
            asked = time.monotonic()
            fence.tell("status")
            slowest = max(slowest, time.monotonic() - asked)
        seconds = time.monotonic() - began
        lab.host.ip("link", "set", "new0", "up")
        carries(lab, deluge, "new0")
        assert witness.look() == 0
    assert storm.returncode == 0, storm.log.read_text()
    used = cpu_seconds(fence.process.pid) - cpu
    print(f"{events} events in {seconds:.2f} s: agent used {used:.2f} s of CPU, "
          f"slowest answer {slowest * 1000:.0f} ms")
    assert used < 1 and slowest < 1
    assert resident_kib(fence.process.pid) < memory + 1024
    lab.host.ip("link", "del", "new0")
    wait_until(lambda: not any(one["name"] == "new0" for one in
                               fence.json("status")["interfaces"]), 5, "the storm is over")
