/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control protocol, version 1: JSON objects, one a line, over the agent's unix stream socket.
 * A client sends a request and reads one reply line; it may then send the next.
 *
 *   {"version": 1, "command": "peers.add", "arguments": {"cluster": "app", "prefix": "10.0.1.9"}}
 *   {"version": 1, "ok": true, "result": …}
 *   {"version": 1, "ok": false, "error": "one line: what is wrong and what to do"}
 *
 * command       arguments                                result
 * status        -                                        object: mode, interfaces (name, zone,
 *                                                        attached, attach_mode, problem),
 *                                                        unassigned (names), and more
 * ports         -                                        list: port, kind ("epmd", "dist"), source,
 *                                                        cluster, node, pid, process, address,
 *                                                        since (seconds since 1970); null where
 *                                                        unknown
 * peers.list    -                                        list: cluster, prefix, source ("config",
 *                                                        "runtime"), comment, expires (seconds
 * since 1970, null: never), added_by (uid) peers.add     cluster, prefix, ttl_s?, comment? object:
 * cluster, prefix peers.del     cluster, prefix                          object: cluster, prefix
 * counters      -                                        list: interface, zone, verdict, reason,
 *                                                        packets, bytes
 * explain       in, vlan?, src, dst, dport, sport?,      object: verdict, reason, zone, cluster,
 *               flags?                                   mode, interface, text
 * reload        -                                        object: config (path)
 * detach        -                                        object: detached (names); the agent ends
 */
#ifndef BEAMFENCE_PROTOCOL_H
#define BEAMFENCE_PROTOCOL_H

#define PROTOCOL_VERSION 1
#define PROTOCOL_LINE_MAX \
	16384 /* bytes of a request line, newline included; replies may be longer */
#define PROTOCOL_SOCKET_DEFAULT "/run/beamfence/control.sock"

#endif
