/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM gangway

#if !defined(GANGWAY_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define GANGWAY_TRACE_H

#include <linux/device.h>
#include <linux/tracepoint.h>

TRACE_EVENT(gangway_map,
	TP_PROTO(struct device *dev, phys_addr_t phys, size_t len, u64 iova),
	TP_ARGS(dev, phys, len, iova),
	TP_STRUCT__entry(
		__string(dev, dev_name(dev))
		__field(u64, phys)
		__field(u64, len)
		__field(u64, iova)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->phys = phys;
		__entry->len = len;
		__entry->iova = iova;
	),
	TP_printk("%s phys=%#llx len=%llu iova=%#llx", __get_str(dev), __entry->phys,
		  __entry->len, __entry->iova)
);

TRACE_EVENT(gangway_unmap,
	TP_PROTO(struct device *dev, u64 iova, size_t len),
	TP_ARGS(dev, iova, len),
	TP_STRUCT__entry(
		__string(dev, dev_name(dev))
		__field(u64, iova)
		__field(u64, len)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->iova = iova;
		__entry->len = len;
	),
	TP_printk("%s iova=%#llx len=%llu", __get_str(dev), __entry->iova, __entry->len)
);

TRACE_EVENT(gangway_evict,
	TP_PROTO(struct device *dev, phys_addr_t phys, u64 len, u64 iova, unsigned int uses),
	TP_ARGS(dev, phys, len, iova, uses),
	TP_STRUCT__entry(
		__string(dev, dev_name(dev))
		__field(u64, phys)
		__field(u64, len)
		__field(u64, iova)
		__field(unsigned int, uses)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->phys = phys;
		__entry->len = len;
		__entry->iova = iova;
		__entry->uses = uses;
	),
	TP_printk("%s phys=%#llx len=%llu iova=%#llx uses=%u", __get_str(dev), __entry->phys,
		  __entry->len, __entry->iova, __entry->uses)
);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
