# SPDX-License-Identifier: BSD-2-Clause
"""The name by which scripts outside the tree know kit/erlang.py: the same module."""
import sys

from kit import erlang

sys.modules[__name__] = erlang
