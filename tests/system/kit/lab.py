# SPDX-License-Identifier: BSD-2-Clause
"""A lab of network namespaces: one host with an interface for each kind of neighbour.

    client   -- client0  +------+  cluster0 -- peer      (peer of the cluster "app")
                         | host |  cluster1 -- peer2     (peer of the cluster "db")
                         +------+  cluster2 -- stranger  (peer of none)

On link N the host is 10.77.N.1 and fd77:N::1, its neighbour 10.77.N.2 and fd77:N::2. All belongs
to the lab and goes with it: namespaces, processes (ended by pid), pins and files.
"""
import concurrent.futures
import contextlib
import ctypes
import http.server
import itertools
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("BEAMFENCE_BUILD", ROOT / "build")).resolve()
BPFFS = pathlib.Path("/sys/fs/bpf")
NEIGHBOURS = {"client": ("client0", 1), "peer": ("cluster0", 2), "peer2": ("cluster1", 3),
              "stranger": ("cluster2", 4)}
ETH_P_ALL = 3
PACKET_OUTGOING = 4

_counter = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
# Every deadline is that many times as long: for machines that are emulated.
PATIENCE = float(os.environ.get("BEAMFENCE_PATIENCE", "1"))
PR_SET_PDEATHSIG = 1


class LabError(Exception):
    """The lab itself could not be built: says nothing about the program under test."""


def run(*argv, **options):
    """Runs a command of the lab's own that has to succeed, and returns its output."""
    done = subprocess.run([str(word) for word in argv], text=True, capture_output=True,
                          check=False, **{"timeout": 30, **options})
    if done.returncode:
        raise LabError(f"{' '.join(map(str, argv))}: exit {done.returncode}: "
                       f"{(done.stderr or done.stdout).strip()}")
    return done.stdout


def wait_until(condition, timeout, what):
    """Polls until condition() is true, returns its value; a deadline instead of a sleep."""
    deadline = time.monotonic() + timeout * PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout * PATIENCE:g} s: {what}")
        time.sleep(0.01)
    return value


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def unwind_on_signals():
    """Makes every signal that asks to end a KeyboardInterrupt, so that labs are taken down."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Namespace:
    """A network namespace. Sockets and processes are made in it by entering it with setns(2)."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self._file = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        self.number = None          # of the link to the host
        self.host_interface = None  # at its other end
        self.erlang_hosts = {}      # name -> addresses, as Erlang nodes in here resolve it

    def delete(self):
        os.close(self._file)
        run("ip", "netns", "del", self.name)

    @contextlib.contextmanager
    def entered(self):
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._enter(self._file)
            try:
                yield self
            finally:
                self._enter(before)
        finally:
            os.close(before)

    @staticmethod
    def _enter(file):
        if _libc.setns(file, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    @property
    def own4(self):
        return f"10.77.{self.number}.2"

    @property
    def own6(self):
        return f"fd77:{self.number}::2"

    @property
    def host4(self):
        """The host's address on the link to this neighbour."""
        return f"10.77.{self.number}.1"

    @property
    def host6(self):
        return f"fd77:{self.number}::1"

    def ip(self, *argv):
        return self.run("ip", *argv)

    def run(self, *argv, **options):
        with self.entered():
            return run(*argv, **options)

    def sysctl(self, **values):
        with self.entered():
            for name, value in values.items():
                path = pathlib.Path("/proc/sys/net", *name.split("__"))
                try:
                    path.write_text(f"{value}\n")
                except OSError as problem:
                    raise LabError(f"{path}: {problem.strerror}") from problem

    def socket(self, family, kind=socket.SOCK_STREAM, protocol=0):
        with self.entered():
            return socket.socket(family, kind, protocol)

    def connect(self, address, port, timeout=2.0, source=None):
        """A connected TCP socket, from a source (address, port) if given. Raises OSError."""
        connection = self.socket(family_of(address))
        try:
            connection.settimeout(timeout)
            if source:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                connection.bind(source)
            connection.connect((address, port))
        except BaseException:
            connection.close()
            raise
        return connection

    def probe(self, address, port, timeout=1.0):
        """What a connection attempt meets: "open", "refused" or "silent"."""
        try:
            self.connect(address, port, timeout * min(PATIENCE, 3)).close()
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "silent"
        return "open"

    def probes(self, *targets, timeout=1.0):
        """Probes of several (address, port) at the same time; results in that order."""
        with concurrent.futures.ThreadPoolExecutor(len(targets)) as pool:
            return list(pool.map(lambda target: self.probe(*target, timeout), targets))

    def listen(self, port, address="::"):
        """A listening TCP socket (on every address unless told otherwise)."""
        listener = self.socket(family_of(address))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, port))
        listener.listen(64)
        listener.settimeout(5)
        return listener

    def program(self, interface):
        """The id of the XDP program on an interface, or None."""
        found = re.search(r"prog/xdp id (\d+)", self.ip("-d", "link", "show", interface))
        return found and found[1]

    def mac(self, interface):
        with self.entered():
            return mac_of(interface)

    def wire(self, interface):
        return Wire(self, interface)


def mac_of(interface):
    """The Ethernet address of an interface of the thread's namespace."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packet:
        packet.bind((interface, 0))
        return ":".join(f"{byte:02x}" for byte in packet.getsockname()[4])


class Wire:
    """Raw frames in and out of one interface. On the host it sees what the XDP filter let by."""

    def __init__(self, namespace, interface):
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                        socket.htons(ETH_P_ALL))
        self._socket.bind((interface, ETH_P_ALL))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, frame):
        self._socket.send(bytes(frame))

    def frames(self, timeout):
        """The frames that come in until the deadline."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                frame, origin = self._socket.recvfrom(65535)
            except TimeoutError:
                return
            if origin[2] != PACKET_OUTGOING:
                yield frame


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"an ordinary service\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _WebServer(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


class Lab:
    """The host and the neighbours asked for. Use as a context manager."""

    def __init__(self, *neighbours):
        self._stack = contextlib.ExitStack()
        self._namespaces = {}
        # Named after the run; a run may have several labs.
        self.name = f"bf{os.getpid()}x{next(_counter)}"
        try:
            self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
            self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self.host = self.add_namespace("host")
            for neighbour in neighbours:
                interface, number = NEIGHBOURS[neighbour]
                namespace = self.add_namespace(neighbour)
                setattr(self, neighbour, namespace)
                namespace.number, namespace.host_interface = number, interface
                self.add_link(interface, namespace, number)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._stack.close()

    def defer(self, function, *arguments, **options):
        """Calls the function when the lab goes, before what was made earlier goes."""
        self._stack.callback(function, *arguments, **options)

    def add_namespace(self, role):
        namespace = Namespace(f"{self.name}-{role}")
        self.defer(namespace.delete)
        namespace.ip("link", "set", "lo", "up")
        namespace.sysctl(ipv6__conf__default__accept_dad=0)  # addresses count at once
        self._namespaces[role] = namespace
        return namespace

    def add_link(self, interface, neighbour, number):
        """A veth pair from the host's interface to eth0 of the neighbour, with addresses."""
        self.host.ip("link", "add", interface, "type", "veth", "peer", "name", "eth0",
                     "netns", neighbour.name)
        neighbour.run("ethtool", "-K", "eth0", "gro", "on")  # native XDP on veth needs it
        ends = ((self.host, interface, 1), (neighbour, "eth0", 2))
        for namespace, device, _ in ends:
            namespace.ip("link", "set", device, "up")
        for namespace, device, last in ends:
            namespace.ip("addr", "add", f"10.77.{number}.{last}/24", "dev", device)
            namespace.ip("addr", "add", f"fd77:{number}::{last}/64", "dev", device, "nodad")

    def popen(self, namespace, argv, log, **options):
        """Starts a process in a namespace, its output in the file `log` of the lab's directory."""
        path = self.directory / log
        with namespace.entered(), open(path, "ab") as output:
            process = subprocess.Popen(
                [str(word) for word in argv],
                **{"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "cwd": self.directory,
                   "preexec_fn": _die_with_parent, **options})
        process.log = path
        self.defer(end, process)
        return process

    def web(self, port=80):
        """An ordinary service on the host: the thing that must not notice a firewall."""
        with self.host.entered():
            server = _WebServer(("::", port), _Page)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self.defer(server.server_close)
        self.defer(server.shutdown)
        return port


def end(process, number=signal.SIGKILL, timeout=5):
    """Ends a process of ours by its pid, and reaps it."""
    if process.poll() is None:
        process.send_signal(number)
        process.wait(timeout)
    return process.returncode


def http_get(namespace, address, port, path="/", timeout=2.0):
    """The body of a page, or None when the service stays silent."""
    try:
        with namespace.connect(address, port, timeout) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: lab\r\n\r\n".encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
    except TimeoutError:
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise LabError(f"http://{address}:{port}{path}: {head[:80]!r}")
    return body.decode()


def epmd_names(namespace, address, timeout=1.0, port=4369):
    """Asks epmd for its names as an attacker does (NAMES_REQ); None when nothing answers."""
    try:
        with namespace.connect(address, port, timeout) as connection:
            connection.sendall(b"\x00\x01n")
            answer = b""
            while part := connection.recv(4096):
                answer += part
    except TimeoutError:
        return None
    assert struct.unpack(">I", answer[:4]) == (port,)
    return answer[4:].decode()
