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

# fail TEXT: end the test; the kernel takes a line of at most 1 KiB
fail()
{
	printf '<3>gw-failed: %.900s' "$(echo "$*" | tr '\n' ' ')" > /dev/kmsg
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
	echo 'hist:keys=dev_name:vals=size' > "$bounces/trigger"
}

# bounced_bytes: since watch_bounces
bounced_bytes()
{
	awk '{ for (i = 1; i < NF; i++) if ($i == "size:") sum += $(i + 1) }
		END { printf "%.0f\n", sum }' "$bounces/hist"
}

# bounce_peak: the most that swiotlb ever held at once, in bytes
bounce_peak()
{
	echo $(($(cat /sys/kernel/debug/swiotlb/io_tlb_used_hiwater) * 2048))
}

# nvme_function: the PCI address of the first NVMe controller
nvme_function()
{
	for function_dir in /sys/bus/pci/devices/*; do
		if [ "$(cat "$function_dir/class")" = 0x010802 ]; then
			echo "${function_dir##*/}"
			return
		fi
	done
	fail "there is no NVMe controller on the PCI bus"
}

# nvme_disk BDF: the block device of its namespace, once it is there
nvme_disk()
{
	disk_left=300
	while :; do
		for disk_dir in /sys/bus/pci/devices/"$1"/nvme/nvme*/nvme*n*; do
			if [ -b "/dev/${disk_dir##*/}" ]; then
				echo "/dev/${disk_dir##*/}"
				return
			fi
		done
		disk_left=$((disk_left - 1))
		[ $disk_left -gt 0 ] || fail "no disk at $1 within 30 s"
		sleep 0.1
	done
}

# fio_verify NAME OPTION...: one job on each CPU, 32 requests deep, all sizes from 512 bytes to
# 1 MiB; what is read must be what was written
fio_verify()
{
	fio_name=$1
	shift
	fio --name="$fio_name" --ioengine=libaio --direct=1 --iodepth=32 \
		--numjobs="$(nproc)" --cpus_allowed="0-$(($(nproc) - 1))" \
		--cpus_allowed_policy=split --group_reporting \
		--bssplit=512/20:4k/40:16k/20:128k/15:1m/5 \
		--verify=crc32c --verify_fatal=1 "$@" > "/tmp/$fio_name.log" 2>&1 || {
		cat "/tmp/$fio_name.log"
		fail "fio $fio_name failed"
	}
}
