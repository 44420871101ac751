// SPDX-License-Identifier: BSD-2-Clause
/* The file that keeps runtime peers: what is taken of it must come back as it is when written. */
#include "core/peer_file.h"
#include "tests/fuzz/fuzz.h"

static const struct moment now = {
	.wall_s = 1800000000,
	.boot_ms = 5000000,
	.boot_id = "0b0b0b0b-0000-4000-8000-000000000001",
};

static void check_again(const struct runtime_peer *peers, size_t count)
{
	struct runtime_peer *again = NULL;
	struct error error = {""};
	size_t size = 0, again_count = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	DEMAND(out && peer_file_write(out, peers, count, &now) == 0);
	fclose(out);
	DEMAND(peer_file_read(text, size, &now, &again, &again_count, &error) == 0);
	DEMAND(again_count == count);
	for (size_t i = 0; i < count; i++) {
		DEMAND(prefix_compare(&again[i].prefix, &peers[i].prefix) == 0);
		DEMAND(!strcmp(again[i].cluster, peers[i].cluster));
		DEMAND(!strcmp(again[i].comment, peers[i].comment));
		DEMAND(again[i].ttl_s == peers[i].ttl_s && again[i].added_s == peers[i].added_s);
		DEMAND(!peers[i].ttl_s || again[i].ends_ms == peers[i].ends_ms);
	}
	free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = exact_copy(data, size);
	struct runtime_peer *peers = NULL;
	struct error error = {""};
	size_t count = 0;
	const int code = peer_file_read(text, size, &now, &peers, &count, &error);

	if (code)
		demand_line(error.text, sizeof(error.text));
	else
		check_again(peers, count);
	free(peers);
	free(text);
	return 0;
}
