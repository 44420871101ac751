/* SPDX-License-Identifier: GPL-2.0-only */
/* The few parts of kernel structures that are read, found by BTF: no build needs a vmlinux.h. */
#ifndef BEAMFENCE_KERNEL_TYPES_H
#define BEAMFENCE_KERNEL_TYPES_H

#include <linux/types.h>

#include "contract_watch.h"

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
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	unsigned long skc_flags; /* by enum sock_flags */
	__u16 skc_num;
	__be16 skc_dport;
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	possible_net_t skc_net;
} KERNEL;

typedef struct {
	unsigned int val;
} kuid_t;

struct socket;

enum sock_flags {
	SOCK_RCU_FREE = 26,
};

struct sock {
	struct sock_common __sk_common;
	__u8 sk_userlocks : 4;
	__u16 sk_protocol;
	struct socket *sk_socket;
} KERNEL;

/* Multipath TCP: the socket that a process has, and the TCP socket that listens for it. */
struct mptcp_sock {
	struct sock *first;
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

struct user_namespace {
	struct user_namespace *parent;
	int level;
	kuid_t owner;
} KERNEL;

struct cred {
	kuid_t uid;
	struct user_namespace *user_ns;
} KERNEL;

struct new_utsname {
	char nodename[65];
} KERNEL;

struct uts_namespace {
	struct new_utsname name;
} KERNEL;

struct nsproxy {
	struct uts_namespace *uts_ns;
} KERNEL;

struct task_struct {
	struct nsproxy *nsproxy;
	int tgid;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	const struct cred *real_cred;
	char comm[PROCESS_NAME_SIZE];
} KERNEL;

struct seq_file;
struct bpf_map;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
} KERNEL;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} KERNEL;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} KERNEL;

enum socket_state { SOCKET_UNCONNECTED = 1 }; /* include/uapi/linux/net.h */

struct socket {
	enum socket_state state;
	struct sock *sk;
} KERNEL;

struct inode {
	unsigned long i_ino;
} KERNEL;

struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
} KERNEL;

#endif
