# SPDX-License-Identifier: BSD-2-Clause
"""Law 1 against the host's own TCP stack: whatever shape of SYN it answers, the filter stops."""
import itertools

import pytest

from kit.fence import Fence
from kit.frames import (IP, TCP, Dot1AD, Dot1Q, Ether, HBHOptUnknown, IPOption_NOP,
                        IPOption_Router_Alert, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                        IPv6ExtHdrHopByHop, PadN, fragment, to_host)
from kit.lab import wait_until

PROTECTED, OPEN = 9105, 80
_identification = itertools.count(1)


def hop_by_hop():
    return IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])


def destination():
    return IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])


def long_options():
    """Of a type that a host skips when it does not know it."""
    return IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1E, optdata=b"x" * 250)])


def fragments6(packet, segment, size):
    """An IPv6 packet whose payload is cut every `size` bytes. Linux wants the whole TCP header
    in the first fragment (RFC 7112)."""
    payload = bytes((packet / segment)[TCP])
    return [packet / IPv6ExtHdrFragment(offset=at // 8, m=int(at + size < len(payload)), nh=6,
                                        id=packet.fl) / payload[at:at + size]
            for at in range(0, len(payload), size)]


# name: (ether, ipv4 head, ipv6 head, tcp) -> frames that hold one SYN
SHAPES = {
    "IPv4": lambda ether, four, six, tcp: [ether / four / tcp],
    "IPv4, router alert": lambda ether, four, six, tcp:
        [ether / IP(src=four.src, dst=four.dst, options=[IPOption_Router_Alert()]) / tcp],
    "IPv4, 40 bytes of options": lambda ether, four, six, tcp:
        [ether / IP(src=four.src, dst=four.dst, options=[IPOption_NOP()] * 40) / tcp],
    "IPv4, in fragments of 8 bytes": lambda ether, four, six, tcp:
        [ether / part for part in fragment(four / tcp, fragsize=8)],
    "IPv4, last fragment first": lambda ether, four, six, tcp:
        [ether / part for part in reversed(fragment(four / tcp, fragsize=8))],
    "IPv4, data in the SYN": lambda ether, four, six, tcp: [ether / four / tcp / (b"x" * 600)],
    "IPv4, priority tag": lambda ether, four, six, tcp:
        [ether / Dot1Q(vlan=0, prio=5) / four / tcp],
    "IPv4, two priority tags": lambda ether, four, six, tcp:
        [ether / Dot1AD(vlan=0) / Dot1Q(vlan=0) / four / tcp],
    "IPv4, a full frame": lambda ether, four, six, tcp: [ether / four / tcp / (b"x" * 1460)],
    "IPv6": lambda ether, four, six, tcp: [ether / six / tcp],
    "IPv6, hop-by-hop options": lambda ether, four, six, tcp:
        [ether / six / hop_by_hop() / tcp],
    "IPv6, destination options": lambda ether, four, six, tcp:
        [ether / six / destination() / tcp],
    "IPv6, options of 250 bytes": lambda ether, four, six, tcp:
        [ether / six / long_options() / tcp],
    "IPv6, four extension headers": lambda ether, four, six, tcp:
        [ether / six / hop_by_hop() / destination() / destination() / destination() / tcp],
    "IPv6, atomic fragment": lambda ether, four, six, tcp:
        [ether / six / IPv6ExtHdrFragment(id=six.fl) / tcp],
    "IPv6, in fragments of 24 bytes": lambda ether, four, six, tcp:
        [ether / part for part in fragments6(six, tcp / (b"x" * 100), 24)],
    "IPv6, last fragment first": lambda ether, four, six, tcp:
        [ether / part for part in reversed(fragments6(six, tcp / (b"x" * 100), 24))],
    "IPv6, options, then fragments": lambda ether, four, six, tcp:
        [ether / part for part in fragments6(six / hop_by_hop(), tcp / (b"x" * 100), 24)],
    "IPv6, priority tag": lambda ether, four, six, tcp: [ether / Dot1Q(vlan=0) / six / tcp],
}
FLAGS = {"SYN": "S", "SYN+PSH": "SP", "SYN+URG": "SU", "SYN+ECE+CWR": "SEC", "SYN+PSH+URG": "SPU"}


def answered(lab, port):
    """The names of those shapes, and flags, of a SYN to a port that get a SYN+ACK."""
    client, ether = lab.client, to_host(lab, lab.client)
    segments = {name: (shape, "S") for name, shape in SHAPES.items()}
    segments |= {f"IPv4, {name}": (SHAPES["IPv4"], flags) for name, flags in FLAGS.items()}
    names = dict(enumerate(segments, 21000))
    seen = set()
    with client.wire("eth0") as wire:
        for number, (shape, flags) in zip(names, segments.values()):
            # Fragments that wait for a dropped first one must not meet those of the next round.
            unique = next(_identification)
            four = IP(src=client.own4, dst=client.host4, id=unique)
            six = IPv6(src=client.own6, dst=client.host6, fl=unique)
            for frame in shape(ether, four, six, TCP(sport=number, dport=port, flags=flags)):
                wire.send(frame)
        # The answers to these come last: IPv4 and IPv6 are not in order among each other.
        for number, head in ((22004, four), (22006, six)):
            wire.send(ether / head / TCP(sport=number, dport=81, flags="S"))

        def all_in():
            for frame in map(Ether, list(wire.frames(0.2))):
                if TCP in frame and (frame[TCP].sport == 81 or frame[TCP].flags & 0x12 == 0x12):
                    seen.add(frame[TCP].dport)
            return {22004, 22006} <= seen
        wait_until(all_in, 5, "answers to the last segments")
    return {names[number] for number in seen if number in names}


@pytest.mark.parametrize("attach", ["native", "generic"])
def test_every_shape_of_syn_that_the_host_answers_is_stopped(lab, attach):
    lab.web(OPEN)
    with lab.host.listen(PROTECTED):
        everything = set(SHAPES) | {f"IPv4, {name}" for name in FLAGS}
        assert everything - answered(lab, PROTECTED) == set()
        with Fence(lab, attach=attach):
            assert answered(lab, PROTECTED) == set()
            assert everything - answered(lab, OPEN) == set()
