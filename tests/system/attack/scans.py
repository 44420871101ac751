# SPDX-License-Identifier: BSD-2-Clause
"""Attacks on the host from outside of TCP: nmap's scans, and frames that no socket would send."""
import itertools
import time

from kit.frames import IP, TCP, IPv6, IPv6ExtHdrFragment, to_host
from target import CHOSEN, EPMD, NODE, WEAK

_identification = itertools.count(1)
SOURCE_PORTS = itertools.count(20000)


def nmap(target, attacker, address, *arguments):
    """nmap's report of one address. Says of a port "open", "unfiltered", "filtered", …"""
    version = ("-6",) if ":" in address else ()
    retries = "1" if target.fenced else "3"
    return attacker.run("nmap", *version, "-Pn", "-n", "--max-retries", retries, *arguments,
                        address)


def scan(*arguments, wanted="open"):
    """An attack that finds epmd and a node in that state."""
    def attack(target, attacker, address):
        report = nmap(target, attacker, address, *arguments, "-p", f"{EPMD},{NODE}")
        found = [port for port in (EPMD, NODE) if f"\n{port}/tcp {wanted}" in _squeezed(report)]
        return f"{found} {wanted}" if found else None
    return attack


def _squeezed(report):
    return "\n".join(" ".join(line.split()) for line in report.split("\n"))


def epmd_info(target, attacker, address):
    report = nmap(target, attacker, address, "-p", str(EPMD), "--script", "epmd-info")
    return f"app: {NODE}" if f"app: {NODE}" in report else None


def service_detection(target, attacker, address):
    report = nmap(target, attacker, address, "-sV", "--version-light", "-p", str(EPMD))
    name = "Erlang Port Mapper Daemon"
    return name if name in report else None


def port_sweep(target, attacker, address):
    """With 4369 closed or left alone: every port that a node may have."""
    report = _squeezed(nmap(target, attacker, address, "-sS",
                            "-p", f"9100-9155,{CHOSEN[0]}-{CHOSEN[1]}"))
    found = [port for port in (NODE, WEAK) if f"\n{port}/tcp open" in report]
    return f"{found} open" if len(found) == 2 else found and f"only {found} open"


def decoys(target, attacker, address):
    link = "fd77:%d::%d" if ":" in address else "10.77.%d.%d"
    others = ",".join(link % (attacker.number, last) for last in (7, 8))
    return scan("-sS", "-D", others)(target, attacker, address)


def syn(source, address, port):
    """A SYN with 20 bytes of options: for IPv6 Linux wants the fixed header in one piece."""
    family = IPv6 if ":" in address else IP
    tcp = TCP(sport=next(SOURCE_PORTS), dport=port, flags="S", seq=time.monotonic_ns() & 0xFFFF,
              options=[("MSS", 1400), *[("NOP", None)] * 16])
    return family(src=source, dst=address) / tcp


def pieces6(packet, sizes):
    """An IPv6 packet in fragments whose payloads have these sizes."""
    payload, at = bytes(packet[TCP]), 0
    number = next(_identification)
    for size in sizes:
        head = IPv6(src=packet.src, dst=packet.dst) / IPv6ExtHdrFragment(
            offset=at // 8, m=int(at + size < len(payload)), nh=6, id=number)
        yield head / payload[at:at + size]
        at += size


def answered(target, wire, source_port, port):
    """Whether a SYN-ACK for that SYN comes by."""
    ports = port.to_bytes(2, "big") + source_port.to_bytes(2, "big")
    for frame in wire.frames(target.timeout_s):
        at = frame.find(ports, 34)
        if at > 0 and len(frame) > at + 13 and frame[at + 13] & 0x3F == 0x12:
            return True
    return False


def in_fragments(arguments, sizes):
    """nmap's fragments over IPv4; over IPv6, which nmap does not fragment, the like of them."""
    def attack(target, attacker, address):
        if ":" not in address:
            return scan("-sS", *arguments)(target, attacker, address)
        found = []
        with attacker.wire("eth0") as wire:
            for port in (EPMD, NODE):
                packet = syn(attacker.own6, address, port)
                for piece in pieces6(packet, sizes):
                    wire.send(to_host(target.lab, attacker) / piece)
                if answered(target, wire, packet[TCP].sport, port):
                    found.append(port)
        return f"{found} open" if found else None
    return attack


def forged_peer(target, attacker, address):
    """The host answers to the peer itself, so that is where to look."""
    peer = target.lab.peer
    source = peer.own6 if ":" in address else peer.own4
    found = []
    with attacker.wire("eth0") as out, peer.wire("eth0") as back:
        for port in (EPMD, NODE):
            packet = syn(source, address, port)
            out.send(to_host(target.lab, attacker) / packet)
            if answered(target, back, packet[TCP].sport, port):
                found.append(port)
    return f"{found} answer" if found else None
