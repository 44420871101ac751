// SPDX-License-Identifier: BSD-2-Clause
#include "cli/pcapng.h"

#include <errno.h>
#include <string.h>

#define BLOCK_SECTION	 0x0a0d0d0au
#define BLOCK_INTERFACE	 1u
#define BLOCK_FRAME	 6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define LINK_ETHERNET	 1u
#define OPTION_END	 0u
#define OPTION_COMMENT	 1u
#define SECTION_PROGRAM	 4u
#define INTERFACE_NAME	 2u
#define INTERFACE_TICKS	 9u
#define NANOSECONDS	 9u /* ticks of ten to the minus nine */
#define ETHERNET_SIZE	 14

/* A block as it is put together: its length stands at both ends. */
struct block {
	uint8_t bytes[PCAPNG_FRAME_MAX + ETHERNET_SIZE + 256];
	size_t size;
};

static void put(struct block *block, const void *bytes, size_t size)
{
	memcpy(block->bytes + block->size, bytes, size);
	block->size += size;
}

static void put16(struct block *block, uint32_t value)
{
	const uint16_t word = (uint16_t)value;

	put(block, &word, sizeof(word));
}

static void put32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

/* To the next multiple of four. */
static void pad(struct block *block)
{
	static const uint8_t zeros[4];

	put(block, zeros, (4 - block->size % 4) % 4);
}

static void put_option(struct block *block, uint32_t code, const void *value, size_t size)
{
	put16(block, code);
	put16(block, (uint32_t)size);
	put(block, value, size);
	pad(block);
}

static void put_text(struct block *block, uint32_t code, const char *text)
{
	put_option(block, code, text, strnlen(text, PCAPNG_NAME_MAX - 1));
}

static void begin(struct block *block, uint32_t type)
{
	block->size = 0;
	put32(block, type);
	put32(block, 0);
}

static int finish(struct pcapng *file, struct block *block)
{
	uint32_t size;

	put32(block, OPTION_END);
	size = (uint32_t)(block->size + sizeof(size));
	put32(block, size);
	memcpy(block->bytes + sizeof(uint32_t), &size, sizeof(size));
	if (file->size + block->size > file->size_max)
		return -ENOSPC;
	if (fwrite(block->bytes, 1, block->size, file->out) != block->size)
		return -EIO;
	file->size += block->size;
	return 0;
}

int pcapng_begin(struct pcapng *file)
{
	struct block block;

	begin(&block, BLOCK_SECTION);
	put32(&block, BYTE_ORDER_MAGIC);
	put16(&block, 1);
	put16(&block, 0);
	put32(&block, ~0u); /* of unknown length */
	put32(&block, ~0u);
	put_text(&block, SECTION_PROGRAM, "beamfence " BEAMFENCE_VERSION);
	return finish(file, &block);
}

/* The number of an interface, which is described in the file when it is first met. */
static int interface_number(struct pcapng *file, const char *name, uint32_t *number)
{
	const uint8_t ticks = NANOSECONDS;
	struct block block;
	int code;

	for (*number = 0; *number < file->interface_count; (*number)++)
		if (!strncmp(file->interfaces[*number], name, PCAPNG_NAME_MAX - 1))
			return 0;
	if (file->interface_count == PCAPNG_INTERFACES)
		return -EIO;
	begin(&block, BLOCK_INTERFACE);
	put16(&block, LINK_ETHERNET);
	put16(&block, 0);
	put32(&block, file->snap_size);
	put_text(&block, INTERFACE_NAME, name);
	put_option(&block, INTERFACE_TICKS, &ticks, sizeof(ticks));
	code = finish(file, &block);
	if (!code)
		strncpy(file->interfaces[file->interface_count++], name, PCAPNG_NAME_MAX - 1);
	return code;
}

int pcapng_name(struct pcapng *file, const char *interface)
{
	uint32_t number;

	return interface_number(file, interface, &number);
}

int pcapng_add(struct pcapng *file, const struct pcapng_frame *frame)
{
	const bool ipv6 = frame->size && frame->bytes[0] >> 4 == 6;
	const uint8_t header[ETHERNET_SIZE] = {[12] = ipv6 ? 0x86 : 0x08, [13] = ipv6 ? 0xdd : 0};
	const uint32_t added = frame->ethernet ? 0 : ETHERNET_SIZE;
	struct block block;
	uint32_t number;
	const int code = interface_number(file, frame->interface, &number);

	if (code || frame->size > PCAPNG_FRAME_MAX)
		return code ? code : -EIO;
	begin(&block, BLOCK_FRAME);
	put32(&block, number);
	put32(&block, (uint32_t)(frame->time_ns >> 32));
	put32(&block, (uint32_t)frame->time_ns);
	put32(&block, frame->size + added);
	put32(&block, frame->wire_size + added);
	put(&block, header, added);
	put(&block, frame->bytes, frame->size);
	pad(&block);
	put_text(&block, OPTION_COMMENT, frame->comment);
	return finish(file, &block);
}
