// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes in the network stack of one world. The stack itself says where a frame got to: a filter on
 * each socket runs when TCP (or IP, for raw sockets) has found that socket for a packet.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "signals.h"

#define TCP_FLAGS 13
#define SYN	  0x02
#define ACK	  0x10

struct signals signals;

/* What the host sends to itself, for instance an answer to a forged address of its own. */
static __always_inline bool is_looped(const struct __sk_buff *skb)
{
	return skb->ifindex == 1;
}

/* At ingress, behind XDP. After generic XDP the kernel shows no Ethernet header to such a program.
 */
SEC("tc")
int arrive(struct __sk_buff *skb)
{
	struct arrival *arrival = &signals.arrival;
	__u32 first = 0, mac = 0;
	__u32 size = skb->len;

	bpf_skb_load_bytes_relative(skb, 0, arrival->macs, sizeof(arrival->macs),
				    BPF_HDR_START_MAC);
	bpf_skb_load_bytes_relative(skb, 0, &mac, sizeof(mac), BPF_HDR_START_MAC);
	bpf_skb_load_bytes(skb, 0, &first, sizeof(first));
	if (first == mac)
		size -= ETH_HLEN;
	arrival->count++;
	arrival->size = size;
	arrival->protocol = skb->protocol;
	arrival->vlan = skb->vlan_present ? 0x10000u | skb->vlan_tci : 0;
	arrival->packet_type = skb->pkt_type;
	if (size > ARRIVAL_HEAD)
		size = ARRIVAL_HEAD;
	if (size)
		bpf_skb_load_bytes_relative(skb, 0, arrival->head, size, BPF_HDR_START_NET);
	return -1; /* TCX_NEXT */
}

/* At egress: what the host's TCP says. */
SEC("tc")
int answer(struct __sk_buff *skb)
{
	const __u32 ports = skb->protocol == bpf_htons(ETH_P_IP) ? 34 : 54;
	const __u32 next = skb->protocol == bpf_htons(ETH_P_IP) ? 23 : 20;
	__u16 port = 0;
	__u8 protocol = 0;

	if (bpf_skb_load_bytes(skb, next, &protocol, 1) || protocol != IPPROTO_TCP ||
	    bpf_skb_load_bytes(skb, ports, &port, 2))
		return -1;
	if (signals.protected[bpf_ntohs(port)] == 2)
		signals.deliveries.answers++;
	return -1;
}

/* On listeners: TCP has found the socket, and would go on to answer. */
SEC("socket")
int listener(struct __sk_buff *skb)
{
	if (is_looped(skb))
		return (int)skb->len;
	signals.deliveries.listener++;
	return (int)skb->len;
}

/* On what a listener accepted: noted, and kept from changing the connection. */
SEC("socket")
int child(struct __sk_buff *skb)
{
	signals.deliveries.listener += !is_looped(skb);
	return 0;
}

SEC("socket")
int outbound(struct __sk_buff *skb)
{
	__u8 flags = 0;

	bpf_skb_load_bytes(skb, TCP_FLAGS, &flags, 1);
	signals.deliveries.outbound++;
	if ((flags & (SYN | ACK)) == SYN)
		signals.deliveries.outbound_syn++;
	return 0;
}

static __always_inline int raw_tcp(struct __sk_buff *skb, __u32 offset)
{
	__u16 port = 0;
	__u8 flags = 0;

	if (is_looped(skb) || bpf_skb_load_bytes(skb, offset + 2, &port, 2))
		return 0;
	if (!signals.protected[bpf_ntohs(port)]) {
		signals.deliveries.tcp_other++;
		return 0;
	}
	signals.deliveries.tcp_protected++;
	bpf_skb_load_bytes(skb, offset + TCP_FLAGS, &flags, 1);
	if ((flags & (SYN | ACK)) == SYN)
		signals.deliveries.opening++;
	return 0;
}

/* A raw socket of IPv4 sees the IP header, one of IPv6 does not. */
SEC("socket")
int raw_tcp4(struct __sk_buff *skb)
{
	__u8 version_ihl = 0;

	bpf_skb_load_bytes(skb, 0, &version_ihl, 1);
	return raw_tcp(skb, (version_ihl & 0xfu) * 4);
}

SEC("socket")
int raw_tcp6(struct __sk_buff *skb)
{
	return raw_tcp(skb, 0);
}

SEC("socket")
int raw_other(struct __sk_buff *skb)
{
	signals.deliveries.other += !is_looped(skb);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
