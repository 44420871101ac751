# SPDX-License-Identifier: BSD-2-Clause
"""make attack-local: what a local user without privileges tries, as a table.

Each attack has to work against version 0.1, or it proves nothing, and to gain nothing with this
build. With --this only this build is tried, the one of BEAMFENCE_BUILD, and the results are JSON.
"""
import concurrent.futures
import json
import os
import subprocess
import sys
import time

import conftest
import local_close
import local_move
import local_open
import local_spend
from kit import other_build
from kit.lab import BUILD, unwind_on_signals
from local_site import Site

AIMS = {"closes a service": local_close.ATTACKS,
        "opens a node's port": local_open.ATTACKS,
        "moves a node's port": local_move.ATTACKS,
        "uses up, or takes away": local_spend.ATTACKS}
ATTACKS = {attack.name: attack for attacks in AIMS.values() for attack in attacks}
AT_ONCE = 4     # most of what an attack does is to wait
ROW = "{:<22} {:<36} {:<42} {}"


def gain(name):
    """What one attack gains, in words, or None."""
    attack = ATTACKS[name]
    with Site(attack.neighbours, attack.clusters) as site:
        return attack.run(site)


def run(names):
    """What each gains, several at a time: words, None, or why it could not be tried."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        attacks = {name: pool.submit(gain, name) for name in names}
    return {name: f"error: {error}" if (error := future.exception()) else future.result()
            for name, future in attacks.items()}


def run_with(build, names):
    """The same with another build, which a process has to be told of before it begins."""
    done = subprocess.run([sys.executable, __file__, "--this", *names], check=True, text=True,
                          stdout=subprocess.PIPE,
                          env={**os.environ, "BEAMFENCE_BUILD": str(build)})
    return json.loads(done.stdout)


def table(old, new):
    lines = [ROW.format("aim", "attack", "0.1", "now")]
    for aim, attacks in AIMS.items():
        lines += [ROW.format(aim, one.name, old[one.name] or "nothing", new[one.name] or "nothing")
                  for one in attacks if one.name in old]
    return "\n".join(lines)


def main(names):
    began = time.monotonic()
    old = run_with(other_build.released("0.1.0"), names)
    between = time.monotonic()
    new = run_with(BUILD, names)
    print(table(old, new))
    print(f"\n{len(names)} attacks; 0.1: {between - began:.0f} s, now: "
          f"{time.monotonic() - between:.0f} s")
    useless = [name for name, what in old.items() if not what or what.startswith("error")]
    works = [name for name, what in new.items() if what]
    if useless or works:
        sys.exit(f"attack-local: FAILED\nnothing gained from 0.1: {'; '.join(useless) or '-'}\n"
                 f"gained now: {'; '.join(works) or '-'}")


if __name__ == "__main__":
    if missing := conftest.lacks():
        sys.exit(f"attack-local: this machine lacks: {missing} (deploy/dependencies.sh check)")
    unwind_on_signals()
    words = [word for word in sys.argv[1:] if word != "--this"]
    chosen = [name for name in ATTACKS if not words or any(word in name for word in words)]
    if "--this" in sys.argv:
        print(json.dumps(run(chosen)))
    else:
        main(chosen)
