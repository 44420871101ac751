# SPDX-License-Identifier: BSD-2-Clause
"""Real epmd and real Erlang nodes in a lab's namespaces."""
import os
import re
import subprocess
import time

from kit.lab import LabError, epmd_names, wait_until

COOKIE = "labcookie"
PING_SETUP_TIME = 4  # seconds that a ping may take to set a connection up
ENVIRONMENT = {**os.environ, "HOME": "/nonexistent", "ERL_CRASH_DUMP_SECONDS": "0"}


def start_epmd(lab, namespace=None, port=4369):
    """A real epmd in the foreground, so that it is ours to end."""
    namespace = namespace or lab.host
    process = lab.popen(namespace, ["epmd", "-port", str(port)], f"epmd-{namespace.name}.log",
                        env=ENVIRONMENT)
    for loopback in ("127.0.0.1", "::1"):
        wait_until(lambda address=loopback: namespace.probe(address, port) == "open", 5, "epmd up")
    return process


def command(lab, namespace, name, carrier, *arguments):
    """The command of a node. Names resolve as namespace.erlang_hosts says, and by nothing else.

    With no name it is a BEAM without distribution, until something in it starts that.
    """
    inetrc = lab.directory / f"inetrc-{namespace.name}"
    lines = ["{lookup,[file]}."]
    hosts = {f"{namespace.name}.lab": ["127.0.0.1", "::1"], **_hosts(lab, namespace)}
    for host, addresses in hosts.items():
        for address in addresses:
            lines.append(f'{{host,{_tuple(address)},["{host}"]}}.')
    inetrc.write_text("\n".join(lines) + "\n")
    return ["erl", "-noshell", "-noinput", "-boot", "start_clean", "-start_epmd", "false",
            *(("-name", name) if name else ()), "-setcookie", COOKIE, "-proto_dist", carrier,
            "-kernel", "inetrc", f'"{inetrc}"', *arguments]


def _hosts(lab, namespace):
    """host.lab is the host: by its loopback for itself, by the link's address for a neighbour."""
    if namespace is lab.host:
        return {"host.lab": ["127.0.0.1", "::1"], **namespace.erlang_hosts}
    return {"host.lab": [namespace.host4, namespace.host6], **namespace.erlang_hosts}


def _tuple(address):
    if ":" not in address:
        return "{" + address.replace(".", ",") + "}"
    head, _, tail = address.partition("::")
    words = head.split(":") if head else []
    end = tail.split(":") if tail else []
    words += ["0"] * (8 - len(words) - len(end)) + end
    return "{" + ",".join(f"16#{word}" for word in words) + "}"


def launch_node(lab, name, port=None, carrier="inet_tcp", namespace=None, options=(),
                epmd_port=4369, before=()):
    """A BEAM node `name@host.lab` that comes up by itself: see wait_for_node().

    It listens for the distribution on one fixed port, or on one that the kernel chooses (None).
    `before` are words before the command, as for another user.
    """
    namespace = namespace or lab.host
    fixed = () if port is None else ("inet_dist_listen_min", str(port),
                                     "inet_dist_listen_max", str(port))
    argv = command(lab, namespace, f"{name}@host.lab", carrier, *fixed, *options)
    process = lab.popen(namespace, [*before, *argv], f"node-{name}.log",
                        env={**ENVIRONMENT, "ERL_EPMD_PORT": str(epmd_port)})
    process.node, process.namespace, process.epmd_port = name, namespace, epmd_port
    return process


def wait_for_node(process):
    """Waits until a node is registered with epmd; its port is in process.port then."""
    def registered():
        if process.poll() is not None:
            raise LabError(f"node {process.node} ended: {process.log.read_text()}")
        names = epmd_names(process.namespace, "127.0.0.1", port=process.epmd_port)
        return re.search(rf"^name {re.escape(process.node)} at port (\d+)$", names, re.MULTILINE)
    process.port = int(wait_until(registered, 15, f"{process.node} registered with epmd")[1])
    return process


def start_node(lab, name, port=None, *arguments, **options):
    """A node that is registered with epmd; arguments and options as of launch_node()."""
    return wait_for_node(launch_node(lab, name, port, *arguments, **options))


def start_eval(lab, namespace, expression, carrier="inet_tcp", options=()):
    """Evaluates an Erlang expression in a hidden node that listens nowhere; its output is piped."""
    name = f"probe{time.monotonic_ns()}@{namespace.name}.lab"
    argv = command(lab, namespace, name, carrier, "net_setuptime", str(PING_SETUP_TIME),
                "-hidden", "-dist_listen", "false", *options,
                "-eval", f'io:format("~p", [{expression}]), halt().')
    return lab.popen(namespace, argv, "eval.log", stdout=subprocess.PIPE, text=True,
                     env=ENVIRONMENT)


def result(process, timeout=20):
    return process.communicate(timeout=timeout)[0]


def start_ping(lab, namespace, name="app", carrier="inet_tcp", options=()):
    return start_eval(lab, namespace, f"net_adm:ping('{name}@host.lab')", carrier, options)


def ping(lab, namespace, name="app", carrier="inet_tcp", options=()):
    """net_adm:ping/1 of a node of the host from another namespace: "pong" or "pang"."""
    return result(start_ping(lab, namespace, name, carrier, options))


def pings(lab, *wanted):
    """Several pings at the same time: (namespace, name, carrier) each; results in that order."""
    return [result(process) for process in [start_ping(lab, *one) for one in wanted]]


def remote_names(lab, namespace, timeout_ms=1500):
    """net_adm:names/1 for the host: Erlang's own way to ask an epmd; "silent" at the deadline."""
    expression = (f"begin S = self(), spawn(fun() -> S ! net_adm:names('host.lab') end), "
                  f"receive R -> R after {timeout_ms} -> silent end end")
    return result(start_eval(lab, namespace, expression))
