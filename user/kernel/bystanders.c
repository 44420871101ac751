// SPDX-License-Identifier: BSD-2-Clause
/*
 * Listeners that the watch does not follow, as its listings write them. Whoever has many of them
 * has a few kept and the rest counted: nobody crowds others out, or makes a listing long to read.
 */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/internal.h"

#define ACCOUNTS_MAX   64
#define BYSTANDERS_MAX 512
#define OTHERS_MAX     256 /* of them, of users */
#define SYSTEM_ROWS    64  /* of one account: a host of containers has many that root runs */
#define USER_ROWS      4

struct account {
	uint32_t account;
	uint32_t rows;
};

/* The system's apart: however many users there are, they take no room from those. */
struct accounts {
	struct account list[ACCOUNTS_MAX];
	size_t count;
};

struct bystanders {
	size_t count;
	size_t others;
	size_t left_out;
	struct accounts system_accounts, user_accounts;
	struct bystander rows[]; /* BYSTANDERS_MAX, while they are listed */
};

static size_t size_of(size_t rows)
{
	return sizeof(struct bystanders) + rows * sizeof(struct bystander);
}

static struct account *find_account(struct accounts *accounts, uint32_t account)
{
	for (size_t i = 0; i < accounts->count; i++)
		if (accounts->list[i].account == account)
			return &accounts->list[i];
	if (accounts->count == ACCOUNTS_MAX)
		return NULL;
	accounts->list[accounts->count] = (struct account){.account = account};
	return &accounts->list[accounts->count++];
}

/* Several processes may have one socket: the first is its owner. */
static bool is_known(const struct bystanders *list, uint64_t socket)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->rows[i].socket == socket)
			return true;
	return false;
}

static void add(struct bystanders *list, const struct bystander *row)
{
	const bool system = row->account < SYSTEM_ACCOUNTS;
	struct account *account =
		find_account(system ? &list->system_accounts : &list->user_accounts, row->account);

	if (is_known(list, row->socket))
		return;
	if (!account || account->rows >= (system ? SYSTEM_ROWS : USER_ROWS) ||
	    list->count == BYSTANDERS_MAX || (!system && list->others == OTHERS_MAX)) {
		list->left_out++;
		return;
	}
	account->rows++;
	list->others += !system;
	list->rows[list->count++] = *row;
}

/* What came into the watch's table while this was listed: handed over to epmd, say. */
static void remove_followed(const struct fence *fence, struct bystanders *list)
{
	const int map = bpf_map__fd(fence->watch->maps.listeners);
	struct listener listener;
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (bpf_map_lookup_elem(map, &list->rows[i].socket, &listener))
			list->rows[kept++] = list->rows[i];
	list->count = kept;
}

/* Rows may be cut in two between one read and the next. */
static ssize_t read_rows(int listing, struct bystanders *list)
{
	struct bystander rows[32];
	size_t used = 0;
	ssize_t size;

	do {
		size_t whole;

		size = read(listing, (char *)rows + used, sizeof(rows) - used);
		used += size > 0 ? (size_t)size : 0;
		whole = used / sizeof(rows[0]);
		for (size_t i = 0; i < whole; i++)
			add(list, &rows[i]);
		used -= whole * sizeof(rows[0]);
		memmove(rows, rows + whole, used);
	} while (size > 0 || (size < 0 && errno == EAGAIN));
	return size;
}

int bystanders_read(struct fence *fence, int listing)
{
	_cleanup_free_ struct bystanders *list = calloc(1, size_of(BYSTANDERS_MAX));
	struct bystanders *shrunk;

	if (!list)
		return -ENOMEM;
	if (read_rows(listing, list) < 0)
		return -errno;
	remove_followed(fence, list);
	free(fence->bystanders);
	shrunk = realloc(list, size_of(list->count));
	fence->bystanders = shrunk ? shrunk : list;
	TAKE_POINTER(list);
	return 0;
}

size_t fence_bystanders(const struct fence *fence, const struct bystander **rows, size_t *left_out)
{
	const struct bystanders *list = fence->watch ? fence->bystanders : NULL;

	*rows = list ? list->rows : NULL;
	*left_out = list ? list->left_out : 0;
	return list ? list->count : 0;
}

uint64_t fence_bystanders_heard(const struct fence *fence)
{
	const __u32 first = 0;
	__u64 count = 0;

	if (fence->watch)
		bpf_map_lookup_elem(bpf_map__fd(fence->watch->maps.bystanders_heard), &first,
				    &count);
	return count;
}
