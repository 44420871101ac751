# SPDX-License-Identifier: BSD-2-Clause
"""An attacker's toolbox gains all without beamfence and nothing with it: see battery.py."""
import pytest

import battery

CASES = [(attack.name, origin, family) for attack in battery.ATTACKS for origin in attack.origins
         for family in battery.FAMILIES]


@pytest.fixture(name="results", scope="module")
def _results():
    return battery.run()


@pytest.mark.parametrize("case", CASES, ids=" / ".join)
def test_attack_works_without_beamfence_and_gains_nothing_with_it(results, case):
    assert results.without[case], "it proves nothing: without beamfence it gained nothing"
    assert not results.fenced[case]


def test_peers_and_the_web_service_are_not_disturbed_meanwhile(results):
    assert results.undisturbed


def test_attacks_are_counted_where_they_came_from(results):
    assert all(results.drops.values()), results.drops
