# SPDX-License-Identifier: BSD-2-Clause
"""The abuse of "make soak", in short."""
import abuse
from kit import erlang
from kit.lab import Lab


def test_agent_that_is_bothered_in_every_way_stays_as_it_was():
    with Lab("client", "peer") as lab:
        erlang.start_epmd(lab)
        assert abuse.campaign(lab, 0.1, 1)
