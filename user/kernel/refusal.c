// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/refusal.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/netlink.h"
#include "core/text.h"
#include "kernel/rtnetlink.h"

/* Whoever changes an MTU sets the interface down and up at once: that is no time to switch. */
#define DOWN_MS	  4000

#define NO_NATIVE "does not support XDP in native mode" /* since 5.9; small letters before 6.0 */

static int read_words(const struct nlattr *attribute, void *context)
{
	const char *text = mnl_attr_get_str(attribute);
	struct refusal *refusal = context;
	size_t used = 0, size;
	uint32_t character;

	if (mnl_attr_get_type(attribute) != NLMSGERR_ATTR_MSG ||
	    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
		return MNL_CB_OK;
	refusal->no_native = strstr(text, NO_NATIVE);
	if (refusal->no_native)
		return MNL_CB_OK;
	/* Some drivers end theirs with a newline. */
	for (; *text && used + 1 < sizeof(refusal->words); text += size) {
		size = text_decode(text, strlen(text), &character);
		if (size == 1 && text_is_harmless(character))
			refusal->words[used++] = *text;
		size = size ? size : 1;
	}
	refusal->words[used] = '\0';
	return MNL_CB_OK;
}

/* The acknowledgement of a request: its code, and the words that come with it. */
static int read_answer(const struct nlmsghdr *message, struct refusal *refusal)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*answer);

	if (message->nlmsg_type != NLMSG_ERROR || !netlink_holds(message, sizeof(*answer)))
		return -EPROTO;
	if (!(message->nlmsg_flags & NLM_F_CAPPED) && answer->error)
		offset += answer->msg.nlmsg_len - sizeof(answer->msg);
	if (refusal && message->nlmsg_flags & NLM_F_ACK_TLVS &&
	    netlink_holds_attributes(message, offset))
		mnl_attr_parse(message, (unsigned int)offset, read_words, refusal);
	return netlink_error(message);
}

/* Attaches @program natively, or takes it off where it is there. */
static int set_program(struct mnl_socket *socket, int program, uint32_t ifindex, bool on,
		       struct refusal *refusal)
{
	char buffer[1024] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	struct nlattr *xdp;
	ssize_t size;

	request->nlmsg_type = RTM_SETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	link->ifi_index = (int)ifindex;
	xdp = mnl_attr_nest_start(request, IFLA_XDP);
	mnl_attr_put_u32(request, IFLA_XDP_FD, on ? (uint32_t)program : UINT32_MAX);
	mnl_attr_put_u32(request, IFLA_XDP_FLAGS,
			 XDP_FLAGS_DRV_MODE |
				 (on ? XDP_FLAGS_UPDATE_IF_NOEXIST : XDP_FLAGS_REPLACE));
	if (!on)
		mnl_attr_put_u32(request, IFLA_XDP_EXPECTED_FD, (uint32_t)program);
	mnl_attr_nest_end(request, xdp);
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	do
		size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	while (size < 0 && errno == EINTR);
	if (size < 0 || !netlink_fits((const void *)buffer, (int)size))
		return size < 0 ? -errno : -EPROTO;
	return read_answer((const void *)buffer, refusal);
}

static void ethtool(int fd, const char *interface, void *command)
{
	struct ifreq request = {.ifr_data = command};

	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	if (ioctl(fd, SIOCETHTOOL, &request) < 0)
		*(uint32_t *)command = 0; /* it has none of these */
}

/* Returns whether the interface is down. */
static bool look_at(const char *interface, struct circumstances *now)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ethtool_ringparam rings = {.cmd = ETHTOOL_GRINGPARAM};
	union {
		struct ethtool_gfeatures head;
		char room[sizeof(struct ethtool_gfeatures) +
			  FEATURE_BLOCKS * sizeof(struct ethtool_get_features_block)];
	} features = {.room = {0}};
	struct ifreq request = {};

	features.head = (struct ethtool_gfeatures){.cmd = ETHTOOL_GFEATURES,
						   .size = FEATURE_BLOCKS};
	*now = (struct circumstances){};
	if (fd < 0)
		return false;
	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	if (!ioctl(fd, SIOCGIFMTU, &request))
		now->mtu = (uint32_t)request.ifr_mtu;
	ethtool(fd, interface, &channels);
	ethtool(fd, interface, &rings);
	ethtool(fd, interface, &features);
	memcpy(now->channels,
	       (uint32_t[]){channels.rx_count, channels.tx_count, channels.other_count,
			    channels.combined_count},
	       sizeof(now->channels));
	now->rings[0] = rings.rx_pending;
	now->rings[1] = rings.tx_pending;
	for (size_t i = 0; i < FEATURE_BLOCKS; i++)
		now->features[i] = features.head.features[i].active;
	return !ioctl(fd, SIOCGIFFLAGS, &request) && !(request.ifr_flags & IFF_UP);
}

/*
 * Some drivers say why in the kernel's log alone. A device without a native mode has no reason to
 * be named, and the kernel says so.
 */
static void say_more(struct refusal *refusal, int code)
{
	if (!refusal->words[0] && !refusal->no_native && code < 0)
		snprintf(refusal->words, sizeof(refusal->words),
			 "%s; the kernel's log may say more", strerror(-code));
}

bool refusal_ask(struct refusal *refusal, int program, uint32_t ifindex, const char *interface)
{
	_cleanup_(cleanup_rtnetlink) struct mnl_socket *socket = rtnetlink_open();
	int code, on = 1;

	*refusal = (struct refusal){};
	if (!socket || mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof(on)) < 0)
		return false;
	/* Before it: a change in between is one. */
	look_at(interface, &refusal->at);
	code = set_program(socket, program, ifindex, true, refusal);
	say_more(refusal, code);
	if (!code) /* not ours to leave there: it would go on without a link, and for ever */
		set_program(socket, program, ifindex, false, NULL);
	return !code;
}

enum refusal_now refusal_look(struct refusal *refusal, const char *interface)
{
	struct circumstances now;
	bool down, changed;

	if (!refusal->words[0])
		return REFUSAL_STANDS;
	down = look_at(interface, &now);
	changed = memcmp(&now, &refusal->at, sizeof(now)) != 0;
	if (!changed || !down)
		refusal->down_ms = 0;
	else if (!refusal->down_ms)
		refusal->down_ms = monotonic_ms();
	else if (monotonic_ms() - refusal->down_ms >= DOWN_MS)
		return REFUSAL_RETRY;
	return changed == refusal->changed ? REFUSAL_STANDS : REFUSAL_NEWS;
}

void refusal_note_change(struct refusal *refusal, const char *interface)
{
	struct circumstances now;

	if (!refusal->words[0])
		return;
	look_at(interface, &now);
	refusal->changed = memcmp(&now, &refusal->at, sizeof(now)) != 0;
}

void refusal_describe(const struct refusal *refusal, char *text, unsigned long size)
{
	if (!refusal->words[0])
		text[0] = '\0';
	else if (refusal->changed)
		snprintf(text, size,
			 "not native: the driver said \"%s\"; its MTU, channels, rings or offloads "
			 "have changed since: set it down for 10 s to have that tried again",
			 refusal->words);
	else
		snprintf(text, size, "not native: the driver says \"%s\"", refusal->words);
}
