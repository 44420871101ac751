# SPDX-License-Identifier: BSD-2-Clause
"""A guest: one kernel in qemu, with this host's files, that runs one command as root.

The guest sees the host's files read-only (virtiofs), below a layer in memory that takes what it
writes: whatever is installed and built here is there, at the same paths. One of another architecture
has files of its own, see machines.py.
"""
import lzma
import os
import pathlib
import re
import selectors
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SERVERS = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")  # Debian 12; 13
MODULES = ("virtio_pci", "virtiofs", "overlay")
MEMORY_MB = 2048
NEEDED = ("busybox", "depmod", "dpkg-deb", "apt-get", "unshare")


def lacks():
    """What this machine lacks to run guests, in words; empty when all is there."""
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    if not _server():
        missing.append("virtiofsd")
    if os.geteuid():
        missing.append("root")
    return ", ".join(missing)


def _server():
    return next((path for path in SERVERS if os.access(path, os.X_OK)), None)


class Guest:
    """Boots at once; its output comes by lines(), its command's exit status is in `status` then.

    `status` stays None where the guest ended without a word or its time was up; `console` is what
    the kernel said. A context manager that ends the processes it started.
    """

    def __init__(self, image, argv, timeout, options=(), wire=None):
        """`options` are more words for the kernel's command line; `wire`: nics.Wire."""
        self.status = None
        self._deadline = time.monotonic() + timeout
        self._work = pathlib.Path(tempfile.mkdtemp(prefix="beamfence-guest-"))
        self._processes = []
        try:
            (self._work / "initramfs").write_bytes(_initramfs(image, argv))
            self._serve_files(image.machine)
            self._boot(image, options, wire)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(self._work, ignore_errors=True)

    @property
    def console(self):
        path = self._work / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def lines(self):
        """What the command prints, line by line, until the guest ends or its time is up."""
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._qemu.stdout, selectors.EVENT_READ)
            while selector.select(max(0, self._deadline - time.monotonic())):
                part = os.read(self._qemu.stdout.fileno(), 65536)
                if not part:
                    break
                *whole, rest = (rest + part).split(b"\n")
                for line in whole:
                    text = line.decode(errors="replace").rstrip("\r")
                    if ended := re.fullmatch(r"guest: exit (\d+)", text):
                        self.status = int(ended[1])
                    else:
                        yield text

    def _popen(self, argv, **options):
        process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL,
                                   **options)
        self._processes.append(process)
        return process

    def _serve_files(self, machine):
        """virtiofsd, for which all is read-only. It ends with its only client."""
        mounts = " && ".join(
            f'mount --rbind {shlex.quote(str(of))} "$1"{shlex.quote(str(place))} && '
            f'mount -o remount,bind,ro "$1"{shlex.quote(str(place))}' for of, place in machine.mounts())
        with socket.socket(socket.AF_UNIX) as listener, \
                open(self._work / "files.log", "wb") as log:
            listener.bind(str(self._work / "files"))
            listener.listen(1)
            number = listener.fileno()
            root = self._work / "root"
            root.mkdir()
            self._popen(["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                         f'{mounts}; shift; exec "$@"',
                         "sh", root, _server(), f"--fd={number}", "-o", f"source={root}",
                         "-o", "cache=always"],
                        pass_fds=(number,), stdout=log, stderr=log)

    def _boot(self, image, options, wire):
        machine = image.machine
        words = (f"console={machine.console}", "panic=-1", "quiet", "random.trust_cpu=on", *options)
        self._qemu = self._popen(
            [*(wire.prefix() if wire else ()), machine.emulator,
             "-accel", "tcg,thread=multi", "-smp", 2, "-m", MEMORY_MB,
             "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
             "-kernel", image.file, "-initrd", self._work / "initramfs",
             "-append", " ".join(words),
             "-chardev", f"file,id=console,path={self._work / 'console'}",
             "-chardev", "stdio,id=output,signal=off", *machine.options,
             "-object", f"memory-backend-memfd,id=memory,size={MEMORY_MB}M,share=on",
             "-numa", "node,memdev=memory",
             "-chardev", f"socket,id=files,path={self._work / 'files'}",
             "-device", "vhost-user-fs-pci,chardev=files,tag=host",
             *(wire.options(machine) if wire else ())],
            stdout=subprocess.PIPE, stderr=open(self._work / "console", "ab"))


def _initramfs(image, argv):
    """An archive (cpio, "newc") with busybox, the first modules, and what is to be run."""
    modules = image.module_files(*MODULES)
    names = [path.name.removesuffix(".xz") for path in modules]
    machine = image.machine
    words = ["sh", machine.inside(HERE / "guest.sh"), machine.inside(image.modules),
             f"/dev/{machine.output}", *argv]
    job = "exec " + " ".join(shlex.quote(str(word)) for word in words)
    files = {"init": (HERE / "init").read_bytes(), "job": job.encode() + b"\n",
             "modules/order": "".join(f"{name}\n" for name in names).encode(),
             "bin/busybox": machine.busybox.read_bytes(),
             **{f"modules/{name}": _content(path) for name, path in zip(names, modules)}}
    archive = b"".join(_entry(name, stat.S_IFDIR | 0o755, b"") for name in ("bin", "modules"))
    for name, content in files.items():
        archive += _entry(name, stat.S_IFREG | 0o755, content)
    return archive + _entry("TRAILER!!!", 0, b"")


def _content(path):
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def _entry(name, mode, content):
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(content)


def _padded(content):
    return content + b"\0" * (-len(content) % 4)
