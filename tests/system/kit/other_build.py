# SPDX-License-Identifier: BSD-2-Clause
"""Another version: the same sources with another program and, if wanted, another layout."""
import re
import shutil

from kit.lab import BUILD, ROOT, run

PIECES = ("Makefile", "bpf", "user")
RELEASES = {"0.1.0": "d677f7790951972bd685d9f9eeaf79893ffbf77c"}


def change(path, *changes):
    """Replaces what each pattern finds first, and insists on finding it."""
    text = path.read_text()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text, count=1)
        assert count, f"{path.name} has no {pattern}"
    path.write_text(text)


def alter(tree, version, layout=None):
    """Makes the source tree that of another version, with a layout of this number if there is one."""
    change(tree / "Makefile", (r"VERSION := .*", f"VERSION := {version}"))
    change(tree / "bpf" / "contract.h", (r"(VLAN_TAGS_MAX\s+)\d+", r"\g<1>3"))
    if layout is not None:
        change(tree / "bpf" / "contract.h",
                (r"(#define CONTRACT_VERSION )\d+", rf"\g<1>{layout}"),
                (r"(struct policy_tables \{)", r"\1\n\t__u64 moved[100];"),
                (r"(struct slot \{[^}]*)\}", r"\1\t__u64 moved[2];\n}"),
                (r"sizeof\(struct slot\) == \d+", "sizeof(struct slot) != 0"))
        change(tree / "bpf" / "contract_events.h",
               (r"(#define EVENTS_VERSION\s+)\d+", rf"\g<1>{layout}"))


def build(directory, layout):
    """Builds the next version below `directory` and returns its agent's path."""
    for piece in PIECES:
        source, target = ROOT / piece, directory / piece
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    (directory / "tests").mkdir()
    shutil.copy(ROOT / "tests/tests.mk", directory / "tests")
    alter(directory, "99.0", 990 if layout else None)
    run("make", "-C", directory, "-j2", "all", f"BUILD={directory / 'build'}", timeout=300)
    assert (directory / "build" / "beamfenced").stat().st_ino != BUILD.stat().st_ino
    return directory / "build" / "beamfenced"


def released(version):
    """A version that was released: built once, below the build directory, which is returned."""
    tree = BUILD / version
    if not (tree / "build" / "beamfenced").exists():
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        archive = tree / "source.tar"
        run("git", "-C", ROOT, "archive", "-o", archive, RELEASES[version], *PIECES)
        run("tar", "-C", tree, "-xf", archive)
        run("make", "-C", tree, "-j2", "all", "BUILD=build", timeout=300)
    return tree / "build"
