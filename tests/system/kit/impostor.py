# SPDX-License-Identifier: BSD-2-Clause
"""Programs that call themselves beam.smp or epmd, and are not: `impostor.py NAME ROLE WORDS…`.

Any process may take any name. The first line of output says that it is ready, or what it has done;
then it stays until it is ended. Nothing but the standard library, for a quick start.
"""
import contextlib
import itertools
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

NAMES_REQUEST = b"\x00\x01n"


def start(lab, name, *words, namespace=None, user=0):
    """Starts an impostor, by default on the host; its output is to be read from process.stdout."""
    become = ("setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups")
    return lab.popen(namespace or lab.host,
                     [*(become if user else ()), sys.executable, "-ISE", __file__, name, *words],
                     "impostor.log", stdout=subprocess.PIPE, text=True)


def said(process):
    """The next line that an impostor prints, in words."""
    words = process.stdout.readline().split()
    assert words, f"the impostor ended: {process.log.read_text()}"
    return words


def alive(port, name, epmd_port=4369):
    """Registers any name with any port at this host's epmd (ALIVE2); it lasts with the socket."""
    text = name.encode()
    request = struct.pack(f">BHBBHHH{len(text)}sH", 120, port, 77, 0, 6, 5, len(text), text, 0)
    connection = socket.create_connection(("127.0.0.1", epmd_port), 5)
    connection.sendall(struct.pack(">H", len(request)) + request)
    answer = connection.recv(16)
    assert answer[:1] in b"vy" and answer[1] == 0, f"epmd refused {name}: {answer}"
    return connection


def listener(address="", port=0):
    """A listener as a node opens it; on a port that the kernel chooses unless told otherwise."""
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in address:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    opened.bind((address, port))
    opened.listen(128)
    return opened


def say(*words):
    print(*words, flush=True)


def again():
    """A listener that was shut down and listens again: on another port, which listen(2) chooses."""
    opened = listener()
    opened.shutdown(socket.SHUT_RDWR)
    opened.listen(1)
    return opened


def unbound():
    """A listener that was never bound: listen(2) chooses the port."""
    opened = socket.socket()
    opened.listen(1)
    return opened


FIXED = range(20000, 20010)  # below what the kernel chooses from
_fixed = itertools.cycle(FIXED)


def fixed():
    """A listener on a port that the process chose itself, the next of a few."""
    return listener("", next(_fixed))


WAYS = {"ipv4": listener, "ipv6": lambda: listener("::"), "again": again, "unbound": unbound,
        "fixed": fixed}


def fail(count, port):
    """Listens that often on a port on which it cannot, since a listener is there already."""
    late = socket.socket()
    late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    first = socket.socket()
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    late.bind(("", int(port)))
    first.bind(("", int(port)))
    first.listen(1)
    for _ in range(int(count)):
        with contextlib.suppress(OSError):
            late.listen(1)
            sys.exit("it listens")
    say("done", count)


def brief(way, count, hold_us):
    """Opens and closes listeners on ports that the kernel chooses, one after another."""
    hold_s = int(hold_us) / 1e6
    for _ in range(int(count)):
        opened = WAYS[way]()
        until = time.perf_counter() + hold_s
        while time.perf_counter() < until:
            pass
        opened.close()
    say("done", count)


def hold(way):
    """Keeps one listener, opened in one of those ways."""
    opened = WAYS[way]()
    say(opened.getsockname()[1])
    signal.pause()


def churn(count):
    """Processes that listen, register with epmd and end without closing anything."""
    for number in range(int(count)):
        child = os.fork()
        if not child:
            opened = listener()
            registered = alive(opened.getsockname()[1], f"churn{number}")
            os.kill(os.getpid(), signal.SIGKILL) if registered else None
        os.waitpid(child, 0)
    say("done", count)


def listen(*addresses):
    """Keeps a listener on each "address,port" ("::,0": any, the kernel's choice)."""
    opened = []
    for one in addresses:
        address, _, port = one.rpartition(",")
        opened.append(listener(address, int(port)))
    say(*[one.getsockname()[1] for one in opened])
    signal.pause()


def many(count):
    """Keeps that many listeners: the first and the last for all addresses, the others for one each.

    (So that the kernel need not search long for a port that is free.)
    """
    number = int(count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number + 100, number + 100))
    addresses = ["", *(f"127.1.{one >> 8}.{one & 255}" for one in range(number - 2)), ""]
    opened = [listener(address) for address in addresses]
    say(*[one.getsockname()[1] for one in (opened[0], opened[-1])])
    signal.pause()


def register(epmd_port, *pairs):
    """Keeps a registration of each "name,port"."""
    kept = []
    for one in pairs:
        name, _, port = one.rpartition(",")
        kept.append(alive(int(port), name, int(epmd_port)))
    say("registered")
    signal.pause()
    return kept


def node(epmd_port="4369"):
    """Listens on a port that the kernel chooses and keeps a connection to epmd, as a node does."""
    opened = listener()
    connection = socket.create_connection(("127.0.0.1", int(epmd_port)), 5)
    say(opened.getsockname()[1])
    signal.pause()
    return connection


def names(behaviour, port):
    """What an epmd that behaves like that sends for NAMES, part by part."""
    yield struct.pack(">I", 4369)
    line = f"name {{}} at port {port}\n"
    if behaviour == "sound":
        yield line.format("sound").encode()
    elif behaviour == "slow":
        for byte in line.format("slow").encode() * 1000:
            time.sleep(0.02)
            yield bytes([byte])
    elif behaviour == "many":
        yield "".join(line.format(f"n{number}") for number in range(10_000)).encode()
    elif behaviour == "wide":
        yield "".join(line.format("\u20ac" * 200 + f"{number:055}")
                      for number in range(1000)).encode()
    elif behaviour == "control":
        for evil in ("\x1b[31mred", "a\rb", "a\tb", "bell\x07", "\x9b31m", "\u202egnp", "\x7f",
                     "line\u2028two", "x\x00y"):
            yield line.format(evil).encode()
        yield b"name \xff\xfe\xc0\x80 at port %d\n" % port
    elif behaviour == "garbage":
        yield os.urandom(100_000)
    elif behaviour == "absurd":
        for text in ("name at port \n", "name x at port 99999999999999999999\n", "name x at port -1\n",
                     f"name x at port {port}", "name " * 1000 + "\n", "\n" * 1000, "%s%n%x\n"):
            yield text.encode()
    elif behaviour == "endless":
        chunk = line.format("endless").encode() * 2000
        while True:
            yield chunk


def activated(*command):
    """Becomes a program that is handed a listener on 4369 by who started it, as systemd does."""
    server = listener("", 4369)
    os.dup2(server.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    say("listening")
    os.execvp(command[0], command)


def answer(behaviour, connection, claimed):
    """One connection to an odd epmd."""
    asked = connection.recv(16) == NAMES_REQUEST
    if asked:
        say("asked")
    if behaviour == "mute" or not asked:
        threading.Event().wait()  # a registration that is kept, or a question not answered
    with connection, contextlib.suppress(OSError):  # who asks may have had enough
        for part in names(behaviour, int(claimed)):
            connection.sendall(part)


def epmd(behaviour, port, claimed):
    """Answers every NAMES in its own way ("mute": not at all); prints a line for each request."""
    server = listener("", int(port))
    say("listening")
    while True:
        arguments = (behaviour, server.accept()[0], claimed)
        threading.Thread(target=answer, args=arguments, daemon=True).start()


ROLES = {"brief": brief, "fail": fail, "hold": hold, "churn": churn, "listen": listen, "register": register, "node": node,
         "epmd": epmd, "many": many, "activated": activated}

if __name__ == "__main__":
    pathlib.Path("/proc/self/comm").write_text(sys.argv[1])
    ROLES[sys.argv[2]](*sys.argv[3:])
