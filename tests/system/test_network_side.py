# SPDX-License-Identifier: BSD-2-Clause
"""The agent without internet sockets, and beside it the program that speaks TCP for it."""
import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from kit import erlang
from kit.faults import ALLOCATIONS, SYSTEM_CALLS, Faults
from kit.fence import METRICS_PORT, Fence, curl, samples
from kit.lab import BUILD, Lab, LabError, end, wait_until

BEAMFENCE_NET = BUILD / "beamfence-net"
EVERYWHERE = os.environ.get("BEAMFENCE_FAIL_EVERYWHERE")
NOBODY = 65534
DISCOVERED = [{"name": "app", "peers": ["10.77.2.0/24"], "nodes": ["app@*"]}]
PAGE = f"http://127.0.0.1:{METRICS_PORT}"
NO_AGENT = (503, "the agent does not answer\n")


class Guarded(Fence):
    """An agent that leaves TCP to a network side, and that one."""

    def __init__(self, lab, **settings):
        super().__init__(lab, **{"cluster": ["cluster0"], **settings})
        self.lab = lab
        self.net_socket = self.socket.parent / "net.sock"
        self.net = None

    def command(self):
        return [*super().command(), "--net-socket", self.net_socket]

    def start_net(self, environment=()):
        self.net = self.lab.popen(self.lab.host, [BEAMFENCE_NET, "--socket", self.net_socket],
                                  f"{self.socket.parent.name}-net.log",
                                  env={**os.environ, **dict(environment)})
        return self

    def serves(self, host="127.0.0.1", port=METRICS_PORT):
        """Waits until the page is there."""
        def page():
            with contextlib.suppress(LabError):
                return curl(self.lab, "-g",
                            f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics")
            return None
        return wait_until(lambda: (got := page()) and got[0] == 200 and got[1], 10,
                          f"metrics on {host}: {self.net and self.net.log.read_text()}")

    def move(self, where, **settings):
        self.configure(**{"cluster": ["cluster0"], "metrics": where, **settings})
        self.tell("reload")

    def close(self):
        if self.net and self.net.poll() is None:
            assert end(self.net, signal.SIGTERM) == 0  # so that sanitizers tell what they saw
        super().close()


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client", "peer") as lab:
        yield lab


@pytest.fixture(name="both")
def _both(lab):
    with Guarded(lab) as fence:
        fence.start_net().serves()
        yield fence


def net_connection(fence):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(fence.net_socket))
    return connection


def net_request(fence, command, **arguments):
    """What the agent replies to a network side that says this."""
    with net_connection(fence) as connection:
        connection.sendall(json.dumps({"version": 1, "command": command,
                                       "arguments": arguments}).encode() + b"\n")
        return json.loads(connection.makefile().readline())


class Impostor:
    """A network side as the test wants it."""

    def __init__(self, fence):
        self.connection = net_connection(fence)
        self.connection.sendall(b'{"version": 1, "command": "serve"}\n')
        self._lines = self.connection.makefile()
        assert json.loads(self._lines.readline()) == {"version": 1, "ok": True, "result": None}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self.connection.close()

    def order(self, kind):
        """The next order of this kind."""
        while line := self._lines.readline():
            if kind in (order := json.loads(line)):
                return order
        raise AssertionError(f"no order to {kind}: the agent has hung up")


def internet_sockets(process):
    """The TCP and UDP sockets among the files of a process."""
    inodes = set()
    for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        with open(f"/proc/{process.pid}/net/{table}", encoding="ascii") as lines:
            inodes |= {line.split()[9] for line in lines if line.split()[9].isdigit()}
    files = [os.readlink(f"/proc/{process.pid}/fd/{fd}")
             for fd in os.listdir(f"/proc/{process.pid}/fd")]
    return [name for name in files if name.startswith("socket:[") and name[8:-1] in inodes]


def test_metrics_and_health_are_those_of_the_agent(lab, both):
    assert samples(both.serves())["beamfence_enforcing", ()] == 1
    assert curl(lab, f"{PAGE}/healthz") == (200, "ok\n")
    assert curl(lab, f"{PAGE}/")[0] == 404
    assert curl(lab, "-X", "POST", f"{PAGE}/metrics")[0] == 405
    assert curl(lab, "-I", f"{PAGE}/metrics")[0] == 200
    both.move(f"127.0.0.1:{METRICS_PORT}", cluster=["cluster0", "eht1"])
    assert curl(lab, f"{PAGE}/healthz") == (503, "eht1 (cluster): there is no such interface\n")
    assert both.warnings("network side") == both.warnings("listen") == []


def test_agent_makes_no_internet_socket_whatever_it_is_asked(lab):
    """Of all its system calls, from its start on."""
    erlang.start_epmd(lab)
    with Guarded(lab) as fence:
        fence.end()
        trace = lab.directory / "trace"
        fence.environment["ASAN_OPTIONS"] = "detect_leaks=0"  # it cannot while it is traced
        command = fence.command()
        fence.command = lambda: ["strace", "-D", "-f", "-e", "trace=socket,accept4", "-o", trace,
                                 *command]
        fence.start()
        fence.start_net().serves()
        fence.tell("reload")
        fence.explain("client0", lab.client.own4, lab.client.host4, 4369)
        fence.move("0.0.0.0:9370")
        fence.serves("127.0.0.1", 9370)
        made = re.findall(r"socket\((AF_\w+|PF_\w+)", trace.read_text())
        assert set(made) <= {"AF_UNIX", "AF_NETLINK"} and "AF_NETLINK" in made
        assert "accept4(" in trace.read_text()
        assert internet_sockets(fence.net)
        with open(f"/proc/{fence.net.pid}/maps", encoding="utf-8") as maps:
            assert "libbpf" not in maps.read()


@pytest.mark.parametrize("where, host", [
    ("[::1]:9369", "::1"), ("0.0.0.0:9369", "10.77.1.1"), ("[::]:9369", "fd77:1::1"),
    ("127.0.0.2:9400", "127.0.0.2")])
def test_a_reload_moves_the_metrics_also_to_every_address_at_the_same_port(both, where, host):
    both.move(where)
    both.serves(host, int(where.rpartition(":")[2]))
    both.move(f"127.0.0.1:{METRICS_PORT}")
    both.serves()
    assert both.lab.host.probe("10.77.1.1", METRICS_PORT) == "refused"
    assert both.warnings("listen") == []


def test_metrics_off_or_on_a_unix_socket_are_no_business_of_the_network_side(lab, both):
    both.move("off")
    wait_until(lambda: lab.host.probe("127.0.0.1", METRICS_PORT) == "refused", 5, "it is off")
    path = lab.directory / "metrics.sock"
    both.move(f"unix:{path}")
    assert curl(lab, "--unix-socket", path, "http://x/healthz") == (200, "ok\n")
    end(both.net)
    assert curl(lab, "--unix-socket", path, "http://x/healthz") == (200, "ok\n")
    both.start_net()
    both.move(f"127.0.0.1:{METRICS_PORT}")
    both.serves()
    assert not path.exists()


def test_a_port_that_is_taken_is_told_and_had_as_soon_as_it_is_free(lab, both):
    with lab.host.listen(9380, "127.0.0.1"):
        both.move("127.0.0.1:9380")
        wait_until(lambda: both.warnings("cannot listen", "9380", "in use"), 5, "it is told")
        both.tell("reload")  # which mends nothing
        assert both.warnings("cannot listen", "9380")
    both.serves(port=9380)
    wait_until(lambda: not both.warnings("cannot listen"), 5, "it is well again")
    said = both.net.log.read_text()
    assert said.count("cannot listen") == 1 and "serving metrics address=127.0.0.1:9380" in said


def test_an_address_that_comes_later_is_listened_on_then(lab, both):
    both.move("10.77.99.1:9369")
    wait_until(lambda: both.warnings("cannot listen"), 5, "it is told")
    lab.host.ip("addr", "add", "10.77.99.1/32", "dev", "lo")
    try:
        both.serves("10.77.99.1")
    finally:
        lab.host.ip("addr", "del", "10.77.99.1/32", "dev", "lo")


def test_names_of_nodes_come_through_the_network_side(lab):
    """Also where it comes after them, and after another."""
    erlang.start_epmd(lab)
    node = erlang.start_node(lab, "app")
    with Guarded(lab, clusters=DISCOVERED) as fence:
        assert fence.port(port=node.port, source="autobound")["node"] is None
        assert lab.client.probe(lab.client.host4, node.port) == "silent"
        assert lab.peer.probe(lab.peer.host4, node.port, 0.3) == "silent"
        fence.start_net()
        assert fence.port(port=node.port, node="app")["cluster"] == "app"
        assert lab.peer.probe(lab.peer.host4, node.port) == "open"
        end(fence.net)
        late = erlang.start_node(lab, "applet", port=9391)
        assert fence.port(port=9391)["node"] == "applet"  # by its command line
        fence.start_net()
        assert fence.port(port=9391, source="cmdline")["node"] == "applet"
        for process in (late, node):
            end(process)


def test_both_survive_the_death_of_the_other(lab, both):
    for _ in range(2):
        both.kill()
        wait_until(lambda: curl(lab, f"{PAGE}/metrics") == NO_AGENT, 5, "it says so")
        assert curl(lab, f"{PAGE}/healthz") == NO_AGENT
        both.start()
        both.serves()
        end(both.net)
        assert lab.host.probe("127.0.0.1", METRICS_PORT) == "refused"
        assert both.json("status")["mode"] == "enforce"
        both.start_net().serves()


def test_an_agent_that_hangs_is_told_of_in_time(lab, both):
    both.process.send_signal(signal.SIGSTOP)
    try:
        assert curl(lab, f"{PAGE}/healthz") == NO_AGENT
    finally:
        both.process.send_signal(signal.SIGCONT)
    both.serves()


def test_clients_that_do_not_wait_for_the_answer_harm_nobody(lab, both):
    both.process.send_signal(signal.SIGSTOP)
    try:
        for number in range(200):
            with lab.host.connect("127.0.0.1", METRICS_PORT) as connection:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * (1 + number % 2))
    finally:
        both.process.send_signal(signal.SIGCONT)
    both.serves()
    assert both.net.poll() is None


def test_the_latest_network_side_is_the_one(lab, both):
    first = both.net
    with Impostor(both) as impostor:
        order = impostor.order("listen")
        assert order["listen"] == {"host": "127.0.0.1", "port": METRICS_PORT}
        # The first comes back, and drives it out again.
        with pytest.raises(AssertionError, match="hung up"):
            impostor.order("nothing")
    assert first.poll() is None
    both.serves()


def test_its_socket_takes_no_other_command(both):
    for command in ("status", "reload", "detach", "peers.add", "try", "events", ""):
        reply = net_request(both, command)
        assert (reply["ok"], reply["code"]) == (False, "unknown")
    assert both.json("status")["mode"] == "enforce"


def test_its_socket_is_not_for_others(lab, both):
    for path in (lab.directory, both.net_socket.parent):
        os.chmod(path, 0o755)
    assert both.net_socket.stat().st_mode & 0o007 == 0
    done = subprocess.run(
        ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
         "/usr/bin/python3", "-c", "import socket, sys\n"
         f"socket.socket(socket.AF_UNIX).connect({str(both.net_socket)!r})"],
        capture_output=True, text=True, check=False, timeout=10)
    assert "PermissionError" in done.stderr


def test_an_epmd_that_answers_late_is_asked_again_then(lab):
    """It may have been asked before the node registered: its answer is of that time."""
    erlang.start_epmd(lab)
    node = erlang.start_node(lab, "app")
    with Guarded(lab, clusters=DISCOVERED) as fence, Impostor(fence) as impostor:
        asked = impostor.order("ask")
        impostor.connection.settimeout(1)  # it was to be asked several times meanwhile
        with pytest.raises(TimeoutError):
            impostor.connection.recv(1, socket.MSG_PEEK)
        impostor.connection.settimeout(10)
        net_request(fence, "names", id=asked["id"], code=0, nodes=[])
        again = impostor.order("ask")
        assert again["id"] != asked["id"]
        net_request(fence, "names", id=again["id"], code=0, nodes=[["app", node.port]])
        assert fence.port(port=node.port, node="app")["cluster"] == "app"
        end(node)


LIES = [
    {"code": 0, "nodes": "names"},
    {"code": 0, "nodes": [[]] * 4000},
    {"code": 0, "nodes": [["x" * 300, 1], ["a b", 2], ["\u202eapp", 3], ["app", 0], ["app", 70000],
                          ["app", "9100"], [["app"], 9100], {}, None, 7]},
    {"code": -99999999999, "nodes": []},
    {"code": "EPERM"},
    {},
]


def test_a_lying_network_side_harms_nothing(lab):
    """It says of an epmd what no epmd would, or nothing at all."""
    erlang.start_epmd(lab)
    node = erlang.start_node(lab, "app")
    with Guarded(lab, clusters=DISCOVERED) as fence:
        for lie in LIES:
            with Impostor(fence) as impostor:
                asked = impostor.order("ask")
                assert asked["ask"] == 4369
                assert net_request(fence, "names", id=asked["id"], **lie)["ok"]
        with Impostor(fence) as impostor:
            asked = impostor.order("ask")["id"]
            for number in (0, -1, 2**62, asked + 100, "1", None):  # which it was not asked
                net_request(fence, "names", id=number, code=0, nodes=[["app", node.port]])
            for number in (0, 2**40):
                net_request(fence, "listening", id=number, error="a lie")
            assert fence.warnings("a lie") == []
            for line in (b"\n", b"{}\n", b"[" * 5000 + b"\n", b"\xff\xfe\n", b'{"version":1}\n'):
                with net_connection(fence) as connection:
                    connection.sendall(line)
                    assert not json.loads(connection.makefile().readline())["ok"]
            # Names that no process has registered: a port is not opened for peers by them.
            net_request(fence, "names", id=asked, code=0, nodes=[["app", 22], ["app", 80]])
        assert fence.ports(port=22) == fence.ports(port=80) == []
        assert lab.client.probe(lab.client.host4, node.port) == "silent"
        fence.start_net().serves()
        assert fence.port(port=node.port, node="app")["cluster"] == "app"
        end(node)


def test_ends_when_told_and_says_what_it_is(lab, both):
    assert end(both.net, signal.SIGTERM) == 0
    wait_until(lambda: lab.host.probe("127.0.0.1", METRICS_PORT) == "refused", 5, "it has ended")
    done = subprocess.run([BEAMFENCE_NET, "--help"], capture_output=True, text=True, check=True)
    assert "--socket PATH" in done.stdout
    done = subprocess.run([BEAMFENCE_NET, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("beamfence-net ")
    for wrong in ("--port", "argument"):
        done = subprocess.run([BEAMFENCE_NET, wrong], capture_output=True, check=False)
        assert done.returncode == 2


@pytest.mark.parametrize("kinds", [ALLOCATIONS, SYSTEM_CALLS], ids=["memory", "calls"])
@pytest.mark.parametrize("victim", ["agent", "net"])
def test_a_failing_call_costs_a_page_at_most(lab, victim, kinds):
    """Of either program, on the way of a page from one through the other."""
    faults = Faults(lab.directory)
    fence = Guarded(lab)
    if victim == "agent":
        fence.environment.update(faults.environment)
    with fence:
        fence.start_net(faults.environment if victim == "net" else {}).serves()

        def scrape():
            lab.host.run("curl", "-s", "-m", "1", f"{PAGE}/metrics")

        with faults.at(kinds, 0):
            fence.serves()
        ways = faults.ways
        assert ways > 5
        for number in range(1, ways + 1, 1 if EVERYWHERE else max(1, ways // 6)):
            with faults.at(kinds, number, errno.ENOMEM):
                with contextlib.suppress(LabError):  # no answer
                    scrape()
            assert fence.process.poll() is None and fence.net.poll() is None, (number, ways)
            fence.serves()
