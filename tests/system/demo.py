# SPDX-License-Identifier: BSD-2-Clause
"""make demo: beamfence at work, with real epmd and real Erlang, in half a minute.

Everything happens in network namespaces of its own; nothing of this machine is touched.
Ends with status 0 when every step went as it says.
"""
import sys

from kit import erlang
from kit.fence import APP, METRICS_PORT, Fence
from kit.lab import Lab, LabError, epmd_names, unwind_on_signals

BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
PICTURE = """
   client ------- client0 +------+ cluster0 ------- peer
   10.77.1.2              | host |                  10.77.2.2
                          +------+
   on the host: epmd (4369), the Erlang node app@host.lab (9100), a web service (80)
"""


class NotAsSaid(Exception):
    """A step of the demo did not do what its text promises."""


def say(text):
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def show(where, command, output):
    """A command and its output, in brief."""
    print(f"{DIM}  {where:>6}$ {PLAIN}{command}")
    for line in output.strip().splitlines():
        print(f"          {line}")
    sys.stdout.flush()


def expect(actual, expected):
    if actual != expected:
        raise NotAsSaid(f"expected {expected!r}, but saw {actual!r}")


def names(neighbour, role, expected):
    """`epmd -names` itself asks only its own host, so this sends what it sends to another."""
    seen = epmd_names(neighbour, neighbour.host4)
    show(role, f"epmd -names   # its request, sent to {neighbour.host4}", seen or "(no answer)")
    expect(seen, expected)


def pinged(role, process, version, expected):
    seen = erlang.result(process)
    show(role, f"erl> net_adm:ping('app{'6' * (version == 6)}@host.lab').   % IPv{version}", seen)
    expect(seen, expected)


def web(neighbour, expected):
    words = ["curl", "-s", "-m", "2", f"http://{neighbour.host4}/"]
    seen = neighbour.run(*words)
    show("client", " ".join(words), seen)
    expect(seen, expected)


def look_around(lab, client_sees_names, client_ping):
    """What client and peer can do now; the pings run side by side."""
    client, peer = lab.client, lab.peer
    started = [erlang.start_ping(lab, client, "app"),
               erlang.start_ping(lab, client, "app6", "inet6_tcp"),
               erlang.start_ping(lab, peer, "app"),
               erlang.start_ping(lab, peer, "app6", "inet6_tcp")]
    names(client, "client", client_sees_names)
    pinged("client", started[0], 4, client_ping)
    pinged("client", started[1], 6, client_ping)
    pinged("peer", started[2], 4, "pong")
    pinged("peer", started[3], 6, "pong")
    web(client, "an ordinary service\n")


def counted(fence):
    lines = [line for line in fence.tell("counters").splitlines()
             if " drop " in line and int(line.split()[4])]
    show("host", "beamfence counters | grep drop   # those that moved", "\n".join(lines))
    if not any("client-new" in line for line in lines):
        raise NotAsSaid("no dropped connection was counted")


def metrics(lab):
    words = ["curl", "-s", f"http://127.0.0.1:{METRICS_PORT}/metrics"]
    lines = [line for line in lab.host.run(*words).splitlines()
             if line.startswith(("beamfence_enforcing", "beamfence_interface_attached",
                                 "beamfence_packets_total")) and not line.endswith(" 0")]
    show("host", " ".join(words) + "   # an excerpt", "\n".join(lines))
    if not any("client-new" in line for line in lines):
        raise NotAsSaid("the metrics do not show the dropped connections")


def explained(fence, client, port, verdict):
    words = ["explain", "--in", "client0", "--src", client.own4, "--dst", client.host4,
             "--dport", str(port)]
    show("host", "beamfence " + " ".join(words), fence.tell(*words))
    expect(fence.json(*words)["verdict"], verdict)


def demo(lab):
    say("1. A host with a client side and a cluster side, made of network namespaces.")
    print(PICTURE)
    erlang.start_epmd(lab)
    erlang.start_node(lab, "app", 9100)
    erlang.start_node(lab, "app6", 9101, "inet6_tcp")
    lab.web()
    both = epmd_names(lab.host, "127.0.0.1")

    say("2. Without beamfence, any client can list the nodes and talk to them.\n"
        "   With the cookie (guessed, leaked, the default one) it owns them.")
    look_around(lab, both, "pong")

    fence = Fence(lab, client=["client0"], cluster=["cluster0"], clusters=[APP])
    say("3. beamfenced starts. Its configuration, in short:")
    for line in fence.config.read_text().partition("metrics:")[0].splitlines():
        print(f"          {line}")
    fence.start()
    show("host", "beamfence status", fence.tell("status"))
    for name in ("client0", "cluster0"):
        expect(fence.interface(name)["attached"], True)

    say("4. Now the client gets nothing from epmd and from the nodes;\n"
        "   the peer and the web service notice nothing.")
    look_around(lab, None, "pang")

    say("5. Every verdict has a reason, and is counted under it.")
    counted(fence)
    metrics(lab)

    say("6. beamfence explains what the loaded filter would do with a frame.")
    explained(fence, lab.client, 4369, "drop")
    explained(fence, lab.client, 443, "pass")

    say("7. The filter lives in the kernel: kill -9 of the agent changes nothing.")
    fence.kill()
    show("host", f"kill -9 {fence.process.pid}   # beamfenced", "")
    names(lab.client, "client", None)
    web(lab.client, "an ordinary service\n")

    say("Done: all as said. Next: README.md, and `build/beamfence --help`.")


def main():
    unwind_on_signals()
    try:
        with Lab("client", "peer") as lab:
            demo(lab)
    except (NotAsSaid, LabError, TimeoutError, AssertionError) as problem:
        print(f"\ndemo: not as said: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; all is cleaned up", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
