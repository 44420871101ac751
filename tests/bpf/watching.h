/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The harness with the listener watch beside it, and sockets for it to see. A test is a process of
 * its own, so there is one of everything.
 */
#ifndef BEAMFENCE_TEST_WATCHING_H
#define BEAMFENCE_TEST_WATCHING_H

#include "tests/bpf/harness.h"
#include "user/kernel/fence.h"

#define FIXED_PORT 8443
#define SOME_USER  1000 /* accounts; that of the tests is 0 */
#define OTHER_USER 2000

struct watching {
	struct harness harness;
	struct test_frame frame;
	struct fence fence; /* as much of it as the agent's way to the programs needs */
	struct listeners *watch;
	int link; /* -1 while not attached */
};

extern struct watching watching;

/* The harness alone, where no port is in a cluster and autobound ones are protected. */
void watching_start(void);
void watching_load(uint32_t table_size);
void watching_attach(void);
void watching_detach(void);
void watching_list(void);
/* All of it, with room for 64 listeners. */
void watching_open(void);
void watching_close(void);

/* What the watch reported since the last call, as bits 1 << enum change. */
uint32_t watching_changes(void);

/* This process from now on: its name, and the account that it is put down to. */
void call_myself(const char *name);
void act_for(uint32_t account);
void raise_loopback(void);

/* Where to listen. The address need not be this host's; port 0: the kernel chooses. */
struct place {
	const char *address;
	uint16_t port;
	bool ipv6_only;
	const char *device;
	int protocol;
};

/* Both return a socket; they end the test when they cannot. */
int listen_in(const struct place *place);
int listen_at(const char *address, uint16_t port);
/* On a port that the kernel chooses, at all IPv4 addresses; on a port of its own choice there. */
int autobound(uint16_t *port);
int fixed(uint16_t port);
uint16_t port_of(int fd);

/* Under what a new connection comes in, from a client (IPv4 or IPv6 as the address is). */
enum reason syn_at(const char *address, uint16_t port);
enum reason syn_to(uint16_t port);
enum reason syn6_to(uint16_t port);
/* The same from any address, to @address. */
enum reason syn_from(const char *source, const char *address, uint16_t port);

/* The watch's entry for the one listener on a port; false: there is none. */
bool find_listener(uint16_t port, struct fence_listener *listener);
/* Says of a listener on a port that it is a node's, and has it remembered. */
void settle(uint16_t port, bool node);
void claim(uint16_t port);

int count_entries(void);
/* What the watch holds for an account; all zero where it never heard of it. */
struct user user_of(uint32_t account);
void set_user(uint32_t account, const struct user *user);

/*
 * The listeners on a port by standing, at all addresses and at those in "bindings" together; one
 * for both families counts twice.
 */
uint32_t counted(uint16_t port, enum standing standing);
bool find_binding(const char *address, uint16_t port, struct binding *binding);
bool is_suspect(uint16_t port);

#endif
