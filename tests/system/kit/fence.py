# SPDX-License-Identifier: BSD-2-Clause
"""The programs under test: an agent in a lab's host namespace, and its command line."""
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess

from kit.lab import BPFFS, BUILD, LabError, end, http_get, run, wait_until

BEAMFENCED = BUILD / "beamfenced"
BEAMFENCE = BUILD / "beamfence"
METRICS_PORT = 9369
_counter = itertools.count(1)
APP = {"name": "app", "ports": "9100-9155", "peers": ["10.77.2.0/24", "fd77:2::/64"]}
DB = {"name": "db", "ports": "9200-9255", "peers": ["10.77.3.0/24", "fd77:3::/64"]}


def config_text(socket_path, *, mode="enforce", client=("client0",), cluster=("cluster*",),
                trusted=(), attach="auto", clusters=(APP, DB), metrics=f"127.0.0.1:{METRICS_PORT}",
                epmd=(4369,), discovery=None, extra=""):
    """A configuration as an operator would write it. `discovery` maps keys to their values."""
    lines = [f"mode: {mode}", "interfaces:",
             f"  client: {json.dumps(client)}", f"  cluster: {json.dumps(cluster)}",
             f"  trusted: {json.dumps(trusted)}", f"  attach: {attach}",
             "epmd:", f"  ports: {json.dumps(epmd)}"]
    if clusters:
        lines.append("clusters:")
    for one in clusters:
        lines += [f"  - name: {one['name']}", f"    ports: [{one.get('ports', '')}]",
                  f"    peers: {json.dumps(one['peers'])}"]
        if "nodes" in one:
            lines.append(f"    nodes: {json.dumps(one['nodes'])}")
    if discovery:
        lines.append("discovery:")
        lines += [f"  {key}: {json.dumps(value)}" for key, value in discovery.items()]
    lines += ["metrics:", f'  listen: "{metrics}"', "control:", f"  socket: {socket_path}",
              "  group: root"]
    return "\n".join(lines) + "\n" + extra


class Fence:
    """beamfenced with files of its own: start it, ask it, end it, take every trace of it away.

    A context manager, so that a lab can have one after another.
    """

    def __init__(self, lab, **settings):
        self._lab = lab
        number = next(_counter)
        directory = lab.directory / f"fence{number}"
        directory.mkdir()
        self.pins = BPFFS / f"beamfence-test-{lab.name}-{number}"
        self.socket = directory / "control.sock"
        self.config = directory / "beamfence.yaml"
        self.log_path = directory / "log"
        self.state = directory / "state"
        self.process = None
        self._notify = directory / "notify.sock"
        self._notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notifications.bind(str(self._notify))
        self._notifications.settimeout(0.02)
        self.environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(self._notify)}
        lab.defer(self.close)
        self.configure(**settings)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the agent and takes its programs away: the host as it was before."""
        if self.process:
            if BUILD.name in ("sanitized", "coverage"):  # which tell what they saw when they end
                with contextlib.suppress(subprocess.TimeoutExpired):
                    end(self.process, signal.SIGTERM)
            end(self.process)
        ours = self.programs() if self.pins.exists() else set()
        remove_pins(self.pins)
        wait_until(lambda: not self.programs() & ours, 5, "the kernel has let go of the programs")
        self._notifications.close()
        said = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        assert "runtime error:" not in said, said  # of a sanitizer

    def programs(self):
        """The ids of all XDP programs on the host's interfaces."""
        return set(re.findall(r"prog/xdp id (\d+)", self._lab.host.ip("-d", "link", "show")))

    def tables_of_peers(self):
        """The tables that the kernel keeps for policies: of the one in force, and of none beside."""
        rows = json.loads(run("bpftool", "-j", "map", "dump", "pinned", self.pins / "peers"))
        return [row["value"] for row in rows if "value" in row]

    def configure(self, **settings):
        self.config.write_text(config_text(self.socket, **settings))

    def command(self):
        return [BEAMFENCED, "--config", self.config, "--pin-dir", self.pins,
                "--state-dir", self.state]

    def launch(self, **options):
        """Starts the agent and does not wait for it."""
        if not BEAMFENCED.exists():
            raise LabError(f"{BEAMFENCED} is missing: run make first")
        with contextlib.suppress(TimeoutError):  # what an agent said that is gone
            while self._notifications.recv(4096):
                pass
        self.process = self._lab.popen(self._lab.host, self.command(), self.log_path,
                                       env=self.environment, **options)

    def start(self, **settings):
        """Starts the agent and returns when it reports that it is ready (sd_notify)."""
        if settings:
            self.configure(**settings)
        self.launch()
        self.wait_for("READY=1")
        return self

    def wait_for(self, message, timeout=15):
        """Waits for a line that the agent sends to its service manager."""
        def arrived():
            if self.process.poll() is not None:
                raise LabError(f"beamfenced ended ({self.process.returncode}): {self.log()}")
            try:
                return message in self._notifications.recv(4096).decode().split("\n")
            except TimeoutError:
                return False
        wait_until(arrived, timeout, f"{message} from beamfenced: {self.log()}")

    def log(self):
        return self.log_path.read_text()

    def end(self, number=signal.SIGTERM):
        return end(self.process, number)

    def kill(self):
        return self.end(signal.SIGKILL)

    def run(self, *arguments, timeout=20):
        """beamfence with these arguments, whatever comes of it."""
        with self._lab.host.entered():
            return subprocess.run([BEAMFENCE, *map(str, arguments)], text=True, check=False,
                                  capture_output=True, timeout=timeout)

    def ask(self, *arguments):
        return self.run("--socket", self.socket, *arguments)

    def tell(self, *arguments):
        """A command that has to succeed; its text."""
        done = self.ask(*arguments)
        assert done.returncode == 0, f"beamfence {arguments}: {done.stderr}"
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.tell("--json", *arguments))

    def request(self, command, **arguments):
        """The result of a command of the control protocol that the command line does not have."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.socket))
            connection.sendall(json.dumps({"version": 1, "command": command,
                                           "arguments": arguments}).encode() + b"\n")
            reply = json.loads(connection.makefile().readline())
        assert reply["ok"], reply
        return reply["result"]

    def explain(self, interface, source, destination, port, *more):
        return self.json("explain", "--in", interface, "--src", source, "--dst", destination,
                         "--dport", port, *more)

    def interface(self, name):
        """One interface's entry of the status."""
        return next(one for one in self.json("status")["interfaces"] if one["name"] == name)

    def ports(self, **wanted):
        """The protected ports of which all that is wanted is true."""
        return [one for one in self.json("ports")
                if all(one[key] == value for key, value in wanted.items())]

    def port(self, timeout=5, **wanted):
        """The one protected port of which this is, or soon comes, true."""
        try:
            found = wait_until(lambda: self.ports(**wanted), timeout, f"a port with {wanted}")
        except TimeoutError as error:
            raise AssertionError(f"{error}: {self.json('ports')}") from error
        assert len(found) == 1, found
        return found[0]

    def without_port(self, timeout=5, **wanted):
        """Waits until no protected port is like that."""
        wait_until(lambda: not self.ports(**wanted), timeout, f"no port with {wanted}")

    def warnings(self, *words):
        """
        The warnings of the status that hold all these words. Other hosts of the test, and other
        tests, run BEAMs in namespaces of this kernel: of those only where the words ask for it.
        """
        return [one for one in self.json("status")["warnings"]
                if all(str(word) in one for word in words)
                and ("namespace" not in one or "namespace" in words)]

    def counters(self):
        """Packets by (interface, zone, verdict, reason)."""
        return {(one["interface"], one["zone"], one["verdict"], one["reason"]): one["packets"]
                for one in self.json("counters")}

    def count(self, **wanted):
        """Packets counted under the given labels together."""
        return sum(one["packets"] for one in self.json("counters")
                   if all(one[key] == value for key, value in wanted.items()))

    def metrics(self):
        return http_get(self._lab.host, "127.0.0.1", METRICS_PORT, "/metrics")

    def health(self):
        """Status and text of /healthz."""
        return curl(self._lab, f"http://127.0.0.1:{METRICS_PORT}/healthz")


def curl(lab, *arguments):
    """Status and body of a request, made in the host's namespace."""
    text = lab.host.run("curl", "-s", "-m", "5", "-w", "%{http_code}", *arguments)
    return int(text[-3:]), text[:-3]


def remove_pins(directory):
    """Takes a pin directory of a test away; with the last pin its programs leave the interfaces."""
    if directory.parent == BPFFS and directory.name.startswith("beamfence-test-"):
        shutil.rmtree(directory, ignore_errors=True)


def samples(text):
    """The samples of a metrics page: {(name, ((label, value), …)): number}."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")))
            found[name, pairs] = float(value)
    return found
