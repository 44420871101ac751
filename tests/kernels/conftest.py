# SPDX-License-Identifier: BSD-2-Clause
"""What is only tested in guests shares its labs with the system tests."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from kit import lab as labs  # noqa: E402 - found by the line before


def pytest_configure():
    labs.unwind_on_signals()


@pytest.fixture
def lab():
    with labs.Lab("client", "peer") as one:
        yield one
