# SPDX-License-Identifier: BSD-2-Clause
"""The filter on drivers of real cards: whether it is run, and whether large frames arrive.

Run in a guest by "make kernels", which has the cards of nics.py.
"""
import contextlib
import pathlib
import socket
import subprocess

import pytest

import nics
from kit.fence import Fence, samples
from kit.lab import run, wait_until
from test_attach import note

HOST, CLIENT, PORT = "10.66.0.1", "10.66.0.2", 7007
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
SMALL, LARGE = 100, 8000
CARDS = [name for name in nics.CARDS if name != "client"]


def find(name):
    """The interface that has a card's address, in this namespace."""
    for path in pathlib.Path("/sys/class/net").iterdir():
        if (path / "address").read_text().strip() == nics.address(name):
            return path.name
    return None


class Card:
    """A card in the host's namespace, on one wire with the client's."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        with lab.host.entered():
            self._server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._server.settimeout(1)
        with lab.client.entered():
            self._client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        self._server.bind((HOST, PORT))

    def link(self, *words):
        self.lab.host.ip("link", "set", "dev", self.name, *words)

    def ethtool(self, *words):
        """False where the driver refuses."""
        with self.lab.host.entered():
            return not subprocess.run(["ethtool", *map(str, words)], check=False,
                                      capture_output=True).returncode

    def sends(self, size):
        """Whether a datagram in one frame arrives."""
        with contextlib.suppress(OSError):  # the link may be down for another moment
            self._client.sendto(b"x" * size, (HOST, PORT))
        try:
            while len(self._server.recv(65536)) != size:
                pass
            return True
        except TimeoutError:
            return False

    def arrives(self, size, timeout=15):
        wait_until(lambda: self.sends(size), timeout, f"a datagram of {size} bytes on {self.name}")

    def is_judged(self, fence, timeout=15):
        """Frames arrive, and each of them is counted."""
        self.arrives(SMALL, timeout)
        before = fence.count(interface=self.name)
        self.arrives(SMALL, timeout)
        assert fence.count(interface=self.name) > before

    def close(self):
        self._server.close()
        self._client.close()


def take(lab, name, namespace, address):
    """Moves a card into a namespace, and back to where it came from in the end."""
    found = find(name)
    if not found:
        pytest.skip(f"no card \"{name}\": its driver is missing, or the machine has no taps")
    run("ip", "link", "set", "dev", found, "netns", namespace.name, "name", name)
    lab.defer(namespace.ip, "link", "set", "dev", name, "netns", "1")
    namespace.ip("addr", "add", f"{address}/24", "dev", name)
    namespace.ip("link", "set", "dev", name, "mtu", "1500", "up")


@pytest.fixture(name="card", params=CARDS)
def _card(request, lab):
    for module in ("virtio_net", "vmxnet3"):
        subprocess.run(["modprobe", module], check=False, capture_output=True)
    take(lab, "client", lab.client, CLIENT)
    lab.client.ip("link", "set", "client", "mtu", nics.GREATEST_MTU)
    take(lab, request.param, lab.host, HOST)
    one = Card(lab, request.param)
    lab.defer(one.close)
    one.arrives(SMALL)
    return one


def greatest(card):
    """The size that arrives without the filter, after a change and without LRO.

    The kernel turns that off where XDP is attached, and qemu's vmxnet3 loses large frames then.
    """
    if card.name != "vmxnet3":
        return SMALL if card.name == "small" else LARGE
    card.ethtool("-K", card.name, "lro", "off")
    card.link("mtu", nics.GREATEST_MTU)
    card.link("down")
    card.link("up")
    card.arrives(SMALL)
    found = LARGE if any(card.sends(LARGE) for _ in range(3)) else SMALL
    card.link("mtu", "1500")
    card.arrives(SMALL)
    return found


def test_all_frames_are_judged_and_large_ones_arrive_whatever_happens_to_the_link(lab, card):
    large = greatest(card)
    if large == SMALL and card.name != "small":
        note(**{f"large frames, {card.name}": "never arrive"})
    with Fence(lab, client=(card.name,)) as fence:
        note(**{f"nic {card.name}": fence.interface(card.name)["attach_mode"]})
        card.is_judged(fence)
        card.link("down")
        card.link("up")
        card.is_judged(fence)
        if card.name != "small":
            card.link("mtu", nics.GREATEST_MTU)
        card.arrives(large)
        card.is_judged(fence)
        for change in (("-G", card.name, "rx", 128), ("-L", card.name, "combined", 1),
                       ("-L", card.name, "combined", 2)):
            if card.ethtool(*change):
                card.arrives(large)
                card.is_judged(fence)
        fence.kill()
        card.arrives(large)
        fence.start()
        card.arrives(large)
        card.is_judged(fence)
        assert not fence.warnings(card.name)
        assert "warning" not in fence.tell("detach")
        card.arrives(large)
    card.link("mtu", "1500")


@pytest.mark.parametrize("card", ["vmxnet3"], indirect=True)
def test_a_driver_that_forgets_the_program_is_found_out_and_given_it_anew(lab, card):
    with Fence(lab, client=(card.name,), attach="native") as fence:
        if not fence.interface(card.name)["attached"]:
            pytest.skip("this kernel's driver has no native mode")
        assert "forgets" in fence.interface(card.name)["problem"]
        card.is_judged(fence)
        card.link("down")
        card.link("up")
        card.arrives(SMALL)

        def is_told():
            card.sends(SMALL)
            return '"not-run"' in fence.tell("--json", "events")
        wait_until(is_told, 60, "an event that the filter is not run")
        assert "the filter is not run" in fence.log()

        def is_mended():
            card.sends(SMALL)
            return '"run-again"' in fence.tell("--json", "events")
        wait_until(is_mended, 60, "an event that the filter is run again")
        card.is_judged(fence)
        assert not fence.warnings("not run")
        card.link("mtu", nics.GREATEST_MTU)  # at which the driver takes no program

        def is_refused():
            card.sends(SMALL)
            return fence.warnings("not run", "refuses it anew: Operation not supported")
        wait_until(is_refused, 20, "a warning that the driver refuses")
        card.link("mtu", "1500")

        def is_run():
            card.sends(SMALL)
            return not fence.warnings("not run")
        wait_until(is_run, 20, "the filter is run again")


@pytest.mark.parametrize("card", ["one"], indirect=True)
def test_a_driver_that_loses_large_frames_is_told_of_also_when_it_keeps_the_program(lab, card):
    with Fence(lab, client=(card.name,), attach="native") as fence:
        problem = fence.interface(card.name)["problem"]
        if not problem:
            pytest.skip("this kernel's driver takes frames of several buffers")
        assert "would lose frames" in problem
        card.link("mtu", nics.GREATEST_MTU)
        wait_until(lambda: fence.warnings(card.name, "loses frames"), 20, "a warning")
        page = samples(fence.metrics())
        assert page["beamfence_warnings", (("kind", "large-frames-lost"),)] == 1
        assert not card.sends(LARGE)
        said = fence.tell("detach")
        assert f"{card.name}: its driver (virtio_net) keeps the program" in said
        assert not card.sends(LARGE)
        card.link("mtu", "1500")  # as it says
        fence.start()
        assert "warning" not in fence.tell("detach")
        card.link("mtu", nics.GREATEST_MTU)
        card.arrives(LARGE)
    card.link("mtu", "1500")
