# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=dash
# For the scripts of this folder that load the guest's module; after lib.sh.

module=/gangway-dma.ko
debug=/sys/kernel/debug/gangway-dma
mount -t debugfs debugfs /sys/kernel/debug
[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing

# counter KEY [COMPANION]: a word of the module's statistics; of the first companion, or this one
counter()
{
	set -- "$1" "$debug/${2:-*}/stats"
	# shellcheck disable=SC2086  # a pattern
	sed -n "s/^$1 //p" $2 | head -n 1
}

# of_class CLASS: the addresses of functions of a class, as in sysfs
of_class()
{
	for class_dir in /sys/bus/pci/devices/*; do
		[ "$(cat "$class_dir/class")" != "$1" ] || echo "${class_dir##*/}"
	done
}

# companions: their addresses
companions()
{
	of_class 0x088000
}

# The kernel's own event for what is mapped; its name is another since 6.18.
mapped=/sys/kernel/tracing/events/dma/dma_map_phys
[ -d $mapped ] || mapped=/sys/kernel/tracing/events/dma/dma_map_page

# register OFFSET [VALUE]: of the first companion, 32 bits; write it if there is a value. With a
# driver bound this needs iomem=relaxed.
register()
{
	register_bdf=$(companions | head -n 1)
	[ -e "/sys/bus/pci/devices/$register_bdf/driver" ] ||
		must setpci -s "$register_bdf" COMMAND=2:2
	register_at=$(($(sed -n '1s/ .*//p' "/sys/bus/pci/devices/$register_bdf/resource") + $1))
	shift
	devmem $register_at 32 "$@"
}
reg_used_maps=0x44 reg_generation=0x54 reg_control=0x58 reg_ring_enable=0x6c

# expect_hidden: the disk must not be on the bus
expect_hidden()
{
	[ -z "$(of_class 0x010802)" ] || fail "the disk shows before the module does"
}

# function_within SECONDS: the address of the disk's function, once it is there
function_within()
{
	function_left=$(($1 * 10))
	while [ -z "$(of_class 0x010802)" ]; do
		[ $function_left -gt 0 ] || fail "no disk on the bus within $1 s"
		function_left=$((function_left - 1))
		sleep 0.1
	done
	of_class 0x010802
}

# huge_files N PAGES: make files /huge/0 to /huge/N-1 of so many huge pages, all over RAM: between any
# two pages, some of the pool of huge pages is given up. Only what is in a file is touched.
huge_files()
{
	mkdir -p /huge
	mount -t hugetlbfs huge /huge
	echo $(($(sed -n 's/^MemFree: *\([0-9]*\) .*/\1/p' /proc/meminfo) * 7 / 8 / 2048)) \
		> /proc/sys/vm/nr_hugepages
	huge_left=$(cat /proc/sys/vm/nr_hugepages)
	huge_step=$((huge_left / $1 / $2))
	[ $huge_step -gt 0 ] || fail "$huge_left huge pages, and $(($1 * $2)) are wanted"
	huge_i=0
	while [ $huge_i -lt $(($1 * $2)) ]; do
		must fallocate -o $((huge_i / $1 * 2))m -l 2m /huge/$((huge_i % $1))
		huge_left=$((huge_left - huge_step + 1))
		echo $huge_left > /proc/sys/vm/nr_hugepages
		huge_i=$((huge_i + 1))
	done
}

probe_parameters=/sys/module/probe_test/parameters

# tests_went_well NUMBER: so many times the probe's driver has run its tests, and now all went well
tests_went_well()
{
	[ "$(dmesg | grep -c 'probe-test: .* of .* failed')" = "$1" ] || fail "no tests have run"
	[ "$(cat $probe_parameters/failed)" = 0 ] || fail "$(dmesg | grep probe-test | tail -n 8)"
}

# unwilling_driver: what a driver that does not bind has left to the driver core is freed
unwilling_driver()
{
	must insmod /probe-test.ko unwilling=1
	[ "$(cat $probe_parameters/failed)" = 0 ] ||
		fail "$(cat $probe_parameters/failed) allocations failed"
	[ "$(counter used_maps)" = 0 ] || fail "$(counter used_maps) mappings without a driver"
	must rmmod probe-test
}
