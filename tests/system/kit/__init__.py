# SPDX-License-Identifier: BSD-2-Clause
"""What the system tests are made with: labs, the agent in one, nodes, frames, and the like."""
