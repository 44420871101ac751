#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs in a guest as its first process: makes a host of it, runs the command, says how it ended.
# Arguments: the directory of the modules, the serial line for output, then the command.
modules=$1 output=$2
shift 2
exec </dev/null >"$output" 2>&1
stty -F "$output" raw -echo
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export TMPDIR=/run/tmp
mkdir -p "$TMPDIR" /dev/pts /dev/shm "/lib/modules/${modules##*/}"
chmod 711 "$TMPDIR"
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t bpf bpf /sys/fs/bpf -o mode=0700
mount -t tracefs trace /sys/kernel/tracing
mount -t securityfs security /sys/kernel/security
mount --bind "$modules" "/lib/modules/${modules##*/}"
echo /sbin/modprobe >/proc/sys/kernel/modprobe
for module in tun nf_conntrack; do
	modprobe $module
done
hostname guest
ip link set lo up
"$@"
printf '\nguest: exit %d\n' $?
sync
exec busybox poweroff -f
