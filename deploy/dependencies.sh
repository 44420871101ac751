#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Brings in what building, checking or the demo need: dependencies.sh [build] [check] [demo]
#
# Silent when all is there. On Debian and its kin, as root, missing packages are installed, and no
# service of theirs is started or left enabled. Elsewhere each missing thing is said in a line.
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
check  python    scapy           python3-scapy
check  erlang    ssl             erlang-ssl
check  command   clang-format    clang-format
check  command   nft             nftables
check  command   nmap            nmap
check  command   openssl         openssl
check  command   promtool        prometheus
check  command   setpriv         util-linux
check  command   tcpdump         tcpdump
demo   command   python3         python3
demo   command   epmd            erlang-base
demo   command   erl             erlang-base
demo   command   curl            curl
demo   command   ethtool         ethtool
demo   command   ip              iproute2
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
	python) /usr/bin/python3 -c "from importlib.util import find_spec as find
raise SystemExit(find('$2') is None)" ;;
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

# Debian starts what it installs; a policy that says no is the documented way to prevent it.
deny_services() {
	policy=/usr/sbin/policy-rc.d
	if [ -e $policy ]; then
		mv $policy $policy.before-beamfence
	fi
	printf '#!/bin/sh\n# made by beamfence for the time of an installation\nexit 101\n' >$policy
	chmod 755 $policy
	denied=yes
}

restore() {
	if [ "${denied:-}" ]; then
		rm -f $policy
		if [ -e $policy.before-beamfence ]; then
			mv $policy.before-beamfence $policy
		fi
	fi
	rm -rf "${work:?}"
}

# promtool alone, without the server that its package would leave behind.
fetch_promtool() {
	mkdir -p "$work/prometheus" "$tools"
	(cd "$work/prometheus" &&
		apt-get download -qq -o APT::Sandbox::User=root prometheus &&
		dpkg-deb -x prometheus_*.deb .) >"$work/log" 2>&1 || return 1
	install "$work/prometheus/usr/bin/promtool" "$tools/promtool"
}

install_packages() {
	export DEBIAN_FRONTEND=noninteractive
	work=$(mktemp -d)
	trap restore EXIT
	trap 'exit 130' INT TERM HUP
	say "installing $1"
	# A list that can't be fetched shows below, if it matters.
	quietly apt-get update -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 || true
	packages=
	for package in $1; do
		case $package in
		prometheus)
			fetch_promtool || failed "prometheus (for promtool)"
			;;
		bpftool)
			if apt-cache show bpftool >/dev/null 2>&1; then
				packages="$packages bpftool"
			else # Ubuntu until 24.04
				packages="$packages linux-tools-common linux-tools-generic"
			fi
			;;
		*)
			packages="$packages $package"
			;;
		esac
	done
	[ "$packages" ] || return 0
	deny_services
	quietly apt-get install -y -qq --no-install-recommends $packages || failed $packages
	case " $packages " in
	*" erlang-base "*)
		# Its package would start an epmd for the whole network at the next boot.
		quietly systemctl disable epmd.service epmd.socket || true
		;;
	esac
}

failed() {
	grep '^E:' "$work/log" | head -n 3 >&2 || true
	die "could not install $*: see whether this host reaches its package mirror" \
		"(apt-get update), or install them by hand"
}

# What no package brings. $1: groups
check_host() {
	[ "$(id -u)" = 0 ] || die "not root: network namespaces and XDP need it; run this as root"
	[ -r /sys/kernel/btf/vmlinux ] ||
		die "/sys/kernel/btf/vmlinux is missing: a kernel with CONFIG_DEBUG_INFO_BTF is needed"
	if [ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" != bpf_fs ]; then
		mount -t bpf bpf /sys/fs/bpf ||
			die "no bpffs at /sys/fs/bpf: mount -t bpf bpf /sys/fs/bpf failed"
	fi
}

groups=
for group in "$@"; do
	case $group in
	build) groups="$groups build" ;;
	check) groups="$groups build check demo" ;;
	demo) groups="$groups build demo" ;;
	*) die "usage: dependencies.sh [build] [check] [demo]" ;;
	esac
done

missing=$(missing_packages "$groups")
if [ "$missing" ]; then
	if ! command -v apt-get >/dev/null; then
		for package in $missing; do
			say "missing: what Debian calls $package; install this system's package for it"
		done
		exit 1
	elif [ "$(id -u)" != 0 ]; then
		for package in $missing; do
			say "missing: the package $package; as root: apt-get install $package"
		done
		exit 1
	fi
	install_packages "$missing"
	missing=$(missing_packages "$groups")
	[ -z "$missing" ] || die "installed, but still missing: $missing"
fi

case " $groups " in
*" check "* | *" demo "*) check_host ;;
esac
