# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the scripts share. Sourced, not run; HERE is the directory that this is in.

# Debian's release that the environment is made of.
RELEASE=trixie
TREE=$(cd "$HERE/../.." && pwd -P)
# Is there in the environment, and nowhere else.
MARK=/etc/rust-taskstats-environment

say() {
	echo "environment: $*" >&2
}

fail() {
	say "$@"
	exit 1
}

# Kbuild takes no space or colon in a path, and a guest has directories of its own
# in place of some.
visible() {
	case $1 in
	*[!A-Za-z0-9/._@%+,=-]*)
		fail "$2 is $1: the kernel's build takes letters, digits and /._@%+,=- in a path only" ;;
	/ | /dev | /dev/* | /proc | /proc/* | /run | /run/* | /sys | /sys/* | /tmp | /usr | /etc | \
	/var/cache | /var/cache/* | /var/lib/apt | /var/lib/apt/* | /var/log | /var/log/* | /var/tmp | /var/tmp/*)
		fail "$2 is $1: guests and the environment have one of their own there" ;;
	esac
}

# Finds the directory that everything is kept in.
find_cache() {
	cache=${RUST_TASKSTATS_CACHE:-}
	if [ -z "$cache" ]; then
		cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
		[ -n "$cache" ] ||
			fail "HOME is not set: say where the cache shall be with RUST_TASKSTATS_CACHE="
		cache=$cache/rust-taskstats
	fi
}

# Finds, checks and makes it, and checks where the work tree is.
find_places() {
	find_cache
	visible "$cache" "the cache (RUST_TASKSTATS_CACHE=)"
	mkdir -p "$cache/environment" || fail "the cache $cache cannot be made"
	cache=$(cd "$cache" && pwd -P)
	visible "$cache" "the cache (RUST_TASKSTATS_CACHE=)"
	visible "$TREE" "this work tree"
	[ -w "$cache/environment" ] || fail "the cache $cache cannot be written to"
	# What `make mrproper` looks for before it removes all of it.
	[ -e "$cache/CACHEDIR.TAG" ] || cat >"$cache/CACHEDIR.TAG" <<-TAG
		Signature: 8a477f597d28d172789f06886806bc55
		# The cache of rust-taskstats. It can be removed: make mrproper.
	TAG
}

# The variables of this machine's that concern the network.
network_variables() {
	env | sed -n 's/^\([A-Za-z_]*_[Pp][Rr][Oo][Xx][Yy]\|CARGO_\(HTTP\|NET\|REGISTR\)[A-Z_]*\|PIP_[A-Z_]*\(INDEX\|HOST\|TIMEOUT\)[A-Z_]*\)=.*/\1/p'
}

# This machine's certificates, if it has any.
certificates() {
	for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt \
		/etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
		[ ! -s "$file" ] || { echo "$file"; break; }
	done
}

# The mirror of Debian that this machine is configured for. Without one, mmdebstrap
# has its own.
mirror() {
	if [ -n "${RUST_TASKSTATS_MIRROR:-}" ]; then
		echo "$RUST_TASKSTATS_MIRROR"
	elif command -v apt-get >/dev/null; then
		# Whose archive a source is, apt knows from its lists, which an image may lack.
		apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)' \
			'Created-By: Packages' | sed -n '
			s/^Debian|Debian|[^|]*|main|\(https\{0,1\}:.*\)/\1/p
			s/^||\(bookworm\|trixie\|forky\|sid\|stable\|testing\)|main|\(https\{0,1\}:.*\)/\2/p' |
			head -n 1
	fi
}

# Where the programs of this work tree are: two of them never share one.
target_directory() {
	echo "$cache/target/$(printf %s "$TREE" | sha256sum | cut -c 1-12)"
}

# inside ROOT [BWRAP_OPTIONS...] -- COMMAND...: becomes the command.
inside() {
	root=$1
	shift
	for variable in $(network_variables); do
		eval "value=\$$variable"
		# shellcheck disable=SC2154 # it is set by eval
		set -- --setenv "$variable" "$value" "$@"
	done
	for variable in TERM COLORTERM NO_COLOR CI RUST_BACKTRACE RUST_LOG; do
		eval "value=\${$variable-}"
		[ -z "$value" ] || set -- --setenv "$variable" "$value" "$@"
	done
	certificates=$(certificates)
	if [ -n "$certificates" ]; then
		set -- --ro-bind "$certificates" /run/certificates.crt \
			--setenv SSL_CERT_FILE /run/certificates.crt \
			--setenv CARGO_HTTP_CAINFO /run/certificates.crt \
			--setenv PIP_CERT /run/certificates.crt "$@"
	fi
	for file in "${XDG_CONFIG_HOME:-${HOME-}/.config}/pip/pip.conf" "${HOME-}/.pip/pip.conf" /etc/pip.conf; do
		[ ! -f "$file" ] || set -- --ro-bind "$file" /etc/pip.conf "$@"
	done
	cargo=${CARGO_HOME:-${HOME:+$HOME/.cargo}}
	for file in config.toml credentials.toml; do
		[ -z "$cargo" ] || [ ! -f "$cargo/$file" ] ||
			set -- --ro-bind "$cargo/$file" "$cache/cargo/$file" "$@"
	done
	# Commands run as root: this machine's, or that of a user namespace of their own.
	[ "$(id -u)" = 0 ] || set -- --unshare-user --uid 0 --gid 0 "$@"
	directory=$(pwd -P)
	case $directory in
	"$TREE" | "$TREE"/*) ;;
	*) directory=$TREE ;;
	esac
	mkdir -p "$cache/cargo"
	target=$(target_directory)
	exec bwrap --bind "$root" / --proc /proc --dev /dev --dev-bind-try /dev/kvm /dev/kvm \
		--perms 1777 --tmpfs /tmp \
		--ro-bind-try /etc/resolv.conf /etc/resolv.conf --ro-bind-try /etc/hosts /etc/hosts \
		--bind "$cache" "$cache" --bind "$TREE" "$TREE" --chdir "$directory" \
		--cap-add ALL --unshare-pid --die-with-parent --clearenv \
		--setenv PATH "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$target/release" \
		--setenv HOME /root --setenv LANG C.UTF-8 \
		--setenv RUST_TASKSTATS_CACHE "$cache" --setenv RUST_TASKSTATS_ROOT "$root" \
		--setenv CARGO_HOME "$cache/cargo" --setenv CARGO_TARGET_DIR "$target" \
		--setenv CARGO_ENCODED_RUSTFLAGS '' \
		--setenv CARGO_BUILD_RUSTC_WRAPPER '' --setenv APT_CONFIG "$cache/environment/apt.conf" \
		"$@"
}
