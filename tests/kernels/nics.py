# SPDX-License-Identifier: BSD-2-Clause
"""The network cards of a guest: real drivers, on one wire that nobody else is on.

They are told apart by their addresses, which tests in the guest know too (see test_nics.py). Only
what loads their drivers sees them.
"""
import os
import subprocess

# name -> (qemu's device, queues). "client" is the one that the others talk to.
CARDS = {
    "client": ("virtio-net-pci", 1),
    "one": ("virtio-net-pci", 1),
    "several": ("virtio-net-pci,mq=on,vectors=6", 2),
    # Offloads that the guest cannot turn off.
    "fixed": ("virtio-net-pci,ctrl_guest_offloads=off", 1),
    # The host says that no greater MTU can come.
    "small": ("virtio-net-pci,host_mtu=1500", 1),
    "vmxnet3": ("vmxnet3", 1),
}
GREATEST_MTU = 9000


def address(name):
    return f"52:54:00:be:a7:{list(CARDS).index(name):02x}"


class Wire:
    """A bridge in a namespace of its own, with a tap for each card. A context manager."""

    def __init__(self):
        self.namespace = f"beamfence-wire-{os.getpid()}"
        self.problem = ""

    def __enter__(self):
        try:
            self._ip("netns", "add", self.namespace)
            self._in("link", "add", "wire", "type", "bridge")
            self._in("link", "set", "wire", "mtu", GREATEST_MTU, "up")
            for name, (_, queues) in CARDS.items():
                self._ip("netns", "exec", self.namespace, "ip", "tuntap", "add", "dev", name,
                         "mode", "tap", "vnet_hdr", *(["multi_queue"] if queues > 1 else []))
                self._in("link", "set", "dev", name, "mtu", GREATEST_MTU, "master", "wire", "up")
        except (OSError, subprocess.CalledProcessError) as problem:
            self.problem = str(getattr(problem, "stderr", "") or problem).strip()
            self.close()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        subprocess.run(["ip", "netns", "del", self.namespace], check=False, capture_output=True)

    def prefix(self):
        """What runs the emulator where the taps are."""
        return [] if self.problem else ["ip", "netns", "exec", self.namespace]

    def options(self, machine):
        """The emulator's. vmxnet3 is a card of PCs."""
        words = []
        for name, (device, queues) in {} if self.problem else CARDS.items():
            if name == "vmxnet3" and machine.name != "amd64":
                continue
            words += ["-netdev", f"tap,id={name},ifname={name},script=no,downscript=no,vhost=off,"
                      f"queues={queues}",
                      "-device", f"{device},netdev={name},mac={address(name)}"]
        return words

    @staticmethod
    def _ip(*words):
        subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, text=True)

    def _in(self, *words):
        self._ip("-n", self.namespace, *words)
