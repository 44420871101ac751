// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/watching.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct watching watching = {.link = -1};

static uint32_t changes;

void watching_start(void)
{
	struct harness *harness = &watching.harness;

	harness_open(harness, true);
	memset(harness->tables->policy[0].cluster_of, CLUSTER_NOBODY,
	       sizeof(harness->tables->policy[0].cluster_of));
	harness->tables->policy[0].protect_autobound = 1;
}

/* NULL where the kernel refuses it. @listens: with the hook of the BPF LSM. */
static struct listeners *load(uint32_t table_size, bool listens)
{
	struct listeners *watch = listeners__open();
	const struct harness *harness = &watching.harness;
	struct map_fds maps = map_fds_none();
	struct stat status;

	cr_assert_not_null(watch);
	cr_assert_eq(stat("/proc/self/ns/net", &status), 0);
	watch->rodata->namespace_inode = (__u32)status.st_ino;
	bpf_map__set_max_entries(watch->maps.listeners, table_size);
	maps_add(&maps, harness->live->obj);
	maps_share(&maps, watch->obj);
	bpf_program__set_autoload(watch->progs.watch_listens, listens);
	if (!listeners__load(watch))
		return watch;
	listeners__destroy(watch);
	return NULL;
}

void watching_load(uint32_t table_size)
{
	const libbpf_print_fn_t print = libbpf_set_print(NULL);

	watching.watch = load(table_size, true);
	libbpf_set_print(print);
	if (!watching.watch)
		watching.watch = load(table_size, false);
	cr_assert_not_null(watching.watch);
	watching.fence = (struct fence){.live = watching.harness.live,
					.watch = watching.watch,
					.tables = watching.harness.tables};
}

static int note_change(void *context, void *data, size_t size)
{
	(void)context;
	cr_assert_eq(size, sizeof(uint32_t));
	changes |= 1u << *(const uint32_t *)data;
	return 0;
}

uint32_t watching_changes(void)
{
	if (!watching.fence.changes)
		watching.fence.changes = ring_buffer__new(bpf_map__fd(watching.watch->maps.changes),
							  note_change, NULL, NULL);
	cr_assert_not_null(watching.fence.changes);
	changes = 0;
	ring_buffer__consume(watching.fence.changes);
	return changes;
}

void watching_attach(void)
{
	watching.link =
		bpf_raw_tracepoint_open(NULL, bpf_program__fd(watching.watch->progs.watch_states));
	cr_assert_geq(watching.link, 0);
}

void watching_detach(void)
{
	close(watching.link);
	watching.link = -1;
}

void watching_list(void)
{
	struct error error;

	cr_assert_eq(fence_list(&watching.fence, &error), 0, "%s", error.text);
}

void watching_open(void)
{
	watching_start();
	watching_load(64);
	watching_attach();
}

void watching_close(void)
{
	watching_detach();
	ring_buffer__free(watching.fence.changes);
	free(watching.fence.stale);
	listeners__destroy(watching.watch);
	harness_close(&watching.harness);
}

void call_myself(const char *name)
{
	cr_assert_eq(prctl(PR_SET_NAME, name), 0);
}

/* By the real user ID, which gives no rights away. */
void act_for(uint32_t account)
{
	cr_assert_eq(setresuid(account, 0, 0), 0, "%m");
}

void raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static socklen_t make_address(const struct place *place, struct sockaddr_storage *address)
{
	struct sockaddr_in *in = (void *)address;
	struct sockaddr_in6 *in6 = (void *)address;

	*address = (struct sockaddr_storage){};
	if (strchr(place->address, ':')) {
		*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
					     .sin6_port = htons(place->port)};
		cr_assert_eq(inet_pton(AF_INET6, place->address, &in6->sin6_addr), 1);
		return sizeof(*in6);
	}
	*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(place->port)};
	cr_assert_eq(inet_pton(AF_INET, place->address, &in->sin_addr), 1);
	return sizeof(*in);
}

int listen_in(const struct place *place)
{
	const int ipv6_only = place->ipv6_only, on = 1;
	struct sockaddr_storage address;
	const socklen_t size = make_address(place, &address);
	const int fd = socket(address.ss_family, SOCK_STREAM, place->protocol);

	cr_assert_geq(fd, 0, "%m");
	if (address.ss_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &ipv6_only, sizeof(ipv6_only));
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	}
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (place->device)
		cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, place->device,
					(socklen_t)strlen(place->device)),
			     0, "%m");
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0, "%s: %m", place->address);
	cr_assert_eq(listen(fd, 8), 0, "%s: %m", place->address);
	return fd;
}

int listen_at(const char *address, uint16_t port)
{
	return listen_in(&(struct place){.address = address, .port = port});
}

uint16_t port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0, "%m");
	return ntohs(((struct sockaddr_in *)&address)->sin_port); /* in the same place for both */
}

int autobound(uint16_t *port)
{
	const int fd = listen_at("0.0.0.0", 0);

	*port = port_of(fd);
	return fd;
}

int fixed(uint16_t port)
{
	return listen_at("0.0.0.0", port);
}

enum reason syn_from(const char *source, const char *address, uint16_t port)
{
	frame_ethernet(&watching.frame);
	if (strchr(address, ':'))
		frame_ipv6(&watching.frame, source, address);
	else
		frame_ipv4(&watching.frame, source, address);
	frame_end(frame_tcp(&watching.frame, 40000, port, FLAG_SYN));
	return harness_run(&watching.harness, &watching.frame).reason;
}

enum reason syn_at(const char *address, uint16_t port)
{
	return syn_from(strchr(address, ':') ? CLIENT_IPV6 : CLIENT_IPV4, address, port);
}

enum reason syn_to(uint16_t port)
{
	return syn_at(HOST_IPV4, port);
}

enum reason syn6_to(uint16_t port)
{
	return syn_at(HOST_IPV6, port);
}

bool find_listener(uint16_t port, struct fence_listener *listener)
{
	struct fence_listener *list = NULL;
	const int count = fence_listeners(&watching.fence, &list);
	bool found = false;

	cr_assert_geq(count, 0);
	for (int i = 0; i < count; i++)
		if (list[i].listener.port == port) {
			*listener = list[i];
			found = true;
		}
	free(list);
	return found;
}

void settle(uint16_t port, bool node)
{
	struct fence_listener listener;

	cr_assert(find_listener(port, &listener));
	cr_assert_eq(fence_settle(&watching.fence, listener.socket, node), 0);
}

void claim(uint16_t port)
{
	struct fence_listener listener;

	cr_assert(find_listener(port, &listener));
	settle(port, true);
	fence_claim(&watching.fence, listener.listener.account, port, CLAIM_REGISTERED);
}

int count_entries(void)
{
	struct fence_listener *list = NULL;
	const int count = fence_listeners(&watching.fence, &list);

	free(list);
	return count;
}

struct user user_of(uint32_t account)
{
	struct user user = {};

	bpf_map_lookup_elem(bpf_map__fd(watching.watch->maps.users), &account, &user);
	return user;
}

void set_user(uint32_t account, const struct user *user)
{
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(watching.watch->maps.users), &account, user,
					 BPF_ANY),
		     0);
}

static struct binding_key binding_key(const char *address, uint16_t port)
{
	struct binding_key key = {.port = port};
	struct prefix prefix;

	cr_assert_eq(prefix_parse(address, &prefix, NULL), 0);
	memcpy(key.address, prefix.address, sizeof(key.address));
	return key;
}

bool find_binding(const char *address, uint16_t port, struct binding *binding)
{
	const struct binding_key key = binding_key(address, port);

	return !bpf_map_lookup_elem(bpf_map__fd(watching.harness.live->maps.bindings), &key,
				    binding);
}

uint32_t counted(uint16_t port, enum standing standing)
{
	const int map = bpf_map__fd(watching.harness.live->maps.bindings);
	const uint32_t count = watching.harness.tables->here.listeners[port].counts[standing];
	uint32_t sum = (count & 0xffff) + (count >> 16);
	struct binding_key key, *previous = NULL;
	struct binding binding;

	while (!bpf_map_get_next_key(map, previous, &key)) {
		previous = &key;
		if (key.port == port && !bpf_map_lookup_elem(map, &key, &binding))
			sum += binding.counts[standing];
	}
	return sum;
}

bool is_suspect(uint16_t port)
{
	return watching.harness.tables->here.suspects[0][port / 64] >> port % 64 & 1;
}
