// SPDX-License-Identifier: BSD-2-Clause
/* One network namespace with a TAP device, listeners, connections and probes. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/oracle/oracle.h"
#include "tests/oracle/segment.h"
/* Takes the types of signals.h for known. */
#include "probe.skel.h"

#define DEVICE	    "tap0"
#define TCX_INGRESS 46 /* BPF_TCX_INGRESS and BPF_TCX_EGRESS, Linux 6.6 */
#define TCX_EGRESS  47

#ifndef SO_ATTACH_BPF
#define SO_ATTACH_BPF 50
#endif

/*
 * Answers go to a neighbour that is known; nothing limits or forgets what a probe could see; and
 * what a host may switch on that leads frames on to TCP is switched on.
 */
static const char *const commands[] = {
	"ip link set lo up",
	"ip link set " DEVICE " address 02:88:00:00:00:01 up",
	"ip addr add " HOST4_FIRST "/24 dev " DEVICE,
	"ip addr add " HOST4_SECOND "/24 dev " DEVICE,
	"ip addr add " HOST6_FIRST "/64 dev " DEVICE " nodad",
	"ip addr add " HOST6_SECOND "/64 dev " DEVICE " nodad",
	"ip neigh add 10.88.0.254 lladdr 02:88:00:00:00:02 dev " DEVICE " nud permanent",
	"ip neigh add fd88::fe lladdr 02:88:00:00:00:02 dev " DEVICE " nud permanent",
	"ip route add default via 10.88.0.254",
	"ip -6 route add default via fd88::fe",
};

static const struct {
	const char *name, *value;
} settings[] = {
	{"net/ipv4/tcp_syncookies", "2"},
	{"net/ipv4/icmp_ratelimit", "0"},
	{"net/ipv6/icmp/ratelimit", "0"},
	{"net/ipv4/ipfrag_high_thresh", "1073741824"},
	{"net/ipv4/ipfrag_low_thresh", "1000000000"},
	{"net/ipv4/ipfrag_max_dist", "0"},
	{"net/ipv4/ipfrag_time", "2"},
	{"net/ipv6/ip6frag_high_thresh", "1073741824"},
	{"net/ipv6/ip6frag_low_thresh", "1000000000"},
	{"net/ipv6/ip6frag_time", "2"},
	{"net/ipv4/conf/all/rp_filter", "0"},
	{"net/ipv4/conf/" DEVICE "/rp_filter", "0"},
	{"net/ipv4/conf/all/accept_source_route", "1"},
	{"net/ipv4/conf/" DEVICE "/accept_source_route", "1"},
	{"net/ipv4/conf/" DEVICE "/route_localnet", "0"},
	{"net/ipv4/conf/all/accept_redirects", "0"},
	{"net/ipv6/conf/" DEVICE "/accept_ra", "0"},
	{"net/ipv6/conf/" DEVICE "/accept_redirects", "0"},
	{"net/ipv6/conf/" DEVICE "/accept_source_route", "1"},
	{"net/ipv6/conf/all/seg6_enabled", "1"},
	{"net/ipv6/conf/" DEVICE "/seg6_enabled", "1"},
	{"net/ipv6/conf/all/rpl_seg_enabled", "1"},
	{"net/ipv6/conf/" DEVICE "/rpl_seg_enabled", "1"},
};

static void write_setting(const char *name, const char *value)
{
	char path[128];
	int file;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0 && errno == ENOENT)
		return; /* this kernel has not got it */
	if (file < 0 || write(file, value, strlen(value)) < 0)
		err(2, "%s", path);
	close(file);
}

static int open_tap(void)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI, .ifr_name = DEVICE};
	/* Only what is written without blocking gets a native program's fast path. */
	const int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (tap < 0 || ioctl(tap, TUNSETIFF, &request))
		err(2, "/dev/net/tun");
	return tap;
}

union address {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
};

static socklen_t make_address(union address *address, const char *host, uint16_t port)
{
	memset(address, 0, sizeof(*address));
	if (strchr(host, ':')) {
		address->ipv6.sin6_family = AF_INET6;
		address->ipv6.sin6_port = htons(port);
		inet_pton(AF_INET6, host, &address->ipv6.sin6_addr);
		return sizeof(address->ipv6);
	}
	address->ipv4.sin_family = AF_INET;
	address->ipv4.sin_port = htons(port);
	inet_pton(AF_INET, host, &address->ipv4.sin_addr);
	return sizeof(address->ipv4);
}

/* Sockets live as long as the program does. */
static int bound_socket(const char *host, uint16_t port)
{
	union address address;
	const socklen_t size = make_address(&address, host, port);
	const int one = 1, retries = 30;
	const int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(2, "socket");
	if (address.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &retries, sizeof(retries));
	if (bind(fd, &address.any, size))
		err(2, "bind %s %u", host, port);
	return fd;
}

static int listen_on(const char *host, uint16_t port)
{
	const int fd = bound_socket(host, port);

	if (listen(fd, 4096))
		err(2, "listen");
	return fd;
}

static void attach_filter(int fd, const struct bpf_program *program)
{
	const int program_fd = bpf_program__fd(program);

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program_fd, sizeof(program_fd)))
		err(2, "a socket's filter");
}

static void connect_to(int fd, const char *host, uint16_t port)
{
	union address address;
	const socklen_t size = make_address(&address, host, port);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, &address.any, size) && errno != EINPROGRESS)
		err(2, "connect");
}

static void write_segment(const struct world *world, const struct segment *segment)
{
	uint8_t frame[128];
	const size_t size = segment_write(segment, frame);

	if (write(world->tap_fd, frame, size) != (ssize_t)size)
		err(2, "write");
}

/* The next TCP segment that the host sends between two ports. */
static struct segment read_segment(const struct world *world, uint16_t source, uint16_t destination)
{
	struct pollfd wait = {.fd = world->tap_fd, .events = POLLIN};
	struct segment segment;
	uint8_t frame[FRAME_BYTES];

	while (poll(&wait, 1, 2000) > 0) {
		const ssize_t size = read(world->tap_fd, frame, sizeof(frame));

		if (size > 0 && segment_read(&segment, frame, (size_t)size) &&
		    segment.source_port == source && segment.destination_port == destination)
			return segment;
	}
	errx(2, "the host sent no segment from port %u to port %u", source, destination);
}

/* A connection that the host opens from a protected port; answered, or left waiting. */
static void open_outbound(struct world *world, const struct probe *probe, bool ipv6, uint16_t port,
			  bool answered)
{
	const int fd = bound_socket(ipv6 ? HOST6_FIRST : HOST4_FIRST, port);
	struct segment syn, reply;

	connect_to(fd, ipv6 ? CLIENT6 : CLIENT4, PORT_REMOTE);
	syn = read_segment(world, port, PORT_REMOTE);
	if (answered) {
		reply = segment_to_host(ipv6, PORT_REMOTE, port, TCP_FLAG_SYN | TCP_FLAG_ACK);
		reply.acknowledgement = syn.sequence + 1;
		write_segment(world, &reply);
	}
	attach_filter(fd, probe->progs.outbound);
}

/* A connection that a client had before the filter came. */
static void open_child(struct world *world, const struct probe *probe, bool ipv6, int listener)
{
	struct segment segment = segment_to_host(ipv6, PORT_CHILD, PORT_NODE, TCP_FLAG_SYN);
	struct segment answer;
	int fd;

	write_segment(world, &segment);
	answer = read_segment(world, PORT_NODE, PORT_CHILD);
	segment.flags = TCP_FLAG_ACK;
	segment.sequence++;
	segment.acknowledgement = answer.sequence + 1;
	write_segment(world, &segment);
	fcntl(listener, F_SETFL, O_NONBLOCK);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		err(2, "the listener has no connection");
	attach_filter(fd, probe->progs.child);
}

static void open_listeners(struct world *world, const struct probe *probe)
{
	static const uint16_t ports[] = {PORT_EPMD, PORT_NODE, PORT_BYTES, PORT_TOOL};
	static const char *const hosts[2][3] = {{"0.0.0.0", HOST4_FIRST, HOST4_SECOND},
						{"::", HOST6_FIRST, HOST6_SECOND}};

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
			const int fd = listen_on(hosts[ipv6][0], ports[i]);

			if (ports[i] == PORT_NODE)
				open_child(world, probe, ipv6, fd);
			attach_filter(fd, probe->progs.listener);
			world->signals->protected[ports[i]] = 2;
		}
		attach_filter(listen_on(hosts[ipv6][1], PORT_FIRST), probe->progs.listener);
		attach_filter(listen_on(hosts[ipv6][2], PORT_SECOND), probe->progs.listener);
		open_outbound(world, probe, ipv6, PORT_OUTBOUND, true);
		open_outbound(world, probe, ipv6, PORT_CONNECTING, false);
	}
}

static void open_raw(int family, int protocol, const struct bpf_program *program)
{
	const int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, protocol);
	struct ip_mreqn group = {.imr_ifindex = (int)if_nametoindex(DEVICE)};

	if (fd < 0)
		err(2, "raw socket");
	attach_filter(fd, program);
	if (protocol != 112)
		return;
	inet_pton(AF_INET, VRRP4, &group.imr_multiaddr);
	if (family == AF_INET &&
	    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)))
		err(2, "multicast group");
}

static void open_raw_sockets(const struct probe *probe)
{
	static const int others[2][4] = {{IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_IGMP, 112},
					 {IPPROTO_UDP, IPPROTO_ICMPV6, IPPROTO_SCTP, 112}};

	open_raw(AF_INET, IPPROTO_TCP, probe->progs.raw_tcp4);
	open_raw(AF_INET6, IPPROTO_TCP, probe->progs.raw_tcp6);
	for (int i = 0; i < 4; i++) {
		open_raw(AF_INET, others[0][i], probe->progs.raw_other);
		open_raw(AF_INET6, others[1][i], probe->progs.raw_other);
	}
}

/* By tcx (Linux 6.6), or else by the qdisc that did the same before. */
static void watch(const struct world *world, const struct bpf_program *program, bool ingress)
{
	const enum bpf_tc_attach_point point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
	const int fd = bpf_program__fd(program);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)world->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = fd);
	int code;

	if (bpf_link_create(fd, (int)world->ifindex, ingress ? TCX_INGRESS : TCX_EGRESS, NULL) >= 0)
		return;
	code = bpf_tc_hook_create(&hook);
	hook.attach_point = point;
	if ((code && code != -EEXIST) || bpf_tc_attach(&hook, &options))
		err(2, "neither tcx nor clsact takes a program on " DEVICE);
}

void world_make(struct world *world, enum filter_mode mode, const char *object)
{
	struct probe *probe;

	*world = (struct world){.mode = mode};
	if (unshare(CLONE_NEWNET))
		err(2, "a network namespace: this needs root");
	world->namespace_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	world->tap_fd = open_tap();
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (system(commands[i]))
			errx(2, "\"%s\" failed", commands[i]);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		write_setting(settings[i].name, settings[i].value);
	world->ifindex = if_nametoindex(DEVICE);
	probe = probe__open_and_load();
	if (!probe)
		err(2, "probe");
	world->signals = (volatile struct signals *)&probe->bss->signals;
	for (uint32_t port = 0; port < 65536; port++)
		world->signals->protected[port] = port_is_protected((uint16_t)port);
	open_listeners(world, probe);
	open_raw_sockets(probe);
	watch(world, probe->progs.arrive, true);
	watch(world, probe->progs.answer, false);
	if (mode == FILTER_NONE)
		return;
	world->judge = judge_load(object, world->ifindex);
	if (bpf_xdp_attach((int)world->ifindex, judge_program(world->judge),
			   mode == FILTER_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE, NULL))
		err(2, "the filter does not attach");
}

bool world_send(struct world *world, const struct frame *frame)
{
	const uint32_t before = world->signals->arrival.count;

	if (write(world->tap_fd, frame->bytes, frame->size) < 0 && errno != EINVAL)
		err(2, "a frame of %u bytes", frame->size);
	return world->signals->arrival.count != before;
}
