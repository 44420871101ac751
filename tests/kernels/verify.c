// SPDX-License-Identifier: BSD-2-Clause
/*
 * What this kernel's verifier says of each program of the objects named: one line each, with the
 * instructions of the program, those that the verifier went through, and the bytes of machine code;
 * or why it refuses. Every program is tried by itself, as the agent would load it: with frames in
 * several buffers where the kernel has them, else without. One that the agent can do without (its
 * section begins with "?") may be of a kind that the kernel lacks: then the verifier says nothing.
 *
 * usage: verify OBJECT...
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif
#define LOG_STEPS      1
#define LOG_STATISTICS 4

static char verifier_log[8 << 20];

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

/* Sets a flag of the read-only data, where the object has one of that name. */
static void set_flag(struct bpf_object *object, const char *name, bool value)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	const struct btf *btf = bpf_object__btf(object);
	const int section = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *type = section < 0 ? NULL : btf__type_by_id(btf, (__u32)section);
	const struct btf_var_secinfo *variable = type ? btf_var_secinfos(type) : NULL;
	size_t size = 0;
	bool *data = map ? (void *)bpf_map__initial_value(map, &size) : NULL;

	for (int i = 0; data && type && i < btf_vlen(type); i++, variable++) {
		const struct btf_type *of = btf__type_by_id(btf, variable->type);

		if (variable->offset < size &&
		    !strcmp(btf__name_by_offset(btf, of->name_off), name))
			data[variable->offset] = value;
	}
}

/* The last line of a log that is not of the statistics: why the program is refused. */
static const char *last_word(char *log)
{
	static const char *const statistics[] = {"processed ", "stack depth ", "verification time"};
	const char *last = "";

	for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n")) {
		bool counts = true;

		for (size_t i = 0; i < sizeof(statistics) / sizeof(statistics[0]); i++)
			counts &= strncmp(line, statistics[i], strlen(statistics[i])) != 0;
		if (counts)
			last = line;
	}
	return last;
}

/* A program that was loaded, and what the verifier's log counts. */
static int say_loaded(const struct bpf_program *program, bool multi_buffer)
{
	const char *statistics = strstr(verifier_log, "processed ");
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	unsigned int verified = 0;

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
		return -errno;
	if (statistics)
		sscanf(statistics, "processed %u insns", &verified);
	printf("program %s loaded %zu %u %u %s\n", bpf_program__name(program),
	       info.xlated_prog_len / sizeof(struct bpf_insn), verified, info.jited_prog_len,
	       multi_buffer && bpf_program__type(program) == BPF_PROG_TYPE_XDP ? "frags" : "-");
	return 0;
}

/* @optional: where the kernel lacks what the program hooks, its verifier never sees it. */
static int say_refused(const struct bpf_program *program, bool optional, int code)
{
	if (optional && !*verifier_log) {
		printf("program %s lacks %s: %s\n", bpf_program__name(program),
		       bpf_program__section_name(program), strerror(-code));
		return 0;
	}
	printf("program %s refused %s: %s\n", bpf_program__name(program), strerror(-code),
	       last_word(verifier_log));
	return code;
}

/* Opens an object of whose programs one is to be loaded, the index-th, and no other. */
static struct bpf_object *open_one(const char *path, int index, __u32 log_level,
				   struct bpf_program **wanted, bool *optional)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	int i = 0;

	if (!object)
		err(1, "%s", path);
	verifier_log[0] = '\0';
	bpf_object__for_each_program(program, object)
	{
		if (i == index) {
			*wanted = program;
			*optional = !bpf_program__autoload(program);
		}
		bpf_program__set_autoload(program, i++ == index);
	}
	bpf_program__set_log_buf(*wanted, verifier_log, sizeof(verifier_log));
	bpf_program__set_log_level(*wanted, log_level);
	return object;
}

/* Returns 0, also for what the agent can do without, or a negative errno. */
static int try_program(const char *path, int index, bool multi_buffer, __u32 log_level)
{
	struct bpf_program *wanted = NULL;
	bool optional = false;
	struct bpf_object *object = open_one(path, index, log_level, &wanted, &optional);
	int code;

	if (multi_buffer && bpf_program__type(wanted) == BPF_PROG_TYPE_XDP)
		bpf_program__set_flags(wanted, BPF_F_XDP_HAS_FRAGS);
	set_flag(object, "multi_buffer", multi_buffer);
	code = bpf_object__load(object);
	if (!code)
		code = say_loaded(wanted, multi_buffer);
	else if (log_level != LOG_STATISTICS)
		code = say_refused(wanted, optional, code);
	bpf_object__close(object);
	return code;
}

static int programs_in(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	int count = 0;

	if (!object)
		err(1, "%s", path);
	bpf_object__for_each_program(program, object) count++;
	bpf_object__close(object);
	return count;
}

int main(int argc, char **argv)
{
	int refused = 0;

	libbpf_set_print(silent);
	for (int i = 1; i < argc; i++) {
		const int count = programs_in(argv[i]);

		for (int index = 0; index < count; index++)
			if (try_program(argv[i], index, true, LOG_STATISTICS) &&
			    try_program(argv[i], index, false, LOG_STATISTICS) &&
			    try_program(argv[i], index, false, LOG_STEPS))
				refused++;
	}
	return refused ? 1 : 0;
}
