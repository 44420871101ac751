# SPDX-License-Identifier: BSD-2-Clause
"""What guests are made of: this host's own architecture, with its files, or another one.

The files of another one are Debian's packages for it, unpacked below build/kernels/ARCHITECTURE-root
and configured by hand as far as tests need it; the project is built for it by a cross-compiler.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BEAMFENCE_BUILD", ROOT / "build")).resolve()
STORE = BUILD / "kernels"
NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
# Where a guest of another architecture has them.
_PROJECT, _PROJECT_BUILD = pathlib.Path("/beamfence"), pathlib.Path("/beamfence-build")
# name -> its GNU name, emulator and options, the kernel's console, and the serial line beside it.
_KINDS = {
    "amd64": ("x86_64-linux-gnu", "qemu-system-x86_64",
              ("-cpu", "max", "-serial", "chardev:console", "-serial", "chardev:output"),
              "ttyS0", "ttyS1"),
    "arm64": ("aarch64-linux-gnu", "qemu-system-aarch64",
              ("-machine", "virt", "-cpu", "cortex-a72", "-serial", "chardev:console",
               "-device", "pci-serial,chardev=output"),
              "ttyAMA0", "ttyS0"),
}
_TARGETS = ("verify", "test-bpf-plain", "empty.bpf.o", "crowd")
# What the tests that run in guests use, and what the project links with.
_PACKAGES = """base-files base-passwd bash bpftool busybox-static coreutils curl dash erlang-base
erlang-crypto erlang-ssl ethtool findutils gawk grep hostname iproute2 kmod libbpf-dev libc-bin
libc6-dev libcap-ng-dev libcriterion-dev libelf-dev libevent-dev libgcc-12-dev libjansson-dev
libmnl-dev libyaml-dev mount netbase nftables openssl procps python3 python3-pytest python3-scapy
python3-yaml sed strace systemd tcpdump util-linux xdp-tools""".split()


class Unavailable(Exception):
    """A kernel or a machine cannot be had on this host now: why, in words."""


def run(*argv, timeout=300, **options):
    """A program's output. Raises Unavailable with its first words where it fails."""
    if not shutil.which(str(argv[0])):
        raise Unavailable(f"{argv[0]} is missing")
    try:
        done = subprocess.run([str(word) for word in argv], text=True, capture_output=True,
                              check=False, timeout=timeout, stdin=subprocess.DEVNULL, **options)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{argv[0]}: no answer within {timeout} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if re.match("[EW]: ", line)]
        said = (lines or done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[0]
        raise Unavailable(f"{argv[0]}: {said}")
    return done.stdout


class Machine:
    """An architecture: its emulator, and where its guests have their files."""

    def __init__(self, name):
        self.name = name
        self.native = name == NATIVE
        self.triple, self.emulator, self.options, self.console, self.output = _KINDS[name]
        self.files = pathlib.Path("/") if self.native else STORE / f"{name}-root"
        self.build = BUILD if self.native else BUILD / name

    def mounts(self):
        """(place on the host, place in the guest) of all that it sees."""
        if self.native:
            return [("/", "/")]
        return [(self.files, "/"), (ROOT, _PROJECT), (BUILD, _PROJECT_BUILD)]

    def inside(self, path):
        """Where a guest has a file of the project's, or one that was built."""
        for of, place in ((BUILD, _PROJECT_BUILD), (ROOT, _PROJECT)):
            if not self.native and path.is_relative_to(of):
                return place / path.relative_to(of)
        return path

    @property
    def busybox(self):
        return pathlib.Path(shutil.which("busybox") if self.native else self.files / "bin/busybox")

    def prepare(self):
        """Unpacks its files and builds the project for it, where it is not this host's own."""
        if not shutil.which(self.emulator):
            raise Unavailable(f"{self.emulator} is missing")
        if self.native:
            return
        if not self.files.exists():
            _unpack(self.name, self.files)
        _build(self)


def _unpack(name, directory):
    print(f"   unpacking Debian for {name}", flush=True)
    mirror = archive("")
    STORE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=STORE) as work:
        files = pathlib.Path(work) / "files"
        run("mmdebstrap", f"--arch={name}", "--variant=extract",
            f"--include={','.join(_PACKAGES)}", _codename(), files, mirror, timeout=900)
        for kind in ("passwd", "group"):
            shutil.copy(files / f"usr/share/base-passwd/{kind}.master", files / f"etc/{kind}")
        (files / "usr/bin/awk").symlink_to("gawk")
        for place in (_PROJECT, _PROJECT_BUILD):
            (files / place.relative_to("/")).mkdir()
        files.rename(directory)


def _codename():
    release = pathlib.Path("/etc/os-release").read_text()
    return re.search(r"^VERSION_CODENAME=(\w+)", release, re.MULTILINE)[1]


def _build(machine):
    triple, files, build = machine.triple, machine.files, BUILD / machine.name
    environment = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(files), "PKG_CONFIG_LIBDIR":
                   f"{files}/usr/lib/{triple}/pkgconfig:{files}/usr/share/pkgconfig"}
    run("make", "-C", ROOT, "-j2", f"BUILD={build}",
        f"CC={triple}-gcc --sysroot={files} -Wl,-rpath-link,{files}/lib/{triple}",
        f"CLANG=clang -I{files}/usr/include/{triple}", "all",
        *(build / target for target in _TARGETS), env=environment, timeout=900)


def archive(suite):
    """The address of Debian's archive, as this host has it, that holds a suite."""
    listed = run("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)",
                 "Created-By: Packages")
    uris = dict(re.findall(r"^\w+(-\w+)? main (\S+?)/?$", listed, re.MULTILINE))
    plain = uris.get("") or uris.get("-updates")
    security = uris.get("-security") or (plain and f"{plain}-security")
    if not plain:
        raise Unavailable("this host's apt has no source of Debian's archive")
    return security if suite.endswith("-security") else plain
