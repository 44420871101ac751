# SPDX-License-Identifier: BSD-2-Clause
"""Kernels to test on: Debian's cloud images, from the archive that this host's apt is set up for.

Unpacked below build/kernels/SERIES and kept there; nothing of them is installed. apt verifies what
it fetches, with lists and a cache of their own: the host's are left alone.
"""
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
STORE = pathlib.Path(os.environ.get("BEAMFENCE_BUILD", ROOT / "build")).resolve() / "kernels"
KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Where kernels of several series are found, in little lists: old and new ones side by side.
SUITES = ("bullseye-security", "bookworm-security", "trixie-security", "trixie-backports")
PACKAGE = re.compile(r"linux-image-((\d+\.\d+)\.\d[^ ]*-cloud-amd64)")
NEWEST = "newest"


class Unavailable(Exception):
    """A kernel cannot be had on this machine now: why, in words."""


class Image:
    """One unpacked kernel."""

    def __init__(self, directory):
        self.directory = directory
        self.series = directory.name
        (self.modules,) = directory.glob("lib/modules/*")
        self.release = self.modules.name
        self.file = directory / "vmlinuz"

    def module_files(self, *names):
        """The files of these modules and of all that they need, in the order to load them in."""
        needs = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            path, _, others = line.partition(":")
            name = pathlib.Path(path).name.partition(".ko")[0].replace("-", "_")
            needs[name] = [*reversed(others.split()), path]
        paths = [path for name in names for path in needs.get(name, ())]
        return [self.modules / path for path in dict.fromkeys(paths)]


def image(series):
    """The kernel of a series ("6.1"), or the newest there is: unpacked before, or fetched."""
    if series == NEWEST:
        series = newest_series()
    directory = STORE / series
    if not directory.exists():
        _unpack(series, directory)
    return Image(directory)


def newest_series():
    """By the archive; by what was fetched before where that cannot be reached."""
    try:
        known = _packages()
    except Unavailable:
        known = {path.name: None for path in STORE.glob("[0-9]*.[0-9]*")}
        if not known:
            raise
    return max(known, key=_order)


def _order(version):
    return [int(word) for word in re.findall(r"\d+", version)]


def _unpack(series, directory):
    try:
        package = max(_packages()[series], key=_order)
    except KeyError:
        raise Unavailable(f"the archive has no kernel {series}") from None
    STORE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{series}-", dir=STORE) as work:
        work = pathlib.Path(work)
        _apt("apt-get", "download", package, *_parts(package), cwd=work)
        for file in work.glob("*.deb"):
            _run("dpkg-deb", "-x", file, work / "files")
        # Newer packages have everything below usr/lib/modules, the kernel as well.
        (modules,) = (work / "files").glob("**/lib/modules/*")
        (kernel,) = (path for path in (work / "files").glob("**/vmlinuz*") if path.is_file())
        made = work / "image"
        (made / "lib/modules").mkdir(parents=True)
        kernel.rename(made / "vmlinuz")
        modules.rename(made / "lib/modules" / modules.name)
        _run("depmod", "-b", made, modules.name)
        made.rename(directory)


def _parts(package):
    """The packages of the same build that the kernel and its modules come in, where it is split."""
    shown = _apt("apt-cache", "show", package)
    release = package.removeprefix("linux-image-")
    return sorted(set(re.findall(rf"\blinux-(?:binary|modules)-{re.escape(release)}", shown)))


@functools.cache
def _packages():
    """The kernels of the archive: {series: [package, ...]}. Asks it once."""
    found = {}
    _fetch_lists()
    for line in _apt("apt-cache", "search", "--names-only", "^linux-image-[0-9]").splitlines():
        if match := PACKAGE.fullmatch(line.split()[0]):
            found.setdefault(match[2], []).append(match[0])
    if not found:
        raise Unavailable("Debian's archive shows no kernels for amd64")
    return found


def _fetch_lists():
    (STORE / "apt/lists/partial").mkdir(parents=True, exist_ok=True)
    (STORE / "apt/cache").mkdir(exist_ok=True)
    (STORE / "apt/sources.list").write_text("".join(
        f"deb [arch=amd64 signed-by={KEYRING}] {_archive(suite)} {suite} main\n"
        for suite in SUITES))
    try:
        _apt("apt-get", "update", timeout=120)
    except Unavailable:
        # One suite that went away is no reason to give up the others; none at all shows later.
        if not list((STORE / "apt/lists").glob("*Packages*")):
            raise


def _archive(suite):
    """The address of Debian's archive, as this host has it, that holds a suite."""
    if not KEYRING.exists():
        raise Unavailable(f"this host does not trust Debian's archive ({KEYRING} is missing)")
    listed = _run("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)",
                  "Created-By: Packages")
    uris = dict(re.findall(r"^\w+(-\w+)? main (\S+?)/?$", listed, re.MULTILINE))
    plain = uris.get("") or uris.get("-updates")
    security = uris.get("-security") or (plain and f"{plain}-security")
    if not plain:
        raise Unavailable("this host's apt has no source of Debian's archive")
    return security if suite.endswith("-security") else plain


def _apt(tool, *arguments, **options):
    # With Error-Mode=any a list that cannot be fetched is an error, as it is for everybody else.
    settings = {"Dir::Etc::sourcelist": STORE / "apt/sources.list",
                "Dir::Etc::sourceparts": "/dev/null", "Dir::State::lists": STORE / "apt/lists",
                "Dir::Cache": STORE / "apt/cache", "APT::Architecture": "amd64",
                "APT::Sandbox::User": "root", "APT::Update::Error-Mode": "any",
                "Acquire::Languages": "none", "Acquire::Retries": 1, "Acquire::http::Timeout": 20}
    words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return _run(tool, *words, *arguments, **options)


def _run(*argv, timeout=300, **options):
    if not shutil.which(argv[0]):
        raise Unavailable(f"{argv[0]} is missing")
    try:
        done = subprocess.run([str(word) for word in argv], text=True, capture_output=True,
                              check=False, timeout=timeout, stdin=subprocess.DEVNULL, **options)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{argv[0]}: no answer within {timeout} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
        said = (lines or done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[0]
        raise Unavailable(f"{argv[0]}: {said}")
    return done.stdout
