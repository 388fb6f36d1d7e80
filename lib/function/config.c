/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "function/function.h"

/*
 * How it works: an access is cut into naturally aligned pieces. Of each, the policy's masks say
 * which bits come from the host and which from our copy, and which a write may change where. So an
 * access that overlaps a protected register reaches the rest of what it covers. What a write means
 * beyond its bits follows piece by piece, in order: bus mastering and the power state here, a reset
 * is left to the caller, who is told of it.
 *
 * COMMAND is the only register whose bits are forwarded.
 */

static uint32_t mask_at(const uint8_t *mask, unsigned int off, unsigned int width)
{
	return gw_pci_get(mask, off, width);
}

static bool piece_covers(unsigned int off, unsigned int width, unsigned int at)
{
	return off <= at && at < off + width;
}

bool gw_guest_config_idle(const struct gw_guest_function *gf)
{
	return !(gf->command & (GW_PCI_COMMAND_IO | GW_PCI_COMMAND_MEMORY | GW_PCI_COMMAND_MASTER));
}

/* Is bus mastering off at the host whatever the guest has set? */
static bool master_held(const struct gw_guest_function *gf) GW_HOLDS(gf->lock)
{
	return gf->paused || gw_guest_asleep(gf);
}

void gw_guest_config_initial(struct gw_guest_function *gf)
{
	memcpy(gf->config, gf->policy.initial, sizeof(gf->config));
	gf->command = 0;
}

int gw_guest_config_command(struct gw_guest_function *gf)
{
	const uint16_t ours = GW_PCI_COMMAND_IO | GW_PCI_COMMAND_MEMORY | GW_PCI_COMMAND_MASTER |
			      GW_PCI_COMMAND_INTX_OFF;
	uint32_t want = gf->command, is;
	int ret;

	if (master_held(gf))
		want &= ~GW_PCI_COMMAND_MASTER;
	ret = gf->fn->ops->config_read(gf->fn, GW_PCI_COMMAND, 2, &is);
	if (ret)
		return ret;
	want |= is & ~(uint32_t)ours & 0xffff;
	/* bus mastering going off waits for DMA that is under way */
	if (is & ~want & GW_PCI_COMMAND_MASTER)
		gw_guest_quiet_begin(gf);
	if (!(want & GW_PCI_COMMAND_MEMORY))
		gw_guest_decodes(gf, false);
	ret = gf->fn->ops->config_write(gf->fn, GW_PCI_COMMAND, 2, want);
	if (!ret && want & GW_PCI_COMMAND_MEMORY)
		gw_guest_decodes(gf, true);
	if (is & ~want & GW_PCI_COMMAND_MASTER)
		gw_guest_quiet_end(gf);
	return ret;
}

/* All ones where the host does not answer, as on a bus. */
static uint32_t config_read_piece(struct gw_guest_function *gf, unsigned int off,
				  unsigned int width) GW_HOLDS(gf->lock)
{
	uint32_t forwarded = mask_at(gf->policy.forwarded, off, width);
	uint32_t host = mask_at(gf->policy.read_only, off, width) | forwarded;
	uint32_t val = 0;
	int ret;

	if (host) {
		ret = gf->fn->ops->config_read(gf->fn, off, width, &val);
		if (ret) {
			gw_guest_failed(gf, ret, "read config space");
			val = UINT32_MAX;
		}
	}
	if (forwarded && off == GW_PCI_COMMAND && master_held(gf))
		val |= gf->command & GW_PCI_COMMAND_MASTER;	/* off, but not by the guest */
	return (val & host) | gw_pci_get(gf->config, off, width);
}

void gw_guest_config_read(struct gw_guest_function *gf, unsigned int off, uint8_t *buf,
			  size_t len)
{
	unsigned int width;

	for (; len; off += width, buf += width, len -= width) {
		width = gw_guest_piece(off, len, 4);
		if (gw_guest_dead(gf) || (gf->hidden && off < GW_PCI_COMMAND))
			memset(buf, 0xff, width);
		else
			gw_pci_put(buf, 0, width, config_read_piece(gf, off, width));
	}
}

static void command_written(struct gw_guest_function *gf, unsigned int off, unsigned int width,
			    uint32_t val) GW_HOLDS(gf->lock)
{
	uint16_t mask, bits;
	int ret;

	/* a piece lies within the dword of COMMAND and STATUS */
	val <<= 8 * (off - GW_PCI_COMMAND);
	mask = (uint16_t)(mask_at(gf->policy.forwarded, off, width) << 8 * (off - GW_PCI_COMMAND));
	bits = (uint16_t)val & mask;
	gf->command = (uint16_t)((gf->command & ~mask) | bits);
	if (gf->command & GW_PCI_COMMAND_MEMORY)
		gw_guest_function_note_bars(gf);
	ret = gw_guest_config_command(gf);
	if (ret)
		gw_guest_failed(gf, ret, "write COMMAND");
}

/* The copy holds the new state already; @was is the old one. Return: this resets the function. */
static bool power_written(struct gw_guest_function *gf, unsigned int was) GW_HOLDS(gf->lock)
{
	uint8_t *ctrl = &gf->config[gf->policy.pm + GW_PCI_PM_CTRL];
	unsigned int is = *ctrl & GW_PCI_PM_STATE;
	int ret;

	/* a state that is not offered: the write is taken and ignored (PCI-PM 1.2, 3.2.4) */
	if (is != 0 && is != GW_PCI_PM_D3HOT) {
		*ctrl = (uint8_t)((*ctrl & ~GW_PCI_PM_STATE) | was);
		return false;
	}
	if (is == was)
		return false;
	if (!is && !gf->policy.no_soft_reset)
		return true;
	ret = gw_guest_config_command(gf);
	if (ret)
		gw_guest_failed(gf, ret, is ? "go to D3hot" : "come back to D0");
	return false;
}

/* Did the guest set a bit that asks for a reset? The reset then clears it. */
static bool reset_written(const struct gw_guest_function *gf, unsigned int reg, uint8_t bit,
			  unsigned int off, unsigned int width) GW_HOLDS(gf->lock)
{
	return piece_covers(off, width, reg) && gf->config[reg] & bit;
}

/* Return: the function is to be reset. */
static bool config_write_piece(struct gw_guest_function *gf, unsigned int off, unsigned int width,
			       uint32_t val) GW_HOLDS(gf->lock)
{
	const struct gw_pci_policy *p = &gf->policy;
	uint32_t mask = mask_at(p->emulated, off, width);
	unsigned int power = gf->config[p->pm + GW_PCI_PM_CTRL] & GW_PCI_PM_STATE;
	bool reset = false;

	gw_pci_put(gf->config, off, width,
		   (gw_pci_get(gf->config, off, width) & ~mask) | (val & mask));
	if (mask_at(p->forwarded, off, width))
		command_written(gf, off, width, val);
	if (p->pm && piece_covers(off, width, p->pm + GW_PCI_PM_CTRL))
		reset = power_written(gf, power);
	if (p->pcie)
		reset |= reset_written(gf, p->pcie + GW_PCI_PCIE_DEVCTL + 1,
				       GW_PCI_PCIE_DEVCTL_FLR >> 8, off, width);
	if (p->af)
		reset |= reset_written(gf, p->af + GW_PCI_AF_CTRL, GW_PCI_AF_CTRL_FLR, off, width);
	return reset;
}

size_t gw_guest_config_write(struct gw_guest_function *gf, unsigned int off, const uint8_t *buf,
			     size_t len, bool *reset)
{
	unsigned int width;
	size_t done = 0;

	for (*reset = false; done < len && !*reset; done += width) {
		if (gw_guest_dead(gf) || gf->hidden)
			return len;
		width = gw_guest_piece(off + done, len - done, 4);
		*reset = config_write_piece(gf, off + (unsigned int)done, width,
					    gw_pci_get(buf + done, 0, width));
	}
	return done;
}
