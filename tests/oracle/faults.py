#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Faults planted in a copy of the filter: the oracle must find each, or it proves nothing.

usage: faults.py [--frames N] [--seed N] [--save DIR] [NAME...]
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()

# name: (what the filter does wrong, [(what is there, in any file of bpf/, what takes its place)])
FAULTS = {
    "second-tag": (
        "does not look behind the second VLAN tag",
        [("if (at > end || !common->vlan)\n\t\t\t\treturn SHAPE_UNCOMMON;",
          "if (true)\n\t\t\t\treturn SHAPE_NOT_TCP;")]),
    "priority-tags": (
        "takes a frame with more tags than it reads for something else",
        [("? SHAPE_VLAN_TOO_DEEP : SHAPE_NOT_TCP", "? SHAPE_NOT_TCP : SHAPE_NOT_TCP")]),
    "service-tag": (
        "does not know 802.1ad",
        [(" || protocol == frame_htons(ETH_P_8021AD)", "")]),
    "ipv4-options": (
        "ignores IPv4 options",
        [("header_size = (ip.version_ihl & 0xfu) * 4;", "header_size = sizeof(ip);")]),
    "do-not-fragment": (
        "takes \"don't fragment\" for a fragment's offset",
        [("IPV4_FRAGMENT_OFFSET   0x1fff", "IPV4_FRAGMENT_OFFSET   0x5fff")]),
    "first-fragment": (
        "passes first fragments of IPv4",
        [("\t\twalk.limit = walk.offset + ((", "\t\treturn SHAPE_LATER_FRAGMENT + 0 * (("),]),
    "cut-fragment": (
        "reads a first fragment to an end that the stack cuts off",
        [("((walk.packet_end - walk.offset) & ~7u)", "(walk.packet_end - walk.offset)")]),
    "short-fragment": (
        "passes first fragments that end before the TCP flags",
        [("return SHAPE_FLAGS_TRUNCATED;", "return SHAPE_LATER_FRAGMENT;")]),
    "atomic-fragment": (
        "takes an atomic fragment for a later one",
        [("if (header.fragment & frame_htons(IPV6_FRAGMENT_OFFSET))", "if (true)")]),
    "no-ipv6": (
        "forgets IPv6",
        [("protocol == frame_htons(ETH_P_IPV6)", "false"),
         ("protocol == frame_htons(ETH_P_IPV6)", "false")]),
    "no-options-header": (
        "does not know the destination options header",
        [("\tcase IPPROTO_DSTOPTS:\n", "")]),
    "too-many-headers": (
        "passes what has more extension headers than it reads",
        [("return SHAPE_HEADERS_TOO_MANY;", "return SHAPE_NOT_TCP;")]),
    "no-ah": (
        "forgets the authentication header",
        [("case IPPROTO_AH:\n\t\treturn true;", "case IPPROTO_AH:\n\t\treturn false;")]),
    "ah-length": (
        "counts the authentication header like any other",
        [("(header.length + 2u) * 4", "(header.length + 1u) * 8")]),
    "source-route": (
        "ignores source routes and routing headers",
        [("if (!view->ip_behind)\n", "if (true)\n")]),
    "one-byte": (
        "compares one byte of the port",
        [("return port_bit(tables.here.suspects[generation & 1], port);",
          "return port_bit(tables.here.suspects[generation & 1], port & 0xff);")]),
    "byte-order": (
        "takes a port's bytes in the other order",
        [("__u32 host = __builtin_bswap16(value);", "__u32 host = value;")]),
    "accepted": (
        "takes a connection that a listener accepted for the host's own",
        [("if (socket_state(context, &tuple, view->ipv4, &listener_uid) != BPF_TCP_LISTEN)",
          "if (true)")]),
    "syn-by-owner": (
        "asks who owns the segment before it refuses a new connection",
        [("(common.tcp->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN", "common.tcp->flags == 0xff")]),
    "flat-headers": (
        "takes usual extension headers for half as long as they are",
        [("((*header)->length + 1u) * 8", "((*header)->length + 1u) * 4")]),
    "own-connections": (
        "drops replies to the host's own connections",
        [("!= BPF_TCP_LISTEN)\n\t\treturn OWNER_OUTBOUND;",
          "!= BPF_TCP_LISTEN)\n\t\treturn OWNER_LISTENER;")]),
    "connecting": (
        "drops the answer to the host's own SYN",
        [("if (state == BPF_TCP_SYN_SENT)\n\t\treturn OWNER_OUTBOUND;",
          "if (state == BPF_TCP_SYN_SENT)\n\t\treturn OWNER_LISTENER;")]),
    "udp": (
        "judges UDP like TCP",
        [("if (ip->protocol != IPPROTO_TCP)",
          "if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)")]),
    "later-fragments": (
        "drops later fragments of IPv4",
        [("if (ip.fragment & frame_htons(IPV4_FRAGMENT_OFFSET))\n\t\treturn SHAPE_LATER_FRAGMENT;",
          "if (ip.fragment & frame_htons(IPV4_FRAGMENT_OFFSET))\n"
          "\t\treturn SHAPE_HEADERS_TRUNCATED;")]),
    "neighbour-port": (
        "protects the port above as well",
        [("return port_bit(tables.here.suspects[generation & 1], port);",
          "return port_bit(tables.here.suspects[generation & 1], port) || "
          "port_bit(tables.here.suspects[generation & 1], (__u16)(port - 1));"),
         ("if (port_bit(policy->configured, port))",
          "if (port_bit(policy->configured, port) || port_bit(policy->configured, "
          "(__u16)(port - 1)))")]),
}


def plant(directory, name):
    """A copy of the filter with that fault, built; returns the object file."""
    shutil.copytree(ROOT / "bpf", directory / "bpf")
    shutil.copy(ROOT / "Makefile", directory)
    for old, new in FAULTS[name][1]:
        path = next((path for path in sorted((directory / "bpf").iterdir())
                     if old in path.read_text()), None)
        if not path:
            sys.exit(f"bpf/ has no longer {old!r}: mend the fault {name!r} in {__file__}")
        path.write_text(path.read_text().replace(old, new, 1))
    done = subprocess.run(["make", "-s", "-C", directory, "BUILD=build", "build/filter_xdp.bpf.o"],
                          check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    return directory / "build" / "filter_xdp.bpf.o"


def hunt(arguments, name):
    """Runs the oracle over the faulty filter: (what it found, frames until then), or None."""
    with tempfile.TemporaryDirectory(prefix="beamfence-oracle-") as directory:
        program = plant(pathlib.Path(directory), name)
        command = [BUILD / "oracle", "--object", program, "--stop", "--frames",
                   str(arguments.frames), "--seed", str(arguments.seed)]
        if arguments.save:
            saved = pathlib.Path(directory) / "frames"
            saved.mkdir()
            command += ["--save", saved]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            sys.exit(f"{name}: {done.stderr}")
        if arguments.save and done.returncode == 1:
            for one in saved.iterdir():
                shutil.copy(one, pathlib.Path(arguments.save) / name)
    kind = re.search(r"^finding: (.*?) \(seed", done.stdout, re.M)
    frames = re.search(r" packets in (\d+) frames", done.stdout)
    return (kind[1], int(frames[1])) if kind else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", help="keep the shrunk frames in this directory")
    parser.add_argument("faults", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    missed = 0
    print("| the filter … | frames until found | found as |\n|---|---:|---|")
    for name in arguments.faults or FAULTS:
        found = hunt(arguments, name)
        missed += not found
        kind, frames = found or ("**not found**", f"more than {arguments.frames:,}")
        print(f"| {FAULTS[name][0]} | {frames if not found else format(frames, ',')} | {kind} |",
              flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
