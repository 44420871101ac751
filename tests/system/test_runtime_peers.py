# SPDX-License-Identifier: BSD-2-Clause
"""Peers added at run time: in force at once, kept on disk, gone when their time is over."""
import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from kit import erlang
from kit.fence import APP, BEAMFENCE, DB, Fence
from kit.frames import IP, TCP, to_host
from kit.lab import Lab, run, wait_until

PORT = 9105
STRANGER = "10.77.4.2"


@pytest.fixture(name="host", scope="module")
def _host():
    """A host with a stranger on a cluster interface, and something to protect."""
    with Lab("stranger") as lab, lab.host.listen(PORT):
        yield lab


@pytest.fixture(name="fence")
def _fence(host):
    with Fence(host) as fence:
        yield fence


def gets_in(lab):
    return lab.stranger.probe(lab.stranger.host4, PORT, 0.5) == "open"


def runtime(fence):
    return [one for one in fence.json("peers") if one["source"] == "runtime"]


@contextlib.contextmanager
def knocking(lab):
    """SYNs from the stranger without a pause; yields how many were sent so far."""
    frame = bytes(to_host(lab, lab.stranger) / IP(src=STRANGER, dst=lab.stranger.host4) /
                  TCP(sport=4242, dport=PORT, flags="S"))
    stop, sent = threading.Event(), [0]

    def send():
        with lab.stranger.wire("eth0") as wire:
            while not stop.is_set():
                wire.send(frame)
                sent[0] += 1
                time.sleep(0.0002)  # the rate

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        wait_until(lambda: sent[0] > 10, 5, "frames are sent")
        yield lambda: sent[0]
    finally:
        stop.set()
        thread.join(5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_runtime_peer_outlives_the_agent_and_is_never_cut_off(host, fence, number):
    fence.tell("peers", "add", "app", STRANGER, "--ttl", "1h", "--comment", "on call")
    before = runtime(fence)
    with knocking(host) as sent:
        for _ in range(3):
            known = sent()
            fence.end(number)
            fence.start()
            wait_until(lambda: sent() > known + 100, 5, "frames are sent")
        assert fence.count(interface="cluster2", reason="peer") > 300
        assert fence.count(interface="cluster2", verdict="drop") == 0
    after = runtime(fence)
    assert abs(after[0].pop("left_s") - before[0].pop("left_s")) < 60
    assert abs(after[0].pop("expires") - before[0].pop("expires")) <= 1
    assert after == before
    fence.tell("peers", "del", "app", STRANGER)
    fence.end(number)
    fence.start()
    assert runtime(fence) == [] and not gets_in(host)


def test_peer_whose_time_ends_while_no_agent_runs_is_gone_with_the_next(host, fence):
    fence.tell("peers", "add", "app", STRANGER, "--ttl", "1s")
    ends = time.monotonic() + 1
    assert gets_in(host)
    fence.kill()
    wait_until(lambda: time.monotonic() > ends, 5, "its time is over")
    fence.start()
    assert not gets_in(host) and runtime(fence) == []


def test_peer_that_only_the_kernel_knows_vanishes_at_the_start(host, fence):
    fence.tell("peers", "add", "app", STRANGER)
    fence.kill()
    assert gets_in(host)
    shutil.rmtree(fence.state)
    fence.start()
    assert not gets_in(host) and runtime(fence) == []


@pytest.mark.parametrize("content", ["truncated", "of another version"])
def test_bad_state_file_loses_the_runtime_peers_and_nothing_else(host, fence, content):
    fence.tell("peers", "add", "app", STRANGER)
    fence.kill()
    file = fence.state / "peers.json"
    text = file.read_text()
    bad = {"truncated": text[:-20],
           "of another version": text.replace('"version":1', '"version":9')}[content]
    file.write_text(bad)
    fence.start()
    lines = [line for line in fence.log().splitlines() if "the runtime peers are lost" in line]
    assert len(lines) == 1 and str(file) in lines[0] and "peers.json.bad" in lines[0]
    assert (fence.state / "peers.json.bad").read_text() == bad
    assert not gets_in(host) and runtime(fence) == []
    assert fence.interface("cluster2")["attached"]
    fence.tell("peers", "add", "app", STRANGER)
    fence.kill()
    fence.start()
    assert gets_in(host)


@pytest.fixture(name="small_disk")
def _small_disk(host):
    """A Fence with its state on a file system of 16 KiB."""
    fence = Fence(host)
    fence.state.mkdir(mode=0o700)
    run("mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "none", fence.state)
    try:
        with fence:
            yield fence
    finally:
        run("umount", fence.state)


def added_with_warning(fence, prefix):
    done = fence.ask("peers", "add", "app", prefix)
    assert done.returncode == 0 and f"added {prefix}" in done.stdout
    assert done.stderr.count("\n") == 1 and "warning: in force, but" in done.stderr
    return done.stderr


@pytest.mark.parametrize("disk", ["full", "read-only"])
def test_peer_that_cannot_be_kept_is_in_force_with_a_warning(host, small_disk, disk):
    fence = small_disk
    fence.tell("peers", "add", "app", "192.0.2.1")
    if disk == "full":
        (fence.state / "filler").write_bytes(bytes(8192))
        with contextlib.suppress(OSError):
            (fence.state / "more").write_bytes(bytes(4096))
    else:
        run("mount", "-o", "remount,ro", fence.state)
    reason = {"full": "No space left", "read-only": "Read-only file system"}[disk]
    assert reason in added_with_warning(fence, STRANGER + "/32")
    assert gets_in(host)
    assert fence.warnings(reason)
    reply = fence.json("peers", "del", "app", "192.0.2.1")
    assert reply["kept"] is False and reason in reply["warning"]
    assert fence.log().count("runtime peers are not kept") == 1
    if disk == "full":
        (fence.state / "filler").unlink()
    else:
        run("mount", "-o", "remount,rw", fence.state)
    assert fence.json("peers", "add", "app", "192.0.2.3")["kept"] is True
    assert not fence.warnings(reason)
    assert "runtime peers are kept again" in fence.log()
    fence.kill()
    fence.start()
    assert {one["prefix"] for one in runtime(fence)} == {STRANGER + "/32", "192.0.2.3/32"}


def test_agent_without_a_state_directory_fences_and_says_so(host):
    fence = Fence(host)
    fence.state = fence.state / "not" / "there"
    with fence:
        assert f"{fence.state}: No such file or directory" in fence.log()
        assert fence.json("status")["state_dir"] is None
        assert fence.warnings("will not outlive the agent")
        added_with_warning(fence, STRANGER + "/32")
        assert gets_in(host)
        fence.end()
        fence.start()
        assert not gets_in(host)


def test_service_user_without_root_keeps_runtime_peers(host):
    """As systemd runs it: a user with three capabilities and directories of its own."""
    fence = Fence(host, extra="  readers: daemon\n")
    host.directory.chmod(0o711)
    binary = host.directory / "beamfenced"
    shutil.copy(fence.command()[0], binary)
    for directory in (fence.state, fence.pins):
        directory.mkdir(mode=0o700)
        shutil.chown(directory, 65534, 65534)
    shutil.chown(fence.socket.parent, 65534, 65534)
    fence.config.write_text(fence.config.read_text().replace("group: root", "group: nogroup"))
    os.chmod(fence.environment["NOTIFY_SOCKET"], 0o777)
    command, capabilities = fence.command(), "+bpf,+net_admin,+perfmon"
    fence.command = lambda: ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                             "--inh-caps", capabilities, "--ambient-caps", capabilities,
                             binary, *command[1:]]
    with fence:
        owner = fence.process.pid
        assert re.search(r"\nUid:\t65534\t", open(f"/proc/{owner}/status", encoding="ascii").read())
        assert fence.json("peers", "add", "app", STRANGER)["kept"] is True
        fence.kill()
        fence.start()
        assert gets_in(host)
        assert (fence.state / "peers.json").stat().st_uid == 65534
        assert "there is no socket for readers" in fence.log()  # it is not in that group


def test_runtime_peers_of_a_cluster_that_is_gone_wait_for_it(host, fence):
    fence.tell("peers", "add", "app", STRANGER)
    fence.configure(clusters=(DB,))
    fence.tell("reload")
    assert [one["in_force"] for one in runtime(fence)] == [False]
    assert "not in force" in fence.tell("peers")
    assert fence.warnings("1 runtime peers", "not in force")
    assert "not in force" in fence.log()
    fence.kill()
    fence.start()
    assert [one["in_force"] for one in runtime(fence)] == [False]
    fence.configure(clusters=(DB, APP))
    fence.tell("reload")
    assert [one["in_force"] for one in runtime(fence)] == [True]
    assert gets_in(host) and not fence.warnings("not in force")
    fence.configure(clusters=(DB,))
    fence.tell("reload")
    fence.tell("peers", "del", "app", STRANGER)
    assert runtime(fence) == []


def test_list_says_who_added_a_peer_and_the_log_who_changed_what(host, fence):
    with host.host.entered():
        with subprocess.Popen([BEAMFENCE, "--socket", fence.socket, "peers", "add", "app",
                               STRANGER, "--ttl", "1h", "--comment", "on call"],
                              stdout=subprocess.DEVNULL) as client:
            assert client.wait(10) == 0
    one, = runtime(fence)
    assert (one["added_by"], one["added_by_pid"]) == (os.getuid(), client.pid)
    assert one["added_by_name"] == pwd.getpwuid(os.getuid()).pw_name
    assert 3590 < one["left_s"] <= 3600 and abs(one["expires"] - time.time() - 3600) < 10
    assert re.search(rf"{one['added_by_name']} \({os.getuid()}\), pid {client.pid} +on call",
                     fence.tell("peers"))
    assert fence.ask("peers", "del", "app", "192.0.2.9").returncode == 1
    added, refused = [line for line in fence.log().splitlines() if "peers." in line]
    for part in ("command=peers.add", f"uid={os.getuid()}", f"pid={client.pid}", "cluster=app",
                 f"prefix={STRANGER}", "ttl_s=3600", 'comment="on call"'):
        assert part in added, added
    assert "refused" in refused and "command=peers.del" in refused and "192.0.2.9" in refused


def test_runtime_peers_that_no_longer_fit_are_set_aside(host, fence):
    """33 prefix lengths of IPv6 are the limit: the configuration's own come first."""
    for length in range(1, 21):
        fence.tell("peers", "add", "app", f"::/{length}")
    fence.kill()
    fence.configure(clusters=[{"name": "app", "ports": str(PORT), "peers":
                               [f"8000::/{length}" for length in range(41, 71)]}])
    fence.start()
    assert "do not fit" in fence.log() and runtime(fence) == []
    assert (fence.state / "peers.json.bad").exists()


PING = "case rpc:call('app@host.lab', erlang, node, [], 300) of {badrpc, _} -> $-; _ -> $+ end"
LOOP = f"F = fun G() -> io:put_chars([{PING}]), timer:sleep(50), G() end, F()"


def test_del_of_a_connected_peer_stops_its_distribution_at_once_and_add_brings_it_back(host):
    """A standing connection of a real node, with an answered call every 50 ms."""
    erlang.start_epmd(host)
    erlang.start_node(host, "app", 9100)
    stranger = host.stranger
    with Fence(host) as fence:
        fence.tell("peers", "add", "app", STRANGER)
        caller = erlang.start_eval(host, stranger, f"begin {LOOP} end")
        os.set_blocking(caller.stdout.fileno(), False)

        def answers():
            """What became of the calls since it was asked last: + answered, - not."""
            try:
                return os.read(caller.stdout.fileno(), 65536).decode()
            except BlockingIOError:
                return ""
        wait_until(lambda: "+" in answers(), 15, "the nodes are connected")
        connection = connections(host)
        assert len(connection) == 1

        with host.host.wire("cluster2") as behind:
            fence.tell("peers", "del", "app", STRANGER)
            for _ in behind.frames(0.02):  # what came in before
                pass
            answers()
            passed = [frame for frame in behind.frames(2)
                      if frame[12:14] == b"\x08\x00" and frame[23] == 6]
            assert passed == []
        assert set(answers()) == {"-"}
        assert fence.count(interface="cluster2", reason="stranger-segment") > 0

        fence.tell("peers", "add", "app", STRANGER)
        wait_until(lambda: "+" in answers(), 15, "calls are answered again")
        assert connections(host) == connection  # the same one: it was cut, not closed


def connections(lab):
    """The distribution's connections on the host, by their far ends."""
    text = lab.host.run("ss", "-Htn", "state", "established", "sport = :9100")
    return {line.split()[-1] for line in text.splitlines()}
