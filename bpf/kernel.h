/* SPDX-License-Identifier: GPL-2.0-only */
/* The few parts of kernel structures that are read, found by BTF: no build needs a vmlinux.h. */
#ifndef BEAMFENCE_KERNEL_TYPES_H
#define BEAMFENCE_KERNEL_TYPES_H

#include <linux/types.h>

#include "contract.h"

#define KERNEL __attribute__((preserve_access_index))

struct ns_common {
	unsigned int inum;
} KERNEL;

struct net {
	struct ns_common ns;
} KERNEL;

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr_words {
	__u32 words[4];
};

struct in6_addr {
	union {
		__u32 u6_addr32[4];
	} in6_u;
} KERNEL;

struct hlist_node {
	struct hlist_node **pprev;
} KERNEL;

struct sock_common {
	struct hlist_node skc_node; /* among the listeners; pprev is NULL when it is not */
	unsigned short skc_family;
	volatile unsigned char skc_state;
	__u16 skc_num;
	__be16 skc_dport;
	__u32 skc_rcv_saddr;
	struct in6_addr skc_v6_rcv_saddr;
	possible_net_t skc_net;
} KERNEL;

struct sock {
	struct sock_common __sk_common;
	__u8 sk_userlocks : 4;
	__u16 sk_protocol;
} KERNEL;

struct sk_buff {
	int skb_iif;
	unsigned int len;
	__u16 network_header;
	__u16 mac_header;
	unsigned char *head;
	unsigned char *data;
	__u8 active_extensions;
} KERNEL;

enum skb_ext_id {
	SKB_EXT_SEC_PATH = 1,
};

struct qstr {
	const unsigned char *name;
} KERNEL;

struct dentry {
	struct qstr d_name;
} KERNEL;

struct path {
	struct dentry *dentry;
} KERNEL;

struct file {
	struct path f_path;
} KERNEL;

struct mm_struct {
	struct file *exe_file;
} KERNEL;

struct task_struct {
	int tgid;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	char comm[PROCESS_NAME_SIZE];
} KERNEL;

struct bpf_iter_meta {
	__u64 session_id;
} KERNEL;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} KERNEL;

struct socket {
	struct sock *sk;
} KERNEL;

#endif
