# SPDX-License-Identifier: BSD-2-Clause
"""The name by which scripts outside the tree know kit/fence.py: the same module."""
import sys

from kit import fence

sys.modules[__name__] = fence
