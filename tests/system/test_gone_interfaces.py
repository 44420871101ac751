# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces come and go for years: the page of metrics is about those that there are."""
import time

import pytest

from kit.devices import Deluge
from kit.fence import Fence, samples
from kit.lab import wait_until


@pytest.fixture(name="fence")
def _fence(lab):
    with Fence(lab, client=["client0", "new*"]) as fence:
        yield fence


def make(lab, fence, deluge, name):
    """An interface with the filter, at which frames arrive."""
    deluge.plug(lab.host, name)
    lab.host.ip("link", "set", name, "up")
    wait_until(lambda: any(one["name"] == name and one["attached"] for one in
                           fence.json("status")["interfaces"]), 5, f"{name} has the filter")


def names(fence):
    """The interfaces that the page has series of."""
    return {value for (metric, labels), _ in samples(fence.metrics()).items()
            for label, value in labels if label == "interface"}


def dropped(fence, name):
    return fence.count(interface=name, reason="client-new")


def test_interface_that_went_away_leaves_the_page_and_comes_back_with_its_counts(lab, fence):
    with Deluge(lab.client) as deluge:
        make(lab, fence, deluge, "new0")
        wait_until(lambda: dropped(fence, "new0") > 100, 10, "frames are dropped")
        lab.host.ip("link", "del", "new0")
        went = time.monotonic()
        last = dropped(fence, "new0")
        assert last > 100 and "new0" in names(fence)
        wait_until(lambda: "new0" not in names(fence), 15, "new0 has left the page")
        assert time.monotonic() - went > 9  # time for a scrape to see the last of it
        assert "client0" in names(fence)
        assert not fence.count(interface="new0")
        make(lab, fence, deluge, "new0")
        assert dropped(fence, "new0") >= last
        lab.host.ip("link", "del", "new0")


def test_counts_of_who_is_gone_outlive_the_agent(lab, fence):
    with Deluge(lab.client) as deluge:
        make(lab, fence, deluge, "new0")
        wait_until(lambda: dropped(fence, "new0") > 100, 10, "frames are dropped")
        lab.host.ip("link", "del", "new0")
        last = dropped(fence, "new0")
        fence.kill()
        fence.start()
        wait_until(lambda: "new0" not in names(fence), 15, "new0 has left the page")
        make(lab, fence, deluge, "new0")
        assert dropped(fence, "new0") >= last
        lab.host.ip("link", "del", "new0")


def test_zone_that_an_interface_was_in_leaves_the_page_as_an_interface_does(lab, fence):
    lab.client.probe(lab.client.host4, 4369, timeout=0.2)
    before = fence.count(interface="client0", zone="client", reason="client-new")
    assert before
    fence.configure(client=["new*"], trusted=["client0"])
    fence.tell("reload")
    wait_until(lambda: not fence.count(interface="client0", zone="client"), 15, "it is trusted now")
    fence.configure(client=["client0", "new*"])
    fence.tell("reload")
    assert fence.count(interface="client0", zone="client", reason="client-new") >= before
