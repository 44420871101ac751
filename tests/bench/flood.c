// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sends frames out of an interface as fast as one CPU can: live frames (BPF_PROG_TEST_RUN with
 * BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18 and later) that a small program redirects there.
 *
 * Usage: flood INTERFACE DESTINATION-MAC SECONDS one|many [CPU]
 * TCP SYNs to 10.77.1.1, port 4369: from 10.77.1.2, or from random sources. Prints how many went.
 *
 * Usage: flood level PIN-DIR LEVEL
 * Sets the level of events behind an agent's back: 0 off, 1 limited, 2 all.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../bpf/contract_events.h"
#include "flood.skel.h"
#include "tests/bpf/frames.h"

#define BATCH	   64
#define LIVE	   (1u << 1)  /* BPF_F_TEST_XDP_LIVE_FRAMES */
#define FRAMES_RUN (1u << 20) /* the kernel waits some 20 ms after each run */

static volatile sig_atomic_t ended;

static void on_signal(int signal)
{
	(void)signal;
	ended = 1;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The stack drops what has a wrong one before most firewalls see it (RFC 1071). */
static void set_ipv4_checksum(uint8_t *header)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	header[10] = (uint8_t)(sum >> 8);
	header[11] = (uint8_t)sum;
}

static void build(struct test_frame *frame, const char *mac)
{
	unsigned int bytes[6];

	if (sscanf(mac, "%x:%x:%x:%x:%x:%x", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4],
		   &bytes[5]) != 6)
		errx(2, "\"%s\" is no Ethernet address", mac);
	frame_ipv4(frame_ethernet(frame), "10.77.1.2", "10.77.1.1");
	frame_end(frame_tcp(frame, 40000, 4369, FLAG_SYN));
	set_ipv4_checksum(frame->bytes + frame->ip);
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		frame->bytes[i] = (uint8_t)bytes[i];
}

static void use_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", cpu);
}

static void set_level(const char *pin_dir, enum event_level level)
{
	struct bpf_map_info info = {};
	__u32 info_size = sizeof(info);
	struct event_row *rows;
	char path[256];
	size_t size;
	int fd;

	snprintf(path, sizeof(path), "%s/event-rows", pin_dir);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &info_size))
		err(1, "%s", path);
	size = (info.max_entries * sizeof(*rows) + 4095) / 4096 * 4096;
	rows = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (rows == MAP_FAILED)
		err(1, "%s", path);
	for (__u32 i = 0; i < info.max_entries; i++)
		rows[i].level = level;
}

int main(int argc, char **argv)
{
	struct flood *flood = flood__open();
	static struct test_frame frame;
	unsigned long long sent = 0;
	double start, end;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.bytes, .repeat = FRAMES_RUN,
		    .flags = LIVE, .batch_size = BATCH);

	if (argc == 4 && !strcmp(argv[1], "level")) {
		set_level(argv[2], (enum event_level)atoi(argv[3]));
		return 0;
	}
	if (argc < 5 || !flood)
		errx(2, "usage: flood INTERFACE DESTINATION-MAC SECONDS one|many [CPU]");
	flood->rodata->interface = if_nametoindex(argv[1]);
	flood->rodata->many = !strcmp(argv[4], "many");
	if (!flood->rodata->interface || flood__load(flood))
		err(1, "%s", argv[1]);
	if (argc > 5)
		use_cpu(atoi(argv[5]));
	build(&frame, argv[2]);
	options.data_size_in = (__u32)frame.size;
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	start = now_s();
	end = start + atof(argv[3]);
	while (!ended && now_s() < end) {
		if (bpf_prog_test_run_opts(bpf_program__fd(flood->progs.flood), &options) &&
		    errno != EINTR)
			err(1, "live frames");
		sent += FRAMES_RUN;
	}
	printf("%llu frames in %.3f s: %.0f a second\n", sent, now_s() - start,
	       (double)sent / (now_s() - start));
	return 0;
}
