# shellcheck shell=bash
# Shared by the scripts of this folder: source it after "set -euo pipefail".
#
# How it works. Packages come from Debian's archive through a private apt (own index, own
# package state), so nothing is installed on this machine and root is not needed. apt checks
# the archive's signature and each package's checksum; packages are unpacked, and none of their
# scripts run. Everything is made in a folder beside its final name, under a lock, and renamed
# when complete: an interrupted run leaves nothing half done, and two runs wait for each other.

provision=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
cache=$("$provision/cache-dir")
export LC_ALL=C

say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	say "$*"
	exit 1
}

# usage_error TEXT: wrong arguments
usage_error()
{
	say "$*; see --help"
	exit 2
}

# help: print the comment a script opens with
help()
{
	sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
	exit 0
}

# need PROGRAM PACKAGE-SET: stop early, and name the way out
need()
{
	command -v "$1" > /dev/null || die "the program '$1' is missing; run: $provision/packages $2"
}

# lock NAME: one run at a time; held until this script ends
lock()
{
	local fd

	mkdir -p "$cache/locks"
	exec {fd}> "$cache/locks/$1"
	if ! flock -n "$fd"; then
		say "waiting for another run that prepares $1"
		flock "$fd"
	fi
}

# work_dir NAME: set $work to a new empty folder, gone when this script ends. Call it with the
# lock NAME held: a folder left by a run that was killed is removed here.
work_dir()
{
	work=$cache/partial/$1
	rm -rf "$work"
	mkdir -p "$work"
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# mirrors: the mirrors this machine's own apt uses, Debian's first. Until "apt-get update" was run
# for the first time, apt does not know which those are; then they are in the order of its files.
mirrors()
{
	if [ -n "${GANGWAY_MIRROR-}" ]; then
		echo "$GANGWAY_MIRROR"
		return
	fi
	# shellcheck disable=SC2016  # the field is apt's, not the shell's
	{
		APT_CONFIG='' apt-get indextargets --format '$(REPO_URI)' \
			'Origin: Debian' 'Component: main'
		APT_CONFIG='' apt-get --print-uris update | sed -n "s/^'\(.*\)dists\/.*/\1/p"
	} 2> /dev/null | awk '!/security/ && !seen[$0]++'
}

# apt_configure ARCH MIRROR: write the private configuration
apt_configure()
{
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg suite
	local kind="deb [arch=$1 " arch=$1 suites="trixie trixie-updates trixie-backports"

	[ -r "$keyring" ] ||
		die "cannot check signatures: $keyring is missing; install debian-archive-keyring"
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/empty"
	if [ "$1" = source ]; then
		kind="deb-src [" arch=$(dpkg --print-architecture) suites="trixie sid"
	elif [ "$1" = bookworm ]; then
		arch=$(dpkg --print-architecture) kind="deb [arch=$arch " suites=bookworm
	fi
	: > "$apt/status"
	for suite in $suites; do
		echo "${kind}signed-by=$keyring] $2 $suite main"
	done > "$apt/sources.list"
	cat > "$apt/apt.conf" <<-END
	#clear APT::Architectures;
	#clear DPkg::Post-Invoke;
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	APT::Architecture "$arch";
	APT::Architectures { "$arch"; };
	APT::Install-Recommends "false";
	APT::Sandbox::User "$(id -un)";
	Acquire::Languages "none";
	Acquire::Retries "3";
	Dir::Cache "$apt/cache";
	Dir::Etc::preferences "$apt/empty/none";
	Dir::Etc::preferencesparts "$apt/empty";
	Dir::Etc::sourcelist "$apt/sources.list";
	Dir::Etc::sourceparts "$apt/empty";
	Dir::State "$apt/state";
	Dir::State::status "$apt/status";
	END
}

# apt_prepare ARCH [fresh]: have a signed index of ARCH, or of the words source or bookworm (Debian 12,
# what is alike on all of its architectures), at most half a day old, and point apt at it. The lock that is taken here is held until this script ends.
apt_prepare()
{
	local mirror

	apt=$cache/apt/$1
	export APT_CONFIG=$apt/apt.conf
	[ -n "${apt_locked-}" ] || lock "apt-$1"
	apt_locked=1
	if [ -z "${2-}" ] && [ -n "$(find "$apt/fresh" -mmin -720 2> /dev/null)" ]; then
		return
	fi
	rm -f "$apt/fresh"
	for mirror in $(mirrors); do
		say "reading the package index of Debian for $1 from $mirror"
		apt_configure "$1" "$mirror"
		if apt-get -qq --error-on=any update >&2; then
			touch "$apt/fresh"
			return
		fi
	done
	die "no Debian mirror with a signed Debian index was found in this machine's apt" \
		"sources; set GANGWAY_MIRROR to the URL of one"
}

# closure SUITE PACKAGE...: print NAME=VERSION of the packages and all they depend on
closure()
{
	local suite=$1

	shift
	apt-get -s -t "$suite" install "$@" |
		sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p'
}

# unpack_once DIR PACKAGE...: download the packages (NAME or NAME=VERSION) and unpack them into DIR
unpack_once()
{
	local dir=$1 debs=$1.debs deb quiet=-qq

	shift
	[ ! -t 2 ] || quiet=-q
	mkdir -p "$dir" "$debs"
	say "downloading $# packages"
	(cd "$debs" && apt-get "$quiet" download "$@" >&2) || return
	for deb in "$debs"/*.deb; do
		# no setuid bits, no foreign owners: these trees are read, never entered as root
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$dir" --keep-directory-symlink --no-same-owner \
				--no-same-permissions --exclude='./usr/share/doc' \
				--exclude='./usr/share/man' --exclude='./usr/share/locale' || return
		rm "$deb"
	done
	rmdir "$debs"
}

# unpack ARCH DIR PACKAGE...: as above; a second try with a fresh index, as a mirror drops
# packages that newer ones replace
unpack()
{
	local arch=$1 dir=$2

	shift 2
	unpack_once "$dir" "$@" && return
	say "the download failed; trying again with a fresh index"
	rm -rf "$dir" "$dir.debs"
	apt_prepare "$arch" fresh
	unpack_once "$dir" "$@" || die "cannot download or unpack packages for $arch (see above)"
}

# archive DIR: write DIR as a cpio archive, everything owned by root
archive()
{
	(cd "$1" && find . -mindepth 1 | sort |
		cpio --quiet -o -H newc -R +0:+0 --reproducible)
}
