/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a process is: a BEAM, epmd or neither, and whose. */
#ifndef BEAMFENCE_PROCESS_H
#define BEAMFENCE_PROCESS_H

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "contract_watch.h"
#include "kernel.h"

#define USER_NAMESPACES_MAX 33 /* within each other: include/linux/user_namespace.h */

enum process_kind { PROCESS_OTHER, PROCESS_BEAM, PROCESS_EPMD };

static __always_inline bool starts_with(const char *text, const char *start, const __u32 size)
{
	for (__u32 i = 0; i < size; i++)
		if (text[i] != start[i])
			return false;
	return true;
}

/* "beam", "beam.smp", "beam.debug.smp" and the like (erts/emulator/Makefile.in). */
static __always_inline bool is_beam(const char *name)
{
	return starts_with(name, "beam", 4) && (!name[4] || name[4] == '.');
}

static __always_inline bool is_epmd(const char *name)
{
	return starts_with(name, "epmd", 5);
}

/*
 * The agent and its network side ask epmd for names because somebody connected to it: their own
 * connections are no reason to. Who takes such a name is not followed, which harms him alone.
 */
static __always_inline bool is_beamfence(const char *name)
{
	return starts_with(name, "beamfence", 9);
}

static __always_inline enum process_kind name_kind(const char *name)
{
	return is_epmd(name) ? PROCESS_EPMD : is_beam(name) ? PROCESS_BEAM : PROCESS_OTHER;
}

/*
 * What a process is, by its name and, since any process may call itself anything, by that of its
 * program too: either will do, since it can only close what the process itself listens on.
 */
static __always_inline enum process_kind process_kind(struct task_struct *leader, char *name)
{
	char program[PROCESS_NAME_SIZE] = {};
	const unsigned char *file_name;
	enum process_kind kind;

	bpf_core_read(name, PROCESS_NAME_SIZE, &leader->comm);
	kind = name_kind(name);
	if (kind != PROCESS_OTHER)
		return kind;
	file_name = BPF_CORE_READ(leader, mm, exe_file, f_path.dentry, d_name.name);
	bpf_probe_read_kernel_str(program, sizeof(program), file_name);
	return name_kind(program);
}

/* The account that what the process does is put down to: see struct user. */
static __always_inline __u32 process_account(struct task_struct *leader)
{
	const struct cred *cred = BPF_CORE_READ(leader, real_cred);
	const struct user_namespace *namespace = BPF_CORE_READ(cred, user_ns);
	__u32 account = BPF_CORE_READ(cred, uid.val);

	for (int i = 0; i < USER_NAMESPACES_MAX && BPF_CORE_READ(namespace, level) > 0; i++) {
		account = BPF_CORE_READ(namespace, owner.val);
		namespace = BPF_CORE_READ(namespace, parent);
	}
	return account;
}

#endif
