# SPDX-License-Identifier: BSD-2-Clause
"""The network side asks ports whether they are the distribution: those of real nodes, and others.

The test plays the agent that orders it.
"""
import contextlib
import errno
import json
import socket
import threading

import pytest

from kit import erlang
from kit.lab import BUILD, Lab, end, wait_until
from test_tls import OPTIONS, make_certificates

ANY4, ANY6 = "0.0.0.0", "::"
SILENT = (-errno.ETIMEDOUT, "")
# Says so when any node comes, also a hidden one.
MONITOR = ("-eval", "spawn(fun() -> net_kernel:monitor_nodes(true, [{node_type, all}]), "
           "receive {nodeup, Node, _} -> io:format(\"nodeup ~p~n\", [Node]) end end).")


class Agent:
    """Orders of a beamfence-net, and its answers."""

    def __init__(self, lab):
        path = lab.directory / "net.sock"
        self._id = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._listener.settimeout(20)
        self.net = lab.popen(lab.host, [BUILD / "beamfence-net", "--socket", path], "net.log")
        self._stream, request = self._accept()
        assert request["command"] == "serve"

    def close(self):
        self._stream.close()
        self._listener.close()
        end(self.net)

    def _accept(self):
        """The next connection, whose request is answered; and that request."""
        connection = self._listener.accept()[0]
        connection.settimeout(20)
        with connection.makefile() as lines:
            request = json.loads(lines.readline())
        connection.sendall(b'{"version": 1, "ok": true, "result": null}\n')
        return connection, request

    def order(self, address, port, timeout_ms=5000):
        self._id += 1
        where = {"address": address, "port": port, "timeout_ms": timeout_ms}
        self._stream.sendall(json.dumps({"probe": where, "id": self._id}).encode() + b"\n")
        return self._id

    def answer(self):
        connection, request = self._accept()
        connection.close()
        assert request["command"] == "probed"
        told = request["arguments"]
        return told["id"], (told["code"] or told["outcome"], told["name"])

    def probe(self, *where):
        """What comes of it: ("distribution", name), another outcome, or a negative errno."""
        number = self.order(*where)
        answered, told = self.answer()
        assert answered == number
        return told


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client") as lab:
        erlang.start_epmd(lab)
        yield lab


@pytest.fixture(name="agent", scope="module")
def _agent(lab):
    with contextlib.closing(Agent(lab)) as agent:
        yield agent


@contextlib.contextmanager
def answering(lab, reply):
    """The port of a server on the host that reads a little, says this, and ends the connection."""
    with lab.host.listen(0, "127.0.0.1") as listener:
        def serve():
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                if reply:
                    connection.recv(1000)
                    connection.sendall(reply)
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def in_node(lab, node, call, *carrier):
    """The result of an Erlang call in a node, from a node that is hidden."""
    return erlang.result(erlang.start_eval(lab, lab.host, f"rpc:call('{node}@host.lab', {call})",
                                           *carrier))


def logged(lab, process, *carrier):
    """What a node has logged, once all of it is written."""
    assert in_node(lab, process.node, "logger_std_h, filesync, [default]", *carrier) == "ok"
    return process.log.read_text()


def test_a_node_tells_its_name_and_notices_nothing(lab, agent):
    node = erlang.start_node(lab, "app", options=MONITOR)
    for _ in range(20):
        assert agent.probe(ANY4, node.port) == ("distribution", "app@host.lab")
    assert agent.probe(lab.client.host4, node.port) == ("distribution", "app@host.lab")
    seen = in_node(lab, "app", "erlang, nodes, [connected]")
    assert "beamfence" not in seen and seen.count("@") == 1  # who asks
    assert "beamfence" not in in_node(lab, "app", "ets, tab2list, [sys_dist]")
    assert "beamfence" not in logged(lab, node)
    assert "REPORT" not in node.log.read_text()
    end(node)


def test_nodes_of_every_kind_tell_theirs(lab, agent):
    kinds = {"six": {"carrier": "inet6_tcp"}, "hidden": {"options": ("-hidden",)},
             "fixed": {"port": 9120}}
    nodes = [erlang.launch_node(lab, name, **kind) for name, kind in kinds.items()]
    for node in nodes:
        erlang.wait_for_node(node)
        any_address = ANY6 if node.node == "six" else ANY4
        assert agent.probe(any_address, node.port) == ("distribution", f"{node.node}@host.lab")
        assert node.log.read_text() == ""
    for node in nodes:
        end(node)
    assert agent.probe("127.0.0.1", 9120) == (-errno.ECONNREFUSED, "")


def test_a_node_that_allows_none_is_still_one(lab, agent):
    node = erlang.start_node(lab, "choosy", options=("-eval", "net_kernel:allow(['a@b'])."))
    wait_until(lambda: agent.probe(ANY4, node.port) == ("distribution", ""), 10, "it allows none")
    end(node)


def test_a_node_that_checks_addresses_closes_on_those_of_other_networks(lab, agent):
    node = erlang.start_node(lab, "checking", options=("-kernel", "check_ip", "true"))
    for address in (ANY4, lab.client.host4):
        assert agent.probe(address, node.port) == ("distribution", "checking@host.lab")
    lab.host.ip("addr", "add", "10.99.0.1/24", "dev", "lo")
    try:
        assert agent.probe("10.99.0.1", node.port) == ("closed", "")
    finally:
        lab.host.ip("addr", "del", "10.99.0.1/24", "dev", "lo")
    end(node)


def test_a_tls_node_is_told_as_tls(lab, agent):
    """At the price of a line in its log, of an alert."""
    ca, cert, key = make_certificates(lab.directory, "host.lab")
    conf = lab.directory / "ssl_dist.conf"
    conf.write_text(OPTIONS.format(ca=ca, cert=cert, key=key))
    node = erlang.start_node(lab, "secure", carrier="inet_tls",
                             options=("-ssl_dist_optfile", str(conf)))
    assert agent.probe(ANY4, node.port) == ("tls", "")
    lines = logged(lab, node, "inet_tls", ("-ssl_dist_optfile", str(conf)))
    assert lines.count("REPORT") <= 1 and "SERVER ALERT" in lines
    end(node)


@pytest.mark.parametrize("reply, outcome", [
    (b"AMQP\x00\x00\x09\x01", "other"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "other"),
    (b"SSH-2.0-OpenSSH_9.2\r\n" * 1000, "other"),
    (b"\x00\x00\x11\x11", "other"),
    (b"", "closed"),
], ids=["amqp", "http", "ssh", "epmd", "close"])
def test_what_is_no_node_is_told_from_one(lab, agent, reply, outcome):
    with answering(lab, reply) as port:
        assert agent.probe("127.0.0.1", port) == (outcome, "")


def test_who_says_nothing_is_waited_for_as_long_as_ordered(lab, agent):
    """A web server that waits for the end of a line, and a listener that accepts nothing."""
    assert agent.probe(ANY6, lab.web(8080), 300) == SILENT
    with lab.host.listen(0, "127.0.0.1") as listener:
        assert agent.probe("127.0.0.1", listener.getsockname()[1], 300) == SILENT


def test_many_ports_are_probed_at_once(lab, agent):
    """Those that answer do not wait for those that do not."""
    node = erlang.start_node(lab, "among")
    with lab.host.listen(0, "127.0.0.1") as listener:
        silent = {agent.order("127.0.0.1", listener.getsockname()[1], 3000) for _ in range(7)}
        number = agent.order(ANY4, node.port)
        assert agent.answer() == (number, ("distribution", "among@host.lab"))
        answers = dict(agent.answer() for _ in silent)
    assert answers == dict.fromkeys(silent, SILENT)
    end(node)
