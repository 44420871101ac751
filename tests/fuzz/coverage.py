# SPDX-License-Identifier: BSD-2-Clause
"""make fuzz-coverage: which lines and branches of the fuzzed code the corpora reach.

Replays the corpora of tests/fuzz/corpus and what fuzzers have put into BUILD/fuzz/corpus.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# What each is for; other code that it runs through on the way is not counted.
FILES = {
    "asked": ("user/core/asked.c",),
    "cmdline": ("user/core/cmdline.c",),
    "config": ("user/core/document.c", "user/core/config.c", "user/core/config_check.c",
               "user/core/config_lists.c", "user/core/config_mapping.c",
               "user/core/config_values.c", "user/core/address.c"),
    "control": ("user/agent/control_client.c", "user/agent/control_replies.c", "user/agent/control_stream.c",
                "user/agent/commands_arguments.c"),
    "epmd": ("user/core/epmd.c", "user/core/text.c"),
    "frame": ("bpf/frame.h", "bpf/frame_flat.h", "bpf/headers.h"),
    "http": ("user/daemon/http.c", "user/daemon/http_pages.c"),
    "names": ("user/agent/net_side.c",),
    "netlink": ("user/kernel/host.c", "user/core/device.c"),
    "peers": ("user/core/peer_file.c",),
}
ROW = "{:<10} {:<34} {:>13} {:>6} {:>13} {:>6}"


def run(*argv, **options):
    done = subprocess.run([str(word) for word in argv], text=True, capture_output=True,
                          errors="replace", check=False, **options)
    if done.returncode:
        sys.exit(f"{argv[0]}: exit {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def replay(build, name):
    """Runs the corpora through the program that counts; totals by file."""
    program, raw = build / f"cover-{name}", build / "cover" / f"{name}.profraw"
    corpora = [one for one in (HERE / "corpus" / name, build / "fuzz" / "corpus" / name)
               if one.exists()]
    run(program, "-runs=0", "-max_len=36000", *corpora,
        env={**os.environ, "LLVM_PROFILE_FILE": str(raw)})
    merged = raw.with_suffix(".profdata")
    run("llvm-profdata", "merge", raw, "-o", merged)
    report = json.loads(run("llvm-cov", "export", "-summary-only", f"-instr-profile={merged}",
                            program))
    return {os.path.relpath(os.path.realpath(one["filename"]), ROOT): one["summary"]
            for one in report["data"][0]["files"]}


def cells(part):
    return f"{part['covered']}/{part['count']}", f"{part['percent']:.0f} %"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("names", nargs="+", choices=sorted(FILES), metavar="NAME")
    options = parser.parse_args()
    os.chdir(ROOT)
    print(ROW.format("fuzzer", "file", "lines", "", "branches", ""))
    for name in options.names:
        totals = replay(options.build.resolve(), name)
        for file in FILES[name]:
            print(ROW.format(name, file, *cells(totals[file]["lines"]),
                             *cells(totals[file]["branches"])))


if __name__ == "__main__":
    main()
