# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=dash
# For the scripts of this folder, which run in guests. Messages to the host are lines of the
# kernel's log, which nothing cuts in two; tests/guest/guest.py reads them.

step()
{
	echo "<3>gw-step: $*" > /dev/kmsg
}

value()
{
	echo "<3>gw-value: $*" > /dev/kmsg
}

# expect_messages REGEX: what the kernel says from now on may match; empty: may not
expect_messages()
{
	echo "<3>gw-expect: $*" > /dev/kmsg
}

fail()
{
	echo "<3>gw-failed: $*" > /dev/kmsg
	exit 1
}

# must COMMAND...: fail if it does
must()
{
	"$@" || fail "'$*' ended with status $?"
}

# word KEY: the value of gangway.KEY=VALUE on the kernel command line
word()
{
	sed -n "s/.*gangway\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

# now: hundredths of a second since the start
now()
{
	sed 's/ .*//; s/\.//; s/^0*\(.\)/\1/' /proc/uptime
}

# pattern SEED FIRST COUNT: seeded data on standard output, as guest.py's pattern(). A block is a
# piece of the seed written twice.
pattern()
{
	pattern_size=$(stat -c %s "$1")
	[ -e /tmp/seed-twice ] || cat "$1" "$1" > /tmp/seed-twice
	pattern_i=$2
	while [ "$pattern_i" -lt $(($2 + $3)) ]; do
		dd if=/tmp/seed-twice bs=64k count=$((pattern_size / 65536)) iflag=skip_bytes \
			skip=$((pattern_i * 65537 % pattern_size)) 2> /dev/null
		pattern_i=$((pattern_i + 1))
	done
}

# wait_path PATH SECONDS: until it is there
wait_path()
{
	wait_left=$(($2 * 10))
	while [ ! -e "$1" ]; do
		[ $wait_left -gt 0 ] || fail "no $1 within $2 s"
		wait_left=$((wait_left - 1))
		sleep 0.1
	done
}

# watch_bounces: count from now on what swiotlb copies
watch_bounces()
{
	[ -d /sys/kernel/debug/swiotlb ] || mount -t debugfs debugfs /sys/kernel/debug
	[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
	bounces=/sys/kernel/tracing/events/swiotlb/swiotlb_bounced
	echo 'hist:keys=dev_name:vals=size' > $bounces/trigger
}

# bounced_bytes: since watch_bounces
bounced_bytes()
{
	awk '{ for (i = 1; i < NF; i++) if ($i == "size:") sum += $(i + 1) }
		END { printf "%d\n", sum }' $bounces/hist
}

# bounce_peak: the most that swiotlb ever held at once, in bytes
bounce_peak()
{
	echo $(($(cat /sys/kernel/debug/swiotlb/io_tlb_used_hiwater) * 2048))
}
