/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Print what QEMU has HVF map: of memory, of ROM, of a device's registers, and of registers that are
 * no multiple of 16 KiB. HVF_C is QEMU's own hvf_set_phys_mem(), cut from its source; what stands
 * above it here plays the rest of QEMU, and a Mac.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define UNIT			16384u
#define HV_MEMORY_READ		1u
#define HV_MEMORY_WRITE		2u
#define HV_MEMORY_EXEC		4u
#define QEMU_IS_ALIGNED(n, m)	((n) % (m) == 0)
#define assert_hvf_ok(ret)	assert(!(ret))
#define error_report(...)	fprintf(stderr, __VA_ARGS__)
#define trace_hvf_vm_unmap(...)	((void)0)
#define trace_hvf_vm_map(...)	((void)0)

typedef uint64_t hv_memory_flags_t;
typedef int hv_return_t;

typedef struct MemoryRegion {
	bool ram, ram_device, readonly, rom_device;
} MemoryRegion;

typedef struct MemoryRegionSection {
	MemoryRegion *mr;
	uint64_t size, offset_within_address_space, offset_within_region;
} MemoryRegionSection;

typedef struct hvf_slot {
	uint64_t start, size;
	uint8_t *mem;
	int slot_id;
	uint32_t flags;
	MemoryRegion *region;
} hvf_slot;

struct mac_slot {
	int present;
	uint64_t size, gpa_start, gva;
};

static struct mac_slot mac_slots[32];
static struct HVFState {
	hvf_slot slots[32];
	int num_slots;
} hvf, *hvf_state = &hvf;

static uint8_t memory[UNIT] __attribute__((aligned(UNIT)));

static uint64_t qemu_real_host_page_size(void)
{
	return UNIT;
}

static uint64_t int128_get64(uint64_t size)
{
	return size;
}

static bool memory_region_is_ram(MemoryRegion *mr)
{
	return mr->ram;
}

static bool memory_region_is_ram_device(MemoryRegion *mr)
{
	return mr->ram_device;
}

static bool memory_region_is_romd(MemoryRegion *mr)
{
	return mr->rom_device;
}

static uint8_t *memory_region_get_ram_ptr(MemoryRegion *mr)
{
	return memory;
}

static hv_return_t hv_vm_unmap(uint64_t gpa, uint64_t size)
{
	return 0;
}

static hv_return_t hv_vm_map(void *mem, uint64_t gpa, uint64_t size, hv_memory_flags_t flags)
{
	printf("%s%s%s", flags & HV_MEMORY_READ ? "r" : "-", flags & HV_MEMORY_WRITE ? "w" : "-",
	       flags & HV_MEMORY_EXEC ? "x" : "-");
	return 0;
}

#include HVF_C

static void add(const char *name, MemoryRegion mr, uint64_t size)
{
	static uint64_t gpa;
	MemoryRegionSection section = { &mr, size, gpa += 4 * UNIT, 0 };

	printf("%s ", name);
	hvf_set_phys_mem(&section, true);
	printf("\n");
}

int main(void)
{
	hvf.num_slots = 32;
	for (int i = 0; i < hvf.num_slots; i++)
		hvf.slots[i].slot_id = i;
	add("memory", (MemoryRegion){ .ram = true }, UNIT);
	add("rom", (MemoryRegion){ .ram = true, .readonly = true }, UNIT);
	add("registers", (MemoryRegion){ .ram = true, .ram_device = true }, UNIT);
	add("small", (MemoryRegion){ .ram = true, .ram_device = true }, UNIT / 4);
	add("trapped", (MemoryRegion){ 0 }, UNIT);
	return 0;
}
