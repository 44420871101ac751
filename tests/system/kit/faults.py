# SPDX-License-Identifier: BSD-2-Clause
"""Has an allocation or a system call of a program fail: the test's side of tests/faults/faults.c."""
import contextlib
import errno
import mmap
import struct

from kit.lab import BUILD

LIBRARY = BUILD / "faults.so"
ALLOCATIONS, SYSTEM_CALLS = 1 << 1, 1 << 2
_ORDERS = "6I"


class Faults:
    """What a program that was started with `environment` is told to fail at, at any time."""

    def __init__(self, directory):
        assert LIBRARY.exists(), f"{LIBRARY} is missing: make {LIBRARY}"
        path = directory / "faults"
        path.write_bytes(bytes(mmap.PAGESIZE))
        path.chmod(0o666)  # agents without root map it too
        self.environment = {"LD_PRELOAD": str(LIBRARY), "BEAMFENCE_FAULTS": str(path)}
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self._round = 0

    def _order(self, kinds, at=0, code=0):
        self._round += 1
        self._map[:struct.calcsize(_ORDERS)] = struct.pack(_ORDERS, kinds, at, code, self._round,
                                                           0, 0)

    @contextlib.contextmanager
    def at(self, kinds, number, code=errno.EIO):
        """Within, the call that goes the `number`th new way fails; 0: none does."""
        self._order(kinds, number, code)
        try:
            yield self
        finally:
            self._map[:4] = bytes(4)

    @property
    def ways(self):
        """That were gone since the last order."""
        return struct.unpack_from(_ORDERS, self._map)[4]

    @property
    def failed(self):
        return struct.unpack_from(_ORDERS, self._map)[5] > 0
