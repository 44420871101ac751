# SPDX-License-Identifier: BSD-2-Clause
"""Frames that no socket would send: built with scapy, sent over a lab's wire."""
import logging

logging.getLogger("scapy").setLevel(logging.ERROR)

# flake8: noqa: E402, F401 - what the tests build frames of, from one place
from scapy.layers.inet import (ICMP, IP, TCP, IPOption_NOP, IPOption_Router_Alert, UDP,
                               fragment)
from scapy.layers.inet6 import (HBHOptUnknown, ICMPv6EchoReply, ICMPv6EchoRequest,
                                ICMPv6PacketTooBig, IPv6, IPv6ExtHdrDestOpt,
                                IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, PadN)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether


def to_host(lab, neighbour):
    """The Ethernet header of a frame from a neighbour to the host."""
    return Ether(src=neighbour.mac("eth0"), dst=lab.host.mac(neighbour.host_interface))


def tagged(lab, neighbour, tags, packet):
    """A frame with VLAN tags, as (ethertype, VLAN) pairs, outermost first.

    This kernel has no VLAN devices; on the wire a tagged frame is the same without them.
    """
    frame = to_host(lab, neighbour)
    for kind, vlan in tags:
        frame /= Dot1AD(vlan=vlan) if kind == 0x88A8 else Dot1Q(vlan=vlan)
    return frame / packet


def knock_from_everywhere(lab, neighbour, count):
    """SYNs for epmd's port of as many forged sources: more than are told of in a second."""
    frame = bytes(to_host(lab, neighbour) / IP(src="198.18.0.0", dst=neighbour.host4)
                  / TCP(dport=4369, flags="S"))
    with neighbour.wire("eth0") as wire:
        for number in range(count):
            wire.send(frame[:28] + number.to_bytes(2, "big") + frame[30:])
