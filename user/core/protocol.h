/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * The control protocol, version 1: JSON objects (RFC 8259, UTF-8), one a line ended by a newline,
 * over a unix stream socket of the agent.
 *
 * SOCKETS. control.socket of the configuration, mode 0660, owned by the agent's user and the group
 * control.group, takes every command. With control.readers, "read.sock" beside it, mode 0660 and of
 * that group, takes the commands marked r below and refuses the others with code "denied". Who can
 * connect may ask: nothing else is checked. The agent knows a client's uid and pid from SO_PEERCRED,
 * as of connect(2), and logs both with every command that changes something, done or refused.
 *
 * EXCHANGE. A client sends a request and reads one reply line; it may then send the next. Requests
 * that are sent sooner are answered in order.
 *
 *   {"version": 1, "command": "peers.add", "arguments": {"cluster": "app", "prefix": "10.0.1.9"}}
 *   {"version": 1, "ok": true, "result": ...}
 *   {"version": 1, "ok": false, "error": "one line: what is wrong and what to do", "code": "..."}
 *
 * "arguments" may be left out where a command has none; arguments that a command does not know are
 * ignored. Results may get further members within a version: a client ignores what it does not know.
 *
 * VERSION. There is no greeting: each request names its version. An agent that does not speak it
 * answers with code "version", and the "version" of that reply is the one that it speaks: a client
 * of several versions starts with its highest, and goes on in that one or gives up. A change that
 * could mislead a client of this version raises it.
 *
 * ERRORS. "error" is text for people. "code" is one of
 *   invalid       the request or an argument makes no sense: the same again will fail again
 *   version       the agent speaks another version
 *   unknown       there is no such command
 *   denied        not on this socket; or the configuration's own peers, which only it can change
 *   not-found     no such cluster, peer, interface or trial
 *   busy          another trial is under way, or too many replies wait: try again later
 *   limit         too long or too many
 *   cuts          connections would be cut, and that was to be refused; "result" tells which
 *   failed        everything else, as the kernel refusing
 * After a line that is not JSON, is too long or did not end in time the agent closes the connection
 * when the client has read the reply.
 *
 * LIMITS. A request line has at most PROTOCOL_LINE_MAX bytes, newline included; one for "try" or
 * "check" has at most PROTOCOL_LONG_LINE_MAX, and one client at a time may send such a long line (code "busy").
 * It has at most PROTOCOL_VALUES_MAX values: they take up to a hundred times the memory of their text.
 * Replies have no limit of their own, but a large one is refused (code "busy") while more than 128
 * MiB wait for their readers. A line must end 10 s after its first byte; a client may be silent for
 * 60 s between requests, and may take 30 s for reading anything of a reply: then it is cut off. 64
 * clients are served on each socket: beyond that a newcomer takes the place of the one that has
 * been silent longest.
 *
 * Times are whole seconds since 1970 by the wall clock. What is not known or has no value is null.
 *
 * command         arguments and result
 *
 * status       r  -
 *                 object: version (of the agent), pid, config (path), pin_dir, state_dir (null:
 *                 runtime peers are not kept), mode ("enforce", "audit"), features (object: frags,
 *                 conntrack, gate, listens: whether the kernel has it; the last two are false
 *                 while listeners are not watched), interfaces (list of objects: name, vlan,
 *                 zone ("client", "cluster", "trusted"), attached, attach_mode ("native",
 *                 "generic"), on (the interface that the filter is on, where that is another),
 *                 problem), unassigned, clusters
 *                 (names), discovery (object: listeners, autobound ("protect", "ignore"), fixed
 *                 ("protect", "known")), peers, runtime_peers, peers_limit, protected_ports
 *                 (numbers), last_reload (object: ok, time, error), trial (null, or object: file, uid, pid,
 *                 left_s), config_in_force ("file"; "last-good": the file cannot be used; "trial";
 *                 "confirmed": a trial that was confirmed and is not what the file says),
 *                 warnings (texts)
 * ports        r  -
 *                 list of objects: port, kind ("epmd", "dist"), source ("config", "epmd-listener",
 *                 "autobound", "fixed", "cmdline", "registered"), cluster, node, pid, process,
 *                 address, since. A configured port has one, a discovered one has one for each
 *                 process that listens on it.
 * counters     r  -
 *                 list of objects: interface, zone, verdict ("pass", "drop"), reason, packets,
 *                 bytes
 * metrics      r  -
 *                 text: the page that the endpoint of the metrics serves
 * explain      r  in (interface), src, dst (addresses), dport; vlan, sport (54321), flags ("S":
 *                 letters of FSRPAUEC)
 *                 object: verdict, decision (the verdict, were it not for audit mode), reason, zone,
 *                 cluster, mode, interface, text (the reason in words)
 * peers.list   r  -
 *                 list of objects: cluster, prefix, source ("config", "runtime"); comment, added,
 *                 expires, left_s, added_by (uid), added_by_pid: null for the configuration's
 *                 own, and expires and left_s where a peer has no end; in_force (false: the
 *                 configuration in force has no such cluster)
 * peers.add       cluster, prefix; ttl_s (whole seconds, at most ten years; 0 or absent: no end),
 *                 comment (text, at most 127 bytes)
 *                 object: cluster, prefix, kept, warning. The peer is in force when the reply
 *                 comes. kept: it is on disk too, and outlives the agent; else warning says why
 *                 not. The agent goes on trying to write it. Adding a peer again replaces its end,
 *                 comment and originator.
 * peers.del       cluster, prefix
 *                 object: as of peers.add; not kept means that the peer may come back when the
 *                 agent starts again before it could write its file.
 * reload          cuts ("allow"; "refuse": where connections would be cut nothing changes)
 *                 object: config (path), reloaded, and as of check. Ends a trial. When it fails
 *                 nothing has changed, and a trial goes on.
 * check           config (the whole text of a configuration); name (what messages call it), cuts (as
 *                 of reload)
 *                 object: file; changes (texts, at most 200: what it says other than the one in
 *                 force), added, removed (numbers); cuts (null, or at most 100 objects: remote,
 *                 local, port, cluster, interface, reason, connections), cut_connections (all of
 *                 them), cuts_incomplete, cuts_error. Nothing is changed.
 * try             config (the whole text of a configuration); name (what messages call it;
 *                 "configuration"), for_s (seconds, 1 to 86400; 60)
 *                 object: file, for_s, and as of check. The text is checked wholly, put into force at once, and taken
 *                 back when the time is over. Refused (busy) while another trial is under way. A
 *                 trial is in memory alone: an agent that starts loads the file that it was given.
 * confirm         -
 *                 object: file, config (path of the file that the next start will load), differs
 *                 (that file is not what was tried: install it)
 * revert          -
 *                 object: file. What was in force before the trial is so again.
 * detach          -
 *                 object: detached (names). Every program and pin is gone, and the agent ends.
 *                 Runtime peers stay in the state directory.
 * events       r  last (0 to 1536; 1536), follow (true: see STREAMS)
 *                 list of the last events, oldest first
 * sources      r  -
 *                 list of objects: source, port, interface, reason, verdict, packets. The sources of
 *                 dropped frames of late; packets count from when one came to be known, and may
 *                 begin anew
 * capture         -
 *                 object: frame_size (bytes of a frame that are kept), interfaces (names). A stream.
 *
 * STREAMS. After the reply to "capture", and to "events" with "follow": true, the agent goes on
 * with an object a line until the client goes; what the client sends then means nothing. A reader
 * that is too slow loses lines, and is told how many: {"event": "lost", "count": N}. When it ends
 * its own side (shutdown(2)) the last line is {"event": "end", "lost": N}.
 *
 * An event has "time" (seconds since 1970, with a fraction) and "event":
 *   drop        interface, vlan (0: none), zone, mode, verdict, reason, length (bytes), repeats
 *               (frames of this source and port since their last event), first_sight (nothing was
 *               seen of this source at this port before); where they were read: source,
 *               source_port, destination, port, flags; where it is understood: asked (protocol
 *               "epmd", "dist" or "tls", request, name?). In audit mode the verdict is "pass".
 *   listener    what (came, gone), port, kind, source?, node?, address, pid, process
 *   node        what (registered), node, port, source?
 *   interface   what (attached, reattached, detached, gone), interface, zone?, attach_mode?, problem?
 *   reload      what (done, refused), config, error?
 *   trial       what (begun, ended, over)
 *   peer        what (added, removed, expired), cluster, prefix
 *   agent       what (started, ending, detached), and more
 * There will be more kinds and members: leave alone what is not known.
 *
 * A captured frame has time_ns (since 1970), interface, zone, verdict, reason, length (of the whole
 * frame), ethernet (false: it starts with the IP header), frame (its first bytes in hexadecimal).
 */
/* clang-format on */
#ifndef BEAMFENCE_PROTOCOL_H
#define BEAMFENCE_PROTOCOL_H

#include <stdbool.h>
#include <string.h>
#include <sys/un.h>

#define PROTOCOL_VERSION	1
/* Bytes of a request line, newline included; replies may be longer. */
#define PROTOCOL_LINE_MAX	16384
#define PROTOCOL_LONG_LINE_MAX	(4u << 20) /* for "try": some 100,000 peers */
#define PROTOCOL_VALUES_MAX	65536
#define PROTOCOL_SOCKET_DEFAULT "/run/beamfence/control.sock"
#define PROTOCOL_READ_SOCKET	"read.sock"
#define PROTOCOL_PATH_SIZE	sizeof(((struct sockaddr_un *)0)->sun_path)

/*
 * Writes the path of the socket for readers, beside the control socket. False when it does not fit
 * or is the same.
 */
static inline bool protocol_read_socket(const char *socket, char path[static PROTOCOL_PATH_SIZE])
{
	const char *slash = strrchr(socket, '/');
	const size_t length = slash ? (size_t)(slash - socket) + 1 : 0;

	if (length + sizeof(PROTOCOL_READ_SOCKET) > PROTOCOL_PATH_SIZE ||
	    !strcmp(socket + length, PROTOCOL_READ_SOCKET))
		return false;
	memcpy(path, socket, length);
	memcpy(path + length, PROTOCOL_READ_SOCKET, sizeof(PROTOCOL_READ_SOCKET));
	return true;
}

/*
 * Whether a command changes nothing and shows nothing that is not for everybody: one that the
 * socket for readers takes too. False for a command that is not known.
 */
bool protocol_only_looks(const char *command);

#endif
