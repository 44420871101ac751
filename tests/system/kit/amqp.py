# SPDX-License-Identifier: BSD-2-Clause
"""As much of an AMQP 0-9-1 client as opens a connection to a virtual host and closes it."""
import struct
import threading
import time

PORT = 5672
METHOD, END = 1, 0xCE
START, START_OK, TUNE, TUNE_OK = (10, 10), (10, 11), (10, 30), (10, 31)
OPEN, OPEN_OK, CLOSE, CLOSE_OK = (10, 40), (10, 41), (10, 50), (10, 51)


def _exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("the broker closed the connection")
        data += part
    return data


def _read(connection, wanted):
    """The arguments of the next frame, which has to be this method on channel 0."""
    kind, channel, size = struct.unpack(">BHI", _exactly(connection, 7))
    payload, end = _exactly(connection, size), _exactly(connection, 1)[0]
    if (kind, channel, end, struct.unpack(">HH", payload[:4])) != (METHOD, 0, END, wanted):
        raise ConnectionError(f"not {wanted}: {payload[:60]!r}")
    return payload[4:]


def _send(connection, method, arguments=b""):
    payload = struct.pack(">HH", *method) + arguments
    connection.sendall(struct.pack(">BHI", METHOD, 0, len(payload)) + payload + bytes([END]))


def _short(text):
    return bytes([len(text)]) + text


def handshake(namespace, address):
    """Opens the virtual host "/" as guest, and closes it. Raises OSError where that fails."""
    with namespace.connect(address, PORT, 5.0) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        _read(connection, START)
        response = b"\0guest\0guest"
        _send(connection, START_OK, struct.pack(">I", 0) + _short(b"PLAIN") +
              struct.pack(">I", len(response)) + response + _short(b"en_US"))
        _send(connection, TUNE_OK, _read(connection, TUNE))
        _send(connection, OPEN, _short(b"/") + _short(b"") + b"\0")
        _read(connection, OPEN_OK)
        _send(connection, CLOSE, struct.pack(">H", 200) + _short(b"") + struct.pack(">HH", 0, 0))
        _read(connection, CLOSE_OK)


class Customer(threading.Thread):
    """Opens and closes a connection to each broker, round and round. A context manager."""

    def __init__(self, namespace, *addresses):
        super().__init__(daemon=True)
        self._namespace, self._addresses = namespace, addresses
        self._stop_asked = threading.Event()
        self.served, self.wrong = 0, []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stop_asked.set()
        self.join(15)

    def run(self):
        while not self._stop_asked.wait(0.1):
            for address in self._addresses:
                try:
                    handshake(self._namespace, address)
                    self.served += 1
                except OSError as problem:
                    self.wrong.append((time.strftime("%T"), address, repr(problem)))
