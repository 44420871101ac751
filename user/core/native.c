// SPDX-License-Identifier: BSD-2-Clause
#include "core/native.h"

#include <string.h>

/*
 * Of a page: headroom for XDP (256 bytes), struct skb_shared_info (up to 384), the Ethernet header
 * with tags and the driver's own (up to 64). Drivers differ by some bytes, so a little less.
 */
#define PAGE_OVERHEAD 1024

/*
 * What drivers do with native XDP that the kernel's answers do not show. One that is not listed is
 * trusted to refuse an MTU that it cannot serve while a program is on, and the program at such an
 * MTU; what it does all the same is observed (observation.h). Listed are those that do not:
 *
 * virtio_net  Before Linux 6.3, and where the host merges no buffers, the MTU may be raised under a
 *             program, and larger frames are dropped from then on (receive_mergeable()). The check
 *             that virtnet_xdp_set() makes at attach it makes at detach as well: the driver then
 *             keeps a program that the kernel takes for gone. Where the host fixes a greatest MTU
 *             that fits one buffer, this cannot come.
 * vif         Xen's netfront: the MTU may be raised too, and frames in several grants are dropped;
 *             the host makes such frames by segmentation offload whatever the MTU.
 * vmxnet3     Each reset (down and up, MTU, rings) drops the program, up to Linux 7.3 at least.
 * tun, veth   Give what native mode cannot take to the kernel's generic code: always sound.
 */
static const struct rule {
	const char *driver;
	enum native_risk risk;
	bool unless_buffers; /* are given to XDP */
	bool unless_small;   /* no MTU can be set that needs more than one buffer */
} rules[] = {
	{.driver = "virtio_net",
	 .risk = NATIVE_LOSES,
	 .unless_buffers = true,
	 .unless_small = true},
	{.driver = "vif", .risk = NATIVE_LOSES, .unless_buffers = true},
	{.driver = "vmxnet3", .risk = NATIVE_FORGETS},
	{.driver = "tun", .risk = NATIVE_SOUND},
	{.driver = "veth", .risk = NATIVE_SOUND},
};

uint32_t native_one_buffer_mtu(uint32_t page_size)
{
	return page_size - PAGE_OVERHEAD;
}

static bool exceeds_buffer(const struct native_facts *facts, uint32_t mtu)
{
	return mtu > native_one_buffer_mtu(facts->page_size);
}

static bool buffers_arrive(const struct native_facts *facts)
{
	return facts->takes_buffers && facts->program_takes_buffers;
}

enum native_risk native_risk(const struct native_facts *facts)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *rule = &rules[i];

		if (strcmp(rule->driver, facts->driver) != 0)
			continue;
		if (rule->unless_buffers && buffers_arrive(facts))
			return NATIVE_SOUND;
		if (rule->unless_small && facts->max_mtu && !exceeds_buffer(facts, facts->max_mtu))
			return NATIVE_SOUND;
		return rule->risk;
	}
	/* Nothing is known of the driver, and it says that it could not take what may arrive. */
	if (facts->features_known && !buffers_arrive(facts) && exceeds_buffer(facts, facts->mtu))
		return NATIVE_LOSES;
	return NATIVE_SOUND;
}

bool native_loses_now(const struct native_facts *facts)
{
	return native_risk(facts) == NATIVE_LOSES && exceeds_buffer(facts, facts->mtu);
}
