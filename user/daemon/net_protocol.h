/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * What agent and network side say to each other. The network side is a second program (user/net)
 * without any privilege, which speaks TCP with strangers for the agent. It connects to a socket of
 * its own, which speaks the control protocol (core/protocol.h) with these commands and no others:
 *
 * serve       -
 *             null. A stream, on which the agent says what is to be done:
 *               {"listen": {"host": "127.0.0.1", "port": 9369}, "id": N}   serve the metrics there,
 *               {"listen": null, "id": N}                                  or nowhere any more
 *               {"ask": 4369, "id": N}                                     ask the epmd at that port
 *               {"probe": {"address": "::", "port": 9100, "timeout_ms": 1000}, "id": N}
 *                                                          ask that port whether it is the distribution
 *             One program serves at a time: a newcomer takes the place of the former.
 * listening   id (of that "listen"), error (text; null: it works). Result: null.
 * names       id (of that "ask"), code (0, or a negative errno), nodes (list of pairs, name and
 *             port: shorter than what epmd sent). Result: null.
 * probed      id (of that "probe"), code (as there), outcome (where code is 0: "distribution", "tls",
 *             "other" or "closed"), name (the node's, "app@host"; "": not told). Result: null.
 * metrics     -. Result: text, the page.
 * health      -. Result: null; an error where something is open, whose text is what and why.
 */
/* clang-format on */
#ifndef BEAMFENCE_NET_PROTOCOL_H
#define BEAMFENCE_NET_PROTOCOL_H

#define NET_SOCKET_DEFAULT "/run/beamfence/net.sock"

#endif
