# SPDX-License-Identifier: BSD-2-Clause
"""Law 8: a local user without privileges gains nothing (that each attack works: local_battery.py)."""
import concurrent.futures

import pytest

import local_battery


@pytest.fixture(name="gains", scope="module")
def _gains(request):
    """The attacks of this run, which are all begun at once, by name."""
    names = [item.callspec.params["name"] for item in request.session.items
             if item.path == request.path and hasattr(item, "callspec")]
    with concurrent.futures.ThreadPoolExecutor(local_battery.AT_ONCE) as pool:
        yield {name: pool.submit(local_battery.gain, name) for name in names}


@pytest.mark.parametrize("name", local_battery.ATTACKS)
def test_local_user_gains_nothing(gains, name):
    assert gains[name].result() is None
