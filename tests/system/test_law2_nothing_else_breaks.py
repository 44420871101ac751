# SPDX-License-Identifier: BSD-2-Clause
"""Law 2: whatever is not meant for a protected listener passes, ports in the range or not."""
import contextlib
import socket

import pytest

from kit.fence import Fence
from kit.frames import (ARP, ICMP, IP, TCP, Ether, ICMPv6EchoReply, ICMPv6EchoRequest,
                        ICMPv6PacketTooBig, IPv6, to_host)
from kit.lab import Lab, http_get, wait_until

PROTECTED = 9105  # in the range of the cluster "app"
ATTACH = pytest.mark.parametrize("attach", ["native", "generic"])


def exchange(left, right):
    """Two connected ends talk in both directions; more than one segment each way."""
    for sender, receiver in ((left, right), (right, left)):
        receiver.settimeout(2)
        sender.sendall(b"x" * 20000)
        missing = 20000
        while missing:
            missing -= len(receiver.recv(missing))


@contextlib.contextmanager
def connected(opener, address, server, source=None):
    """A connection from one namespace to a listener in another: both ends and the peer's port."""
    with server.listen(7000) as listener:
        with opener.connect(address, 7000, source=source) as near:
            far, peer = listener.accept()
            with far:
                yield near, far, peer[1]


@ATTACH
def test_outbound_connection_from_a_port_in_the_protected_range(lab, attach):
    with Fence(lab, attach=attach) as fence:
        for address in (lab.client.own4, lab.client.own6):
            with connected(lab.host, address, lab.client, ("", PROTECTED)) as (near, far, port):
                assert port == PROTECTED
                exchange(near, far)
        assert fence.count(interface="client0", reason="outbound") > 0
        assert fence.count(interface="client0", verdict="drop") == 0


@ATTACH
def test_outbound_connection_from_an_ephemeral_port_in_the_protected_range(lab, attach):
    lab.host.sysctl(ipv4__ip_local_port_range="9120\t9130")
    with Fence(lab, attach=attach):
        for address in (lab.client.own4, lab.client.own6, lab.peer.own4):
            server = lab.peer if address == lab.peer.own4 else lab.client
            with connected(lab.host, address, server) as (near, far, port):
                assert 9120 <= port <= 9130
                exchange(near, far)


def test_outbound_connection_while_a_node_listens_on_the_same_port(lab):
    """On another address, so both can live: the listener is closed, the connection is open."""
    client, peer = lab.client, lab.peer
    client.ip("route", "add", "10.77.2.0/24", "via", client.host4)
    with lab.host.listen(PROTECTED, peer.host4), Fence(lab):
        with connected(lab.host, client.own4, client, (client.host4, PROTECTED)) as (near, far, _):
            exchange(near, far)
            assert client.probe(peer.host4, PROTECTED, 0.5) == "silent"
            exchange(near, far)


@pytest.fixture(name="routing")
def _routing():
    """A lab whose host routes for an inner network behind inner0."""
    with Lab("client") as lab:
        inner = lab.inner = lab.add_namespace("inner")
        inner.number, inner.host_interface = 9, "inner0"
        lab.add_link("inner0", inner, 9)
        for route in (inner.host4, inner.host6):
            inner.ip("route", "add", "default", "via", route)
        lab.host.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        yield lab


@ATTACH
@pytest.mark.parametrize("listener", ["no listener", "a listener"])
def test_masqueraded_connection_from_a_port_in_the_protected_range(routing, attach, listener):
    client, inner = routing.client, routing.inner
    routing.host.run("nft", "table inet lab { chain out { type nat hook postrouting priority 100; "
                     "oifname client0 masquerade; }; }")
    listening = (routing.host.listen(PROTECTED) if listener == "a listener"
                 else contextlib.nullcontext())
    with listening, Fence(routing, attach=attach, trusted=["inner0"]) as fence:
        for server, seen_as in ((client.own4, client.host4), (client.own6, client.host6)):
            with connected(inner, server, client, ("", PROTECTED)) as (near, far, port):
                assert far.getpeername()[0].endswith(seen_as) and port == PROTECTED
                exchange(near, far)
        assert fence.count(interface="client0", verdict="drop") == 0
        reason = "masqueraded" if listener == "a listener" else "no-listener"
        assert fence.count(interface="client0", verdict="pass", reason=reason) > 0
        assert client.probe(client.host4, PROTECTED, 0.5) == "silent"


@pytest.mark.parametrize("listener", ["no listener", "a listener"])
def test_routed_connection_from_a_port_in_the_protected_range(routing, listener):
    """Neither translated nor the host's own; a listener of the host must not claim its replies."""
    client, inner = routing.client, routing.inner
    client.ip("route", "add", "10.77.9.0/24", "via", client.host4)
    client.ip("route", "add", "fd77:9::/64", "via", client.host6)
    listening = (routing.host.listen(PROTECTED) if listener == "a listener"
                 else contextlib.nullcontext())
    with listening, Fence(routing, trusted=["inner0"]):
        for server in (client.own4, client.own6):
            with connected(inner, server, client, ("", PROTECTED)) as (near, far, port):
                assert port == PROTECTED
                exchange(near, far)


def answered(lab, frame, wanted, timeout=0.5):
    """Whether a frame of the client gets an answer for which wanted(scapy frame) is true."""
    layer = type(frame)
    with lab.client.wire("eth0") as wire:
        wire.send(frame)
        return any(wanted(layer(seen)) for seen in wire.frames(timeout))


@ATTACH
def test_arp_nd_icmp_and_udp_pass(lab, attach):
    client, host = lab.client, lab.host
    frame = to_host(lab, client)
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, Fence(lab, attach=attach) as fence:
        udp.bind(("", 4369))
        udp.settimeout(2)
        assert answered(lab, frame / ARP(pdst=client.host4, psrc=client.own4),
                        lambda seen: ARP in seen and seen[ARP].op == 2)
        echo = IP(src=client.own4, dst=client.host4) / ICMP(id=4369, seq=9100)
        assert answered(lab, frame / echo,
                        lambda seen: ICMP in seen and seen[ICMP].type == 0)
        client.ip("neigh", "flush", "dev", "eth0")
        assert client.probe(client.host6, 81) == "refused"  # needs ND first
        echo = IPv6(src=client.own6, dst=client.host6) / ICMPv6EchoRequest(id=4369, seq=9100)
        assert answered(lab, frame / echo, lambda seen: ICMPv6EchoReply in seen)
        with client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"not TCP", (client.host4, 4369))
            assert udp.recv(100) == b"not TCP"
        assert fence.count(interface="client0", verdict="drop") == 0
        assert fence.count(interface="client0", reason="not-tcp") > 0


@ATTACH
def test_path_mtu_discovery_of_a_connection_from_a_port_in_the_protected_range(lab, attach):
    """A router says "too big" and quotes a segment whose source port is a protected one."""
    client = lab.client
    with Fence(lab, attach=attach) as fence:
        for address, host, error, quoted in (
                (client.own4, client.host4,
                 IP(dst=client.host4) / ICMP(type=3, code=4, nexthopmtu=1300),
                 IP(src=client.host4, dst=client.own4, flags="DF", len=1500)),
                (client.own6, client.host6,
                 IPv6(dst=client.host6) / ICMPv6PacketTooBig(mtu=1300),
                 IPv6(src=client.host6, dst=client.own6, plen=1440, nh=6))):
            with connected(lab.host, address, client, ("", PROTECTED)) as (near, far, port):
                exchange(near, far)  # the host takes it only for a sequence number in flight
                error[0].src = address
                with client.wire("eth0") as wire:
                    near.sendall(b"x")
                    sent = next(frame for frame in map(Ether, wire.frames(2))
                                if TCP in frame and frame[TCP].sport == port
                                and frame[TCP].dport == 7000)
                    wire.send(to_host(lab, client) / error / quoted
                              / TCP(sport=port, dport=7000, seq=sent[TCP].seq, flags="A"))
                wait_until(lambda to=address: "mtu 1300" in lab.host.ip("route", "get", to), 2,
                           f"the host knows that {host} reaches {address} by a narrow path")
        assert fence.count(interface="client0", verdict="drop") == 0


VRRP = 112


@ATTACH
def test_vrrp_passes(lab, attach):
    """Advertisements to the routers' group, with bytes where TCP has a protected port."""
    client = lab.client
    with lab.host.socket(socket.AF_INET, socket.SOCK_RAW, VRRP) as router, \
            Fence(lab, attach=attach):
        router.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                          socket.inet_aton("224.0.0.18") + socket.inet_aton(client.host4))
        router.settimeout(2)
        advertisement = (b"\x21\x01" + PROTECTED.to_bytes(2, "big")).ljust(20, b"\2")
        with client.wire("eth0") as wire:
            wire.send(Ether(src=client.mac("eth0"), dst="01:00:5e:00:00:12")
                      / IP(src=client.own4, dst="224.0.0.18", ttl=255, proto=VRRP)
                      / advertisement)
        assert router.recv(200)[20:] == advertisement


def test_connection_that_a_client_had_before_the_start_is_cut(lab):
    with lab.host.listen(PROTECTED) as listener:
        with lab.client.connect(lab.client.host4, PROTECTED) as near:
            far, _ = listener.accept()
            with far, lab.client.connect(lab.client.host4, PROTECTED):
                exchange(near, far)
                with Fence(lab) as fence:
                    near.sendall(b"rpc:call(Node, os, cmd)")
                    far.settimeout(0.5)
                    with pytest.raises(TimeoutError):
                        far.recv(1)
                    assert fence.count(interface="client0", reason="client-segment") > 0


SEGMENTS = {"SYN": "S", "SYN+ACK": "SA", "ACK": "A", "FIN": "F", "RST": "R", "NULL": "",
            "XMAS": "FPU", "SYN+FIN": "SF", "PSH+ACK": "PA"}


def scan(lab, port):
    """The flags of the answer to each segment (None: silence), over IPv4 and over IPv6."""
    client, frame = lab.client, to_host(lab, lab.client)
    heads = {"IPv4": IP(src=client.own4, dst=client.host4),
             "IPv6": IPv6(src=client.own6, dst=client.host6)}
    segments = {f"{name} {version}": head / TCP(dport=port, flags=flags, seq=1, ack=1)
                for version, head in heads.items() for name, flags in SEGMENTS.items()}
    # Last a SYN to a closed port that nobody protects: with its answer all others are in.
    segments |= {f"last {version}": head / TCP(dport=81) for version, head in heads.items()}
    names = dict(enumerate(segments, 20000))
    answers = {}
    with client.wire("eth0") as wire:
        for source_port, segment in zip(names, segments.values()):
            segment[TCP].sport = source_port
            wire.send(frame / segment)

        def all_in():
            for seen in map(type(frame), list(wire.frames(0.1))):
                if TCP in seen and seen[TCP].sport in (port, 81):
                    answers.setdefault(names[seen[TCP].dport], str(seen[TCP].flags))
            return "last IPv4" in answers and "last IPv6" in answers
        wait_until(all_in, 5, "answers to the last segments")
    return {name: answers.get(name) for name in segments if not name.startswith("last")}


@ATTACH
def test_no_segment_of_a_scan_gets_an_answer_from_a_protected_listener(lab, attach):
    with lab.host.listen(PROTECTED):
        exposed = scan(lab, PROTECTED)
        assert exposed["SYN IPv4"] == exposed["SYN IPv6"] == "SA"
        assert exposed["ACK IPv4"] == exposed["SYN+ACK IPv6"] == "R"
        with Fence(lab, attach=attach) as fence:
            assert scan(lab, PROTECTED) == dict.fromkeys(exposed)
            assert fence.count(interface="client0", verdict="drop") == len(exposed)


@ATTACH
def test_without_a_listener_only_new_connections_are_dropped(lab, attach):
    exposed = scan(lab, PROTECTED)
    assert exposed["SYN IPv4"] == "RA" and exposed["ACK IPv6"] == "R"
    with Fence(lab, attach=attach):
        dropped = {name for name in exposed if name.startswith(("SYN IP", "SYN+FIN"))}
        expected = {name: None if name in dropped else answer for name, answer in exposed.items()}
        assert scan(lab, PROTECTED) == expected


def test_nmap_cannot_tell_protected_ports_from_nothing(lab):
    client = lab.client
    arguments = ["-Pn", "-n", "--max-retries", "0", "-p", f"{PROTECTED},4369", client.host4]
    with lab.host.listen(PROTECTED), lab.host.listen(4369):
        assert client.run("nmap", "-sS", *arguments).count("open") == 2
        with Fence(lab):
            for scan_type in ("-sS", "-sA", "-sF", "-sX", "-sN", "-sM", "-sW"):
                seen = client.run("nmap", scan_type, *arguments)
                assert " open " not in seen and "unfiltered" not in seen
                assert "closed" not in seen.replace("open|filtered", "")


def test_ports_next_to_the_protected_range_are_untouched(lab):
    ports = (9099, 9156, 4368, 4370)
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(lab.host.listen(port))
        stack.enter_context(Fence(lab))
        lab.web()
        assert [lab.client.probe(lab.client.host6, port) for port in ports] == ["open"] * 4
        assert http_get(lab.client, lab.client.host4, 80)
