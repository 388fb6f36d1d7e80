# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=dash
# For the scripts that run gangway on functions of the guest itself, through VFIO.

# shellcheck source=tests/guest/scripts/lib.sh
. /tests/lib.sh

devices=/sys/bus/pci/devices
socket=/tmp/function.sock
pinned_before=0	# pages; a script that counts them sets it
mapped_before=0	# bytes

# find_function VENDOR DEVICE: the address of the first
find_function()
{
	for find_dir in "$devices"/*; do
		if [ "$(cat "$find_dir/vendor") $(cat "$find_dir/device")" = "0x$1 0x$2" ]; then
			basename "$find_dir"
			return
		fi
	done
}

# to_vfio BDF, to_kernel BDF: hand a function to vfio-pci and back
to_vfio()
{
	echo vfio-pci > "$devices/$1/driver_override"
	[ ! -e "$devices/$1/driver" ] || echo "$1" > "$devices/$1/driver/unbind"
	echo "$1" > /sys/bus/pci/drivers_probe
}

to_kernel()
{
	echo > "$devices/$1/driver_override"
	[ ! -e "$devices/$1/driver" ] || echo "$1" > "$devices/$1/driver/unbind"
	echo "$1" > /sys/bus/pci/drivers_probe
}

# serve BDF... [OPTION]...: until stop
serve()
{
	rm -f "$socket"* /tmp/serve.log
	mapped_before=$(mapped)
	gangway serve --socket "$socket" --report /tmp/report.json "$@" 2> /tmp/serve.log &
	server=$!
	serve_left=200
	until grep -q "serving; SIGTERM ends it" /tmp/serve.log 2> /dev/null; do
		[ -d /proc/$server ] || logged "gangway did not start"
		[ $serve_left -gt 0 ] || logged "it does not serve"
		serve_left=$((serve_left - 1))
		sleep 0.1
	done
	chown 65534 "$socket"*
	# /dev/vfio/vfio is for everyone; a client must not need even that
	find /dev/vfio -type c -exec chmod 600 {} +
	[ -c /dev/iommu ] && serve_how=iommufd || serve_how=type1
	grep -q "by $serve_how" /tmp/serve.log || logged "it does not go by $serve_how"
}

# stop: end the server, which must be well
stop()
{
	kill -TERM "$server" 2> /dev/null || :	# under plan window it ends with its VMM
	wait "$server" || logged "gangway ended with status $?"
}

# logged TEXT: fail, and show what the server had to say
logged()
{
	echo "--- gangway:"
	cat /tmp/serve.log
	fail "$@"
}

# pinned: pages that the kernel holds for devices now
pinned()
{
	echo 1 > /proc/sys/vm/stat_refresh	# what each processor has counted for itself
	awk '$1 == "nr_foll_pin_acquired" { n += $2 } $1 == "nr_foll_pin_released" { n -= $2 }
		END { print n + 0 }' /proc/vmstat
}

# trace_iommu: count from now on what is mapped and unmapped
trace_iommu()
{
	[ -d /sys/kernel/tracing ] || return	# then only what is pinned is counted
	[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
	echo 'hist:keys=common_type:vals=size' > /sys/kernel/tracing/events/iommu/map/trigger
	echo 'hist:keys=common_type:vals=size' > /sys/kernel/tracing/events/iommu/unmap/trigger
}

event_bytes()
{
	awk '{ for (i = 1; i < NF; i++) if ($i == "size:") sum += $(i + 1) }
		END { printf "%.0f\n", sum }' "/sys/kernel/tracing/events/iommu/$1/hist"
}

# mapped: bytes mapped at the IOMMU, but for what already was when trace_iommu was called
mapped()
{
	[ -d /sys/kernel/tracing/events ] || {
		echo 0
		return
	}
	echo $(($(event_bytes map) - $(event_bytes unmap)))
}

# is_empty: nothing is pinned, and no more is mapped than before the server started
is_empty()
{
	[ "$(pinned)" = "$pinned_before" ] && [ "$(mapped)" = "$mapped_before" ]
}

# empty WHEN: the IOMMU is, once the server has noticed that its client went
empty()
{
	empty_left=100
	until is_empty; do
		[ $empty_left -gt 0 ] || logged "$1: $(pinned) pages are pinned, at first were" \
			"$pinned_before; $(mapped) bytes are mapped, at first were" \
			"$mapped_before"
		empty_left=$((empty_left - 1))
		sleep 0.1
	done
}
