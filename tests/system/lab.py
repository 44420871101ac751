# SPDX-License-Identifier: BSD-2-Clause
"""The name by which scripts outside the tree know kit/lab.py: the same module."""
import sys

from kit import lab

sys.modules[__name__] = lab
