#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Brings in what building, checking, packaging, the demo, other kernels, guests of another architecture
# or the bench need: dependencies.sh [build] [check] [demo] [package] [ansible] [kernels] [arm64]
# [bench] [compilers]; check is all but the last four.
#
# Silent when all is there. On Debian and its kin, as root, missing packages are installed, and no
# service of theirs is started or left enabled. Elsewhere it says what is missing.
# shellcheck disable=SC2086 # lists of package names are meant to be split
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=${BEAMFENCE_BUILD:-$root/build}/tools
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# group: how to look for it, what to look for, the Debian package that has it
needs='
build  command   gcc             gcc
build  command   make            make
build  command   clang           clang
build  command   llvm-strip      llvm
build  command   pkg-config      pkgconf
build  works     bpftool         bpftool
build  library   libbpf          libbpf-dev
build  library   libelf          libelf-dev
build  library   yaml-0.1        libyaml-dev
build  library   jansson         libjansson-dev
build  library   libevent        libevent-dev
build  library   libcap-ng       libcap-ng-dev
build  library   libmnl          libmnl-dev
check  library   criterion       libcriterion-dev
check  python    pytest          python3-pytest
check  python    xdist           python3-pytest-xdist
check  python    flake8          python3-flake8
check  command   shellcheck      shellcheck
check  python    scapy           python3-scapy
check  python    yaml            python3-yaml
check  python    jsonschema      python3-jsonschema
check  python    ruamel.yaml     python3-ruamel.yaml
check  erlang    ssl             erlang-ssl
check  command   clang-format    clang-format
check  command   llvm-cov        llvm
check  runtime   fuzzer          libclang-rt-dev
check  command   fish            fish
check  command   mandoc          mandoc
check  command   nft             nftables
check  command   nmap            nmap
check  command   openssl         openssl
check  command   promtool        prometheus
check  command   prometheus      prometheus
check  command   prometheus-node-exporter prometheus-node-exporter
check  command   rabbitmq-server rabbitmq-server
check  command   setpriv         util-linux
check  command   strace          strace
check  command   systemd-nspawn  systemd-container
check  command   tcpdump         tcpdump
check  command   zsh             zsh
package file     /usr/share/build-essential/list build-essential
package command  dh              debhelper
package command  lintian         lintian
package library  criterion       libcriterion-dev
ansible command  ansible-playbook ansible-core
ansible command  ansible-lint    ansible-lint
ansible command  yamllint        yamllint
demo   command   python3         python3
demo   command   epmd            erlang-base
demo   command   erl             erlang-base
demo   command   curl            curl
demo   command   ethtool         ethtool
demo   command   ip              iproute2
bench  command   iptables        iptables
bench  command   xdp-filter      xdp-tools
kernels command  qemu-system-x86_64 qemu-system-x86
kernels command  busybox         busybox-static
kernels command  depmod          kmod
kernels command  xdp-loader      xdp-tools
kernels virtiofs virtiofsd       virtiofsd
arm64   command  qemu-system-aarch64 qemu-system-arm
arm64   command  mmdebstrap      mmdebstrap
compilers command mmdebstrap     mmdebstrap
arm64   command  aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
'

say() {
	echo "dependencies: $*" >&2
}

die() {
	say "$*"
	exit 1
}

# Is the thing of this kind there?
have() {
	case $1 in
	command) command -v "$2" || [ -x "$tools/$2" ] ;;
	works) "$2" version ;; # Ubuntu's bpftool is a wrapper that may lack what it wraps
	library) pkg-config --exists "$2" ;;
	file) [ -e "$2" ] ;;
	virtiofs) [ -x /usr/lib/qemu/virtiofsd ] || [ -x /usr/libexec/virtiofsd ] ;;
	python) /usr/bin/python3 -c "from importlib.util import find_spec as find
raise SystemExit(find('$2') is None)" ;;
	runtime) ls "$(clang -print-resource-dir)"/lib/*/"libclang_rt.$2"* ;;
	erlang) ls -d "$(dirname "$(readlink -f "$(command -v erl)")")/../lib/$2"-* ;;
	esac >/dev/null 2>&1
}

# The packages of all needs that are not met, each once. $1: groups
missing_packages() {
	echo "$needs" | while read -r group kind thing package; do
		case " $1 " in
		*" $group "*) have "$kind" "$thing" || echo "$package" ;;
		esac
	done | sort -u | tr '\n' ' '
}

quietly() {
	"$@" >"$work/log" 2>&1
}

# An answer soon, also where packets to the mirror vanish.
apt_get() {
	quietly apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@"
}

known() {
	apt-cache show "$1" >/dev/null 2>&1
}

# Debian starts what it installs; a policy that says no is the documented way to prevent it.
deny_services() {
	policy=/usr/sbin/policy-rc.d
	# One of ours was left by a run that was killed, and is nobody's to come back.
	if [ -e $policy ] && ! grep -q 'made by beamfence' $policy; then
		mv $policy $policy.before-beamfence
	fi
	printf '#!/bin/sh\n# made by beamfence for the time of an installation\nexit 101\n' >$policy
	chmod 755 $policy
	denied=yes
}

# erlang-base would start an epmd for the whole network at the next boot, RabbitMQ's a broker.
disable_services() {
	for unit in epmd.service epmd.socket rabbitmq-server.service; do
		quietly systemctl disable $unit || rm -f /etc/systemd/system/*.wants/$unit
	done
}

restore() {
	if [ "${denied:-}" ]; then
		case " $packages " in
		*" erlang-base "* | *" rabbitmq-server "*) disable_services ;;
		esac
		rm -f $policy
		if [ -e $policy.before-beamfence ]; then
			mv $policy.before-beamfence $policy
		fi
	fi
	rm -rf "${work:?}"
}

# The programs of a package alone, without the service that it would leave behind.
fetch_programs() {
	mkdir -p "$work/$1" "$tools"
	(cd "$work/$1" &&
		apt-get download -qq -o APT::Sandbox::User=root "$1" &&
		dpkg-deb -x "$1"_*.deb .) >"$work/log" 2>&1 || return 1
	install -t "$tools" "$work/$1"/usr/bin/*
}

install_packages() {
	export DEBIAN_FRONTEND=noninteractive
	work=$(mktemp -d)
	trap restore EXIT
	trap 'exit 130' INT TERM HUP
	say "installing $1"
	# A list that can't be fetched shows below, if it matters.
	apt_get update || true
	packages=
	for package in $1; do
		case $package in
		prometheus*)
			fetch_programs "$package" || failed "$package"
			;;
		bpftool)
			if ! known bpftool && known linux-tools-generic; then # Ubuntu until 24.04
				packages="$packages linux-tools-common linux-tools-generic"
			else
				packages="$packages bpftool"
			fi
			;;
		virtiofsd) # a package of its own since Debian 13; until 12 it comes with qemu
			! known virtiofsd || packages="$packages virtiofsd"
			;;
		*)
			packages="$packages $package"
			;;
		esac
	done
	[ "$packages" ] || return 0
	deny_services
	apt_get install -y --no-install-recommends $packages || failed $packages
}

failed() {
	grep '^E:' "$work/log" | head -n 3 >&2 || true
	die "could not install $*: see whether this host reaches its package mirror" \
		"(apt-get update), or install them by hand"
}

# What no package brings.
check_host() {
	[ -r /sys/kernel/btf/vmlinux ] ||
		die "/sys/kernel/btf/vmlinux is missing: a kernel with CONFIG_DEBUG_INFO_BTF is needed"
	if [ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" != bpf_fs ]; then
		mount -t bpf bpf /sys/fs/bpf -o mode=0700 ||
			die "no bpffs at /sys/fs/bpf: mount -t bpf bpf /sys/fs/bpf -o mode=0700 failed"
	fi
}

groups=
for group in "$@"; do
	case $group in
	build) groups="$groups build" ;;
	ansible) groups="$groups ansible" ;;
	check) groups="$groups build check demo package ansible" ;;
	demo) groups="$groups build demo" ;;
	kernels) groups="$groups kernels" ;;
	arm64) groups="$groups arm64" ;;
	compilers) groups="$groups compilers" ;;
	bench) groups="$groups bench" ;;
	package) groups="$groups build package" ;;
	*) die "usage: dependencies.sh [build] [check] [demo] [package] [ansible] [kernels] [arm64] [bench] [compilers]" ;;
	esac
done

runs=
case " $groups " in
*" check "* | *" demo "* | *" kernels "*) runs=yes ;;
esac
if [ "$runs" ] && [ "$(id -u)" != 0 ]; then
	die "not root: network namespaces and XDP need it; run this as root"
fi

missing=$(missing_packages "$groups")
if [ "$missing" ]; then
	if ! command -v apt-get >/dev/null; then
		say "missing, by Debian's names: $missing"
		die "no apt-get here: install this system's packages for them, and try again"
	elif [ "$(id -u)" != 0 ]; then
		die "missing; as root: apt-get install $missing"
	fi
	install_packages "$missing"
	missing=$(missing_packages "$groups")
	[ -z "$missing" ] || die "installed, but still missing: $missing"
fi

if [ "$runs" ]; then
	check_host
fi
