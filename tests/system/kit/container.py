# SPDX-License-Identifier: BSD-2-Clause
"""A host with systemd: this machine's files under an overlay, booted in a namespace of a lab.

Nothing of it outlives the lab: what it writes is in memory, its bpf file system and its control
groups are its own.
"""
import errno
import json
import os
import pathlib
import shutil
import subprocess

from kit.lab import LabError, end, run, wait_until

TARGET = """[Unit]
Description=What a test needs
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


# Where systemd keeps its control groups: of version 2 alone, or beside version 1.
CGROUPS = [path for path in map(pathlib.Path, ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd",
                                               "/sys/fs/cgroup/unified"))
           if (path / "cgroup.procs").exists()]


def in_cgroup(name, command):
    """The command, in control groups of that name: containers that shared theirs would have each
    other's units in them, with what systemd attaches to them for IPAddressDeny=."""
    script = ('for top in $1; do mkdir -p "$top/$2" && echo $$ >"$top/$2/cgroup.procs" || exit; '
              'done; shift 2; exec "$@"')
    return ["sh", "-c", script, "sh", " ".join(map(str, CGROUPS)), name, *command]


def remove_cgroup(name):
    """Takes them away when the last process has left them."""
    for top in CGROUPS:
        for directory, _, _ in os.walk(top / name, topdown=False):
            os.rmdir(directory)


def boot_command(root, machine, name, namespace, bpf):
    """Boots the files at `root` with systemd as PID 1, by systemd-nspawn, in that namespace.

    All of it is in a pid namespace that ends with its first process, however that ends: nspawn by
    itself, when it is killed, leaves the container's PID 1 behind.
    """
    return ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child=SIGKILL",
            "systemd-nspawn", "--quiet", f"--directory={root}", f"--machine={machine}", "--boot",
            "--register=no", "--keep-unit", "--console=pipe", "--capability=all",
            f"--network-namespace-path=/run/netns/{namespace}", f"--bind={bpf}:/sys/fs/bpf",
            f"--hostname={name}", "--system-call-filter=bpf perf_event_open", "--tmpfs=/work", "--",
            "--unit=test.target"]


def find_leader(process, log):
    """The pid of systemd as seen from here, None before it runs: it is a child of nspawn's, which
    is one of unshare's."""
    if process.poll() is not None:
        raise LabError(f"systemd-nspawn ended: {log()}")
    try:
        leaders = [pid for nspawn in children(process.pid) for pid in children(nspawn)
                   if pathlib.Path(f"/proc/{pid}/comm").read_text() == "systemd\n"]
    except (FileNotFoundError, ProcessLookupError):
        return None  # nspawn has children that come and go before
    return leaders[0] if leaders else None


class Container:
    """systemd as PID 1, in the lab's host namespace or another. A context manager; `boot` again is
    a reboot. Several boot at the same time with launch() of each before wait()."""

    def __init__(self, lab, namespace=None, name="systemd"):
        self._lab = lab
        self.name = name
        self._machine = f"{lab.name}-{name}"
        self.namespace = namespace or lab.host
        self._top = lab.directory / name
        self.root = self._top / "merged"
        self._bpf = lab.directory / f"{name}-bpf"
        self._process = None
        self.leader = None
        for directory in (self._top, self._bpf):
            directory.mkdir()
        self._mount("tmpfs", self._top, "mode=0755")
        for part in ("upper", "work", "merged"):
            (self._top / part).mkdir()
        self._mount("overlay", self.root, f"lowerdir=/,upperdir={self._top}/upper,"
                    f"workdir={self._top}/work")
        self._set_up()
        lab.defer(self.halt)

    def _mount(self, kind, where, options):
        run("mount", "-t", kind, "-o", options, kind, where)
        self._lab.defer(run, "umount", "-l", where)

    def _set_up(self):
        """What the machine has enabled is not the test's; a target of its own is."""
        etc = self.root / "etc/systemd/system"
        for link in etc.glob("*.wants"):
            shutil.rmtree(link)
        (etc / "test.target").write_text(TARGET)
        (etc / "test.target.wants").mkdir()
        (self.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        (self.root / "var/lib/man-db/auto-update").unlink(missing_ok=True)  # it takes seconds
        (self.root / "etc/hostname").write_text(f"{self.name}\n")

    def __enter__(self):
        return self.boot()

    def __exit__(self, *_):
        self.halt()

    def boot(self):
        return self.launch().wait()

    def launch(self):
        # A new boot is a new bpf file system, as empty as the kernel's is; root's alone, as there.
        run("mount", "-t", "bpf", "-o", "mode=0700", "bpf", self._bpf)
        self._process = self._lab.popen(self._lab.host, in_cgroup(self._machine, boot_command(
            self.root, self._machine, self.name, self.namespace.name, self._bpf)),
            f"{self.name}.log")
        return self

    def wait(self):
        self.leader = wait_until(lambda: find_leader(self._process, self.console), 20,
                                 f"PID 1 of {self.name} runs")
        wait_until(lambda: self.try_run("systemctl", "is-active", "test.target").returncode == 0,
                   30, f"{self.name} is up: {self.console()}")
        # As on a host that is no container.
        self.run("mount", "-o", "remount,rw,bind", "/proc/sys")
        return self

    def console(self):
        log = self._lab.directory / f"{self.name}.log"
        return log.read_text(errors="replace")[-4000:] if log.exists() else ""

    def halt(self):
        """Ends the container as a power failure does."""
        if self._process:
            end(self._process)
            self._process = None
            # Mount namespaces that others made meanwhile hold this mount, and so its pins, too.
            for pin in self._bpf.iterdir():
                if pin.is_dir():
                    shutil.rmtree(pin)
            run("umount", self._bpf)
            wait_until(self._left_cgroup, 10, f"the processes of {self.name} have ended")

    def _left_cgroup(self):
        try:
            remove_cgroup(self._machine)
        except OSError as problem:
            if problem.errno != errno.EBUSY:
                raise
            return False
        return True

    def try_run(self, *argv, **options):
        """Runs a command in the container, whatever comes of it."""
        return subprocess.run(
            ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w",
             "--", *map(str, argv)], text=True, check=False,
            **{"capture_output": True, "timeout": 60, "stdin": subprocess.DEVNULL,
               "env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                       "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}, **options})

    def run(self, *argv, **options):
        done = self.try_run(*argv, **options)
        assert done.returncode == 0, (f"{self.name}: {argv}: {done.returncode}: {done.stdout}"
                                      f"{done.stderr}")
        return done.stdout + done.stderr

    def json(self, *argv):
        """What beamfence answers."""
        return json.loads(self.run("beamfence", "--json", *argv))

    def show(self, unit, name):
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def write(self, path, text):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def bring(self, file):
        """Copies a file of the machine into the container's /root; its path there."""
        shutil.copy(file, self.root / "root")
        return f"/root/{os.path.basename(file)}"
