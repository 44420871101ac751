#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Asks the loaded filter what becomes of a new connection on each client interface to each port:
# closed.sh SOCKET INTERFACE,INTERFACE PORT,PORT. Says which are open, and fails if any is.
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin
socket=$1
open=0

explain() { # interface source destination port
	answer=$(beamfence --json --socket "$socket" explain --in "$1" --src "$2" --dst "$3" \
		--dport "$4" 2>&1)
	case $answer in
	*'"reason": "client-new"'*) ;; # in audit mode too, where the verdict is to pass
	*)
		echo "port $4 is open on $1: $answer" >&2
		open=1
		;;
	esac
}

for interface in $(echo "$2" | tr , ' '); do
	for port in $(echo "$3" | tr , ' '); do
		explain "$interface" 192.0.2.1 192.0.2.2 "$port"
		explain "$interface" 2001:db8::1 2001:db8::2 "$port"
	done
done
exit $open
