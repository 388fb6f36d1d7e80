/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdarg.h>

#include <gangway/pci.h>
#include <gangway/vfio_user.h>

#include "../unit/fake_function.h"
#include "base/bitmap.h"

/*
 * Usage: intx-server SOCKET
 *
 * A function with an interrupt pin, served to a VMM until SIGTERM. The device and its host are
 * stand-ins; all that lies between them and the socket is the library's. Each line of output is
 * something that the VMM asked for, that the host did, or that the library logged.
 *
 * How it works: the device asserts its line while one of its causes stands; BAR 0 sets and clears
 * them. The host does what VFIO in the kernel does: it delivers a line that is asserted once and so
 * masks it. Unmasked while it is still asserted, the line is delivered again. INTx disable in
 * COMMAND masks it, and unmasks it when cleared. Everything runs in the server's thread: an
 * interrupt can only be raised by a write to a register.
 */

enum reg {
	REG_CAUSES = 0x0,	/* read: those that stand; write: raise more */
	REG_CLEAR = 0x4,	/* write: causes that end */
	REG_FIRE = 0x8,		/* write: the vector of MSI or MSI-X that fires */
};

struct host {
	struct fake *f;
	uint32_t causes;
	enum gw_irq index;		/* that is enabled, with @nr vectors; GW_NR_IRQS: none */
	unsigned int nr;
	int fd[FAKE_MSIX];		/* to signal; -1: the sink */
	bool masked;			/* INTx */
};

static struct host host = { .index = GW_NR_IRQS };
static const struct gw_device_ops *device;
static const char *const index_name[GW_NR_IRQS] = { "intx", "msi", "msix", "err", "req" };

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

static void log_write(void *opaque, enum gw_log_level level, const char *line)
{
	say("log: %s", line);
}

/* ---- the host ---- */

static void host_signal(unsigned int v)
{
	uint64_t pending[GW_IRQ_WORDS] = { 0 };

	if (host.fd[v] >= 0) {
		eventfd_write(host.fd[v], 1);
	} else if (gw_bitmap_test(host.f->enabled, v)) {
		gw_bitmap_set(pending, v);
		host.f->sink->fire(host.f->sink, pending);
	}
}

static bool host_intx_off(void)
{
	return host.f->cfg[GW_PCI_COMMAND + 1] & GW_PCI_COMMAND_INTX_OFF >> 8;
}

static void host_settle(void)
{
	if (!host.causes || host.masked || host.index != GW_IRQ_INTX)
		return;
	host.masked = true;
	say("host: intx delivered %s", host.fd[0] >= 0 ? "to the VMM" : "to the library");
	host_signal(0);
}

static int host_irq_enable(struct gw_function *fn, enum gw_irq index, unsigned int nr)
{
	if (nr && host.index != GW_NR_IRQS)
		return -EBUSY;
	if (!nr && host.index != index)
		return 0;
	say("host: %s %s", index_name[index], nr ? "on" : "off");
	host.index = nr ? index : GW_NR_IRQS;
	host.nr = nr;
	for (unsigned int v = 0; v < FAKE_MSIX; v++)
		host.fd[v] = -1;
	host.masked = host_intx_off();
	host_settle();
	return 0;
}

static int host_irq_eventfd(struct gw_function *fn, enum gw_irq index, unsigned int v, int fd)
{
	if (host.index != index)
		return -EPROTO;
	if (v >= host.nr)
		return -EINVAL;
	host.fd[v] = fd;
	return 0;
}

static int host_intx_mask(struct gw_function *fn, bool masked)
{
	if (host.index != GW_IRQ_INTX)
		return -EINVAL;
	say("host: intx %s", masked ? "masked" : "unmasked");
	host.masked = masked || host_intx_off();
	host_settle();
	return 0;
}

/* No eventfd unmasks the line: QEMU hands one out with KVM only. */
static int host_intx_unmask_fd(struct gw_function *fn, int fd)
{
	return -EOPNOTSUPP;
}

static const struct gw_irq_ops host_irq_ops = {
	.enable = host_irq_enable,
	.eventfd = host_irq_eventfd,
	.intx_mask = host_intx_mask,
	.intx_unmask_fd = host_intx_unmask_fd,
};

static int host_config_write(struct gw_function *fn, unsigned int off, unsigned int width,
			     uint32_t val)
{
	bool was = host_intx_off();
	int ret = fake_config_write(fn, off, width, val);

	if (was == host_intx_off())
		return ret;
	say("host: intx %s", was ? "enabled in COMMAND" : "disabled in COMMAND");
	host.masked = !was;
	host_settle();
	return ret;
}

static int host_reset(struct gw_function *fn)
{
	say("host: reset");
	host.causes = 0;
	return fake_reset(fn);
}

/* ---- the device ---- */

static int device_reg_read(struct gw_function *fn, unsigned int bar, gw_bar_off off,
			   unsigned int width, uint64_t *val)
{
	int ret = fake_reg_read(fn, bar, off, width, val);

	if (!bar && off.v == REG_CAUSES)
		*val = host.causes;
	return ret;
}

static int device_reg_write(struct gw_function *fn, unsigned int bar, gw_bar_off off,
			    unsigned int width, uint64_t val)
{
	if (bar)
		return fake_reg_write(fn, bar, off, width, val);
	switch (off.v) {
	case REG_CAUSES:
		host.causes |= (uint32_t)val;
		host_settle();
		return 0;
	case REG_CLEAR:
		host.causes &= ~(uint32_t)val;
		return 0;
	case REG_FIRE:
		if (host.index != GW_IRQ_INTX && val < host.nr)
			host_signal((unsigned int)val);
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- what the VMM asks for ---- */

static int vmm_irq_set(struct gw_device *d, struct gw_irq_set *set)
{
	static const char *const action[] = { "mask", "unmask", "trigger" };
	static const char *const data[] = { "none", "bool", "eventfd" };

	say("vmm: %s %s %s %u+%u%s", index_name[set->index], action[set->action], data[set->data],
	    set->start, set->count, set->fds ? " given" : "");
	return device->irq_set(d, set);
}

static int vmm_reset(struct gw_device *d)
{
	say("vmm: reset");
	return device->reset(d);
}

static int vmm_region_read(struct gw_device *d, unsigned int region, uint64_t off, void *buf,
			   size_t len)
{
	if (region == GW_REGION_BAR0 + 2)
		say("vmm: reads bar 2, which it can map");
	return device->region_read(d, region, off, buf, len);
}

/* A guest's note to itself is a mark for the test: what happened before has been said by then. */
static int vmm_region_write(struct gw_device *d, unsigned int region, uint64_t off, const void *buf,
			    size_t len)
{
	if (region == GW_REGION_CONFIG && off == GW_PCI_INT_LINE)
		say("mark: %u", *(const uint8_t *)buf);
	return device->region_write(d, region, off, buf, len);
}

static struct gw_device *watched(struct gw_device *d)
{
	static struct gw_device_ops ops;

	device = d->ops;
	ops = *device;
	ops.irq_set = vmm_irq_set;
	ops.reset = vmm_reset;
	ops.region_read = vmm_region_read;
	ops.region_write = vmm_region_write;
	d->ops = &ops;
	return d;
}

static struct fake *function(void)
{
	static struct gw_function_ops ops;
	struct fake *f = fake_new();

	ops = *f->fn.ops;
	ops.config_write = host_config_write;
	ops.reset = host_reset;
	ops.reg_read = device_reg_read;
	ops.reg_write = device_reg_write;
	ops.irq = &host_irq_ops;
	f->fn.ops = &ops;
	f->fn.intx = true;
	f->cfg[GW_PCI_INT_PIN] = 1;
	f->log.write = log_write;
	f->log.level = GW_LOG_INFO;
	return f;
}

int main(int argc, char **argv)
{
	struct gw_guest_function *gf = NULL;
	struct gw_vfio_user *server = NULL;
	struct gw_dma *dma = NULL;
	sigset_t term;
	int sig, left;

	if (argc != 2)
		return 2;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	host.f = function();
	if (gw_dma_new(&host.f->fn, GW_PLAN_DIRECT, &host.f->log, &dma) ||
	    gw_guest_function_new(&host.f->fn, dma, &host.f->log, &gf) ||
	    gw_vfio_user_listen(argv[1], watched(gw_guest_function_device(gf)), NULL,
				&host.f->log, &server))
		return 1;
	say("serving");
	sigwait(&term, &sig);
	gw_vfio_user_close(server);
	left = host.f->maps || host.index != GW_NR_IRQS;
	say("left: %u mappings, %s", host.f->maps,
	    host.index == GW_NR_IRQS ? "no interrupts" : index_name[host.index]);
	gw_guest_function_free(gf);
	gw_dma_free(dma);
	fake_free(host.f);
	return left;
}
