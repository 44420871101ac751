// SPDX-License-Identifier: GPL-2.0-only
/* The least that could do some of it: one port, plain IPv4 or IPv6 without tags, one counter. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#define IPV4_SIZE     20
#define IPV6_SIZE     40
#define PROTOCOL_IPV4 9
#define PROTOCOL_IPV6 6
#define PORTS_SIZE    4

const volatile __u16 closed_port; /* network byte order */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} dropped SEC(".maps");

SEC("xdp")
int floor_filter(struct xdp_md *context)
{
	const __u8 *data = (void *)(long)context->data;
	const __u8 *end = (void *)(long)context->data_end;
	const __u8 *ip = data + ETH_HLEN, *tcp;
	const __u32 index = 0;
	__u64 *count;
	__u8 protocol;

	if (ip + IPV4_SIZE > end)
		return XDP_PASS;
	switch (*(const __u16 *)(data + 2 * ETH_ALEN)) {
	case __builtin_bswap16(ETH_P_IP):
		protocol = ip[PROTOCOL_IPV4];
		tcp = ip + IPV4_SIZE;
		break;
	case __builtin_bswap16(ETH_P_IPV6):
		protocol = ip[PROTOCOL_IPV6];
		tcp = ip + IPV6_SIZE;
		break;
	default:
		return XDP_PASS;
	}
	if (protocol != IPPROTO_TCP || tcp + PORTS_SIZE > end ||
	    *(const __u16 *)(tcp + 2) != closed_port)
		return XDP_PASS;
	count = bpf_map_lookup_elem(&dropped, &index);
	if (count)
		(*count)++;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
