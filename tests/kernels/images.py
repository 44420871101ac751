# SPDX-License-Identifier: BSD-2-Clause
"""Kernels to test on: Debian's cloud images, from the archive that this host's apt is set up for.

A kernel is named by its series and, if it is not this host's own, its architecture: "6.1",
"6.1-arm64". Unpacked below build/kernels under that name and kept there; nothing of them is installed. apt verifies what
it fetches, with lists and a cache of their own: the host's are left alone.
"""
import functools
import pathlib
import re
import tempfile

from machines import NATIVE, STORE, Machine, Unavailable, archive, run

KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Where kernels of several series are found, in little lists: old and new ones side by side.
SUITES = ("bullseye-security", "bookworm-security", "trixie-security", "trixie-backports")
PACKAGE = re.compile(r"linux-image-(\d+\.\d+)\.\d[^ ]*-cloud-(?:amd64|arm64)")
NEWEST = "newest"


class Image:
    """One unpacked kernel."""

    def __init__(self, directory):
        self.directory = directory
        self.series, self.machine = _parse(directory.name)
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


def _parse(name):
    series, _, architecture = name.partition("-")
    return series, Machine(architecture or NATIVE)


def image(name):
    """The kernel of a series ("6.1"), or the newest there is: unpacked before, or fetched.

    Raises Unavailable, as it does for an architecture that this host cannot emulate.
    """
    try:
        series, machine = _parse(name)
    except KeyError as unknown:
        raise Unavailable(f"no guests of architecture {unknown}") from None
    machine.prepare()
    if series == NEWEST:
        series = newest_series(machine.name)
    directory = STORE / (series if machine.native else f"{series}-{machine.name}")
    if not directory.exists():
        _unpack(machine.name, series, directory)
    return Image(directory)


def newest_series(architecture=NATIVE):
    """By the archive; by what was fetched before where that cannot be reached."""
    try:
        known = _packages(architecture)
    except Unavailable:
        known = {series: None for series, machine in map(_parse, _unpacked())
                 if machine.name == architecture}
        if not known:
            raise
    return max(known, key=_order)


def _unpacked():
    return [path.name for path in STORE.glob("[0-9]*.[0-9]*")]


def _order(version):
    return [int(word) for word in re.findall(r"\d+", version)]


def _unpack(architecture, series, directory):
    try:
        package = max(_packages(architecture)[series], key=_order)
    except KeyError:
        raise Unavailable(f"the archive has no kernel {series} for {architecture}") from None
    STORE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{series}-", dir=STORE) as work:
        work = pathlib.Path(work)
        _apt(architecture, "apt-get", "download", package, *_parts(architecture, package),
             cwd=work)
        for file in work.glob("*.deb"):
            run("dpkg-deb", "-x", file, work / "files")
        # Newer packages have everything below usr/lib/modules, the kernel as well.
        (modules,) = (work / "files").glob("**/lib/modules/*")
        (kernel,) = (path for path in (work / "files").glob("**/vmlinuz*") if path.is_file())
        made = work / "image"
        (made / "lib/modules").mkdir(parents=True)
        kernel.rename(made / "vmlinuz")
        modules.rename(made / "lib/modules" / modules.name)
        run("depmod", "-b", made, modules.name)
        made.rename(directory)


def _parts(architecture, package):
    """The packages of the same build that the kernel and its modules come in, where it is split."""
    shown = _apt(architecture, "apt-cache", "show", package)
    release = package.removeprefix("linux-image-")
    return sorted(set(re.findall(rf"\blinux-(?:binary|modules)-{re.escape(release)}", shown)))


@functools.cache
def _packages(architecture):
    """The kernels of the archive: {series: [package, ...]}. Asks it once."""
    found = {}
    _fetch_lists(architecture)
    for line in _apt(architecture, "apt-cache", "search", "--names-only",
                     "^linux-image-[0-9]").splitlines():
        if match := PACKAGE.fullmatch(line.split()[0]):
            found.setdefault(match[1], []).append(match[0])
    if not found:
        raise Unavailable(f"Debian's archive shows no kernels for {architecture}")
    return found


def _fetch_lists(architecture):
    place = _place(architecture)
    (place / "lists/partial").mkdir(parents=True, exist_ok=True)
    (place / "cache").mkdir(exist_ok=True)
    if not KEYRING.exists():
        raise Unavailable(f"this host does not trust Debian's archive ({KEYRING} is missing)")
    (place / "sources.list").write_text("".join(
        f"deb [arch={architecture} signed-by={KEYRING}] {archive(suite)} {suite} main\n"
        for suite in SUITES))
    try:
        _apt(architecture, "apt-get", "update", timeout=120)
    except Unavailable:
        # One suite that went away is no reason to give up the others; none at all shows later.
        if not list((place / "lists").glob("*Packages*")):
            raise


def _place(architecture):
    return STORE / ("apt" if architecture == NATIVE else f"apt-{architecture}")


def _apt(architecture, tool, *arguments, **options):
    # With Error-Mode=any a list that cannot be fetched is an error, as it is for everybody else.
    place = _place(architecture)
    settings = {"Dir::Etc::sourcelist": place / "sources.list",
                "Dir::Etc::sourceparts": "/dev/null", "Dir::State::lists": place / "lists",
                "Dir::Cache": place / "cache", "APT::Architecture": architecture,
                "APT::Architectures": architecture,
                "APT::Sandbox::User": "root", "APT::Update::Error-Mode": "any",
                "Acquire::Languages": "none", "Acquire::Retries": 1, "Acquire::http::Timeout": 20}
    words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return run(tool, *words, *arguments, **options)
