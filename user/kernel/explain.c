// SPDX-License-Identifier: BSD-2-Clause
/* Asking the program itself: a frame is built and run through it with BPF_PROG_TEST_RUN. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/internal.h"

struct built_frame {
	uint8_t bytes[128];
	size_t size;
};

static void append(struct built_frame *frame, const void *bytes, size_t size)
{
	memcpy(frame->bytes + frame->size, bytes, size);
	frame->size += size;
}

static void append_ethernet(struct built_frame *frame, uint16_t vlan, uint16_t protocol)
{
	static const uint8_t addresses[2 * ETH_ALEN] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	const uint16_t tag[2] = {htons(ETH_P_8021Q), htons(vlan)};
	const uint16_t type = htons(protocol);

	append(frame, addresses, sizeof(addresses));
	if (vlan)
		append(frame, tag, sizeof(tag));
	append(frame, &type, sizeof(type));
}

static void append_ipv4(struct built_frame *frame, const struct fence_question *question)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(sizeof(struct iphdr) + sizeof(struct tcphdr)),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
	};

	memcpy(&ip.saddr, question->source.address + 12, sizeof(ip.saddr));
	memcpy(&ip.daddr, question->destination.address + 12, sizeof(ip.daddr));
	append(frame, &ip, sizeof(ip));
}

static void append_ipv6(struct built_frame *frame, const struct fence_question *question)
{
	struct ipv6hdr ip = {
		.version = 6,
		.payload_len = htons(sizeof(struct tcphdr)),
		.nexthdr = IPPROTO_TCP,
		.hop_limit = 64,
	};

	memcpy(&ip.saddr, question->source.address, sizeof(ip.saddr));
	memcpy(&ip.daddr, question->destination.address, sizeof(ip.daddr));
	append(frame, &ip, sizeof(ip));
}

static void append_tcp(struct built_frame *frame, const struct fence_question *question)
{
	struct tcphdr tcp = {
		.source = htons(question->source_port),
		.dest = htons(question->destination_port),
		.doff = sizeof(tcp) / 4,
	};

	((uint8_t *)&tcp)[13] = question->tcp_flags;
	append(frame, &tcp, sizeof(tcp));
}

static void build_frame(struct built_frame *frame, const struct fence_question *question,
			uint16_t vlan, bool ethernet)
{
	const bool ipv4 = prefix_is_ipv4(&question->source);

	if (ethernet)
		append_ethernet(frame, vlan, ipv4 ? ETH_P_IP : ETH_P_IPV6);
	if (ipv4)
		append_ipv4(frame, question);
	else
		append_ipv6(frame, question);
	append_tcp(frame, question);
}

/* The interface that judges frames of the one called @name; *@vlan: as they come there. */
static const struct base *base_named(struct fence *fence, const char *name, uint16_t *vlan)
{
	for (size_t i = 1; i < ALL_BASES; i++) {
		const struct base *base = &fence->bases[i];

		if (strncmp(base->name, name, INTERFACE_NAME_SIZE) != 0)
			continue;
		if (base_is_upper(fence, base)) {
			if (base->below.vlan)
				*vlan = base->below.vlan;
			base = base_find(fence, base->below.ifindex);
		}
		if (base && base->link_fd >= 0)
			return base;
	}
	return NULL;
}

/* "eth0.120" is the device of that name where there is one, be it VLAN 120 of eth0 or not. */
static const struct base *base_asked(struct fence *fence, const struct fence_question *question,
				     uint16_t *vlan)
{
	char name[2 * INTERFACE_NAME_SIZE];
	const struct base *base = NULL;

	*vlan = 0;
	if (question->vlan && snprintf(name, sizeof(name), "%.15s.%u", question->interface,
				       question->vlan) < INTERFACE_NAME_SIZE)
		base = base_named(fence, name, vlan);
	if (base)
		return base;
	*vlan = question->vlan;
	return base_named(fence, question->interface, vlan);
}

static bool is_gated(const struct fence *fence, const char *name)
{
	for (size_t i = 0; i < fence->state_count; i++)
		if (fence->states[i].gated && !strcmp(fence->states[i].name, name))
			return true;
	return false;
}

static int run(struct fence *fence, const struct base *base, struct built_frame *frame)
{
	struct xdp_md context = {.data_end = (__u32)frame->size, .ingress_ifindex = base->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes,
		    .data_size_in = (__u32)frame->size, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	return bpf_prog_test_run_opts(fence->explaining.programs[base->ethernet], &options) < 0
		       ? -errno
		       : 0;
}

int explain_on(struct fence *fence, const struct base *base, const struct fence_question *question,
	       uint16_t vlan, bool aside, struct fence_answer *answer)
{
	struct explanation *explanation = fence->explaining.explanation;
	const __u32 generation = (fence->tables->generation ^ aside) & 1;
	struct built_frame frame = {};
	int code;

	build_frame(&frame, question, vlan, base->ethernet);
	explanation->aside = aside;
	code = run(fence, base, &frame);
	explanation->aside = false; /* refresh_link() has real frames judged by this program */
	if (code)
		return code;
	*answer = (struct fence_answer){
		.reason = explanation->reason,
		.verdict = explanation->verdict,
		.zone = fence->tables->host.slots[explanation->slot % SLOTS_MAX].zone,
		.mode = (enum mode)fence->tables->policy[generation].mode,
		.cluster = (uint8_t)explanation->cluster,
	};
	return 0;
}

int fence_explain(struct fence *fence, const struct fence_question *question,
		  struct fence_answer *answer, struct error *error)
{
	uint16_t vlan;
	const struct base *base = base_asked(fence, question, &vlan);
	int code;

	if (!base && is_gated(fence, question->interface))
		return error_set(
			error, -ENODEV,
			"frames of interface \"%s\" cannot be read: the gate judges its new "
			"connections, and nothing can be asked about them",
			question->interface);
	if (!base)
		return error_set(error, -ENODEV,
				 "the filter is not on interface \"%s\": its frames all pass "
				 "(\"beamfence status\" lists where it is)",
				 question->interface);
	if (prefix_is_ipv4(&question->source) != prefix_is_ipv4(&question->destination))
		return error_set(error, -EINVAL,
				 "source and destination must be of one address family");
	code = explain_on(fence, base, question, vlan, false, answer);
	return code ? error_set(error, code, "the kernel refuses to run the program: %s",
				strerror(-code))
		    : 0;
}
