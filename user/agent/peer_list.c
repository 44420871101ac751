// SPDX-License-Identifier: BSD-2-Clause
#include "agent/peer_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 64

/* The place in the index of the first peer that is not before (@prefix, @cluster). */
static size_t place_of(const struct peer_list *list, const struct prefix *prefix,
		       const char *cluster)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		const size_t middle = (low + high) / 2;
		const struct runtime_peer *peer = &list->peers[list->order[middle]];
		int order = prefix_compare(&peer->prefix, prefix);

		if (!order)
			order = strcmp(peer->cluster, cluster);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct runtime_peer *peer_list_find(const struct peer_list *list, const char *cluster,
				    const struct prefix *prefix)
{
	const size_t place = place_of(list, prefix, cluster);
	struct runtime_peer *peer;

	if (place == list->count)
		return NULL;
	peer = &list->peers[list->order[place]];
	return prefix_compare(&peer->prefix, prefix) || strcmp(peer->cluster, cluster) ? NULL
										       : peer;
}

static int make_room(struct peer_list *list)
{
	const size_t room = list->room ? list->room * 2 : ROOM_MIN;
	struct runtime_peer *peers;
	uint32_t *order;

	if (list->count < list->room)
		return 0;
	peers = reallocarray(list->peers, room, sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	list->peers = peers;
	order = reallocarray(list->order, room, sizeof(*order));
	if (!order)
		return -ENOMEM;
	list->order = order;
	list->room = room;
	return 0;
}

int peer_list_add(struct peer_list *list, const struct runtime_peer *peer)
{
	size_t place;

	if (list->count == RUNTIME_PEERS_MAX)
		return -E2BIG;
	if (make_room(list))
		return -ENOMEM;
	place = place_of(list, &peer->prefix, peer->cluster);
	memmove(&list->order[place + 1], &list->order[place],
		(list->count - place) * sizeof(*list->order));
	list->order[place] = (uint32_t)list->count;
	list->peers[list->count++] = *peer;
	return 0;
}

void peer_list_remove(struct peer_list *list, struct runtime_peer *peer)
{
	const struct runtime_peer *last = &list->peers[list->count - 1];
	const size_t moved = place_of(list, &last->prefix, last->cluster);
	const size_t place = place_of(list, &peer->prefix, peer->cluster);

	list->order[moved] = (uint32_t)(peer - list->peers);
	memmove(&list->order[place], &list->order[place + 1],
		(list->count - place - 1) * sizeof(*list->order));
	*peer = *last;
	list->count--;
}

void peer_list_each(const struct peer_list *list, const struct prefix *prefix,
		    void (*each)(void *context, const struct runtime_peer *peer), void *context)
{
	for (size_t place = place_of(list, prefix, ""); place < list->count; place++) {
		const struct runtime_peer *peer = &list->peers[list->order[place]];

		if (prefix_compare(&peer->prefix, prefix))
			return;
		each(context, peer);
	}
}

void peer_list_free(struct peer_list *list)
{
	free(list->peers);
	free(list->order);
	*list = (struct peer_list){};
}
