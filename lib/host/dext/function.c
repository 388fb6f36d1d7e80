/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dext/function.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gangway/pci.h>

#include "base/util.h"
#include "host/dext/claim.h"

/*
 * How it works: the operations of an open function go to its parts. An access to config space or a
 * register goes to the dext (client.c), unless reset.c answers because a reset has the function off
 * the bus; mappings are dma.c's, interrupts interrupts.c's. open.c makes a function. It is freed by
 * its last user: whoever had it open, or a reset that goes on after that. First the device is made
 * quiet, then what it could reach is given back, and the connection is closed last.
 */

static struct gw_dext_function *to_fn(struct gw_function *f)
{
	return container_of(f, struct gw_dext_function, f);
}

static int function_config_read(struct gw_function *f, unsigned int off, unsigned int width,
				uint32_t *val)
{
	int ret = gw_dext_config_check(off, width);

	if (ret || gw_dext_reset_config_read(to_fn(f), off, width, val))
		return ret;
	return gw_dext_config_read(&to_fn(f)->client, off, width, val);
}

static int function_config_write(struct gw_function *f, unsigned int off, unsigned int width,
				 uint32_t val)
{
	int ret = gw_dext_config_check(off, width);

	if (ret || gw_dext_reset_config_write(to_fn(f), off, width, val))
		return ret;
	return gw_dext_config_write(&to_fn(f)->client, off, width, val);
}

static int function_bar_info(struct gw_function *f, unsigned int bar, struct gw_bar_info *info)
{
	if (bar >= GW_NR_BARS)
		return -EINVAL;
	*info = to_fn(f)->bar[bar].bar.info;
	return 0;
}

static int function_bar_map(struct gw_function *f, unsigned int bar, struct gw_bar_map *map)
{
	struct gw_dext_function_bar *b;

	if (bar >= GW_NR_BARS)
		return -EINVAL;
	b = &to_fn(f)->bar[bar];
	if (!b->bar.info.mappable)
		return -EOPNOTSUPP;
	atomic_fetch_add(&b->users, 1);
	*map = (struct gw_bar_map){
		.addr = b->map.addr,
		.size = b->bar.info.size,	/* the mapping ends at a page */
		.fd = b->map.fd,
		.fd_off = b->map.fd_off,
	};
	return 0;
}

static void function_bar_unmap(struct gw_function *f, unsigned int bar)
{
	if (bar < GW_NR_BARS && atomic_load(&to_fn(f)->bar[bar].users))
		atomic_fetch_sub(&to_fn(f)->bar[bar].users, 1);
}

/* The BAR of a register, if the access lies in it; else NULL. */
static const struct gw_dext_bar *reg_bar(struct gw_function *f, unsigned int bar, uint64_t off,
					 unsigned int width)
{
	const struct gw_dext_bar *b;

	if (bar >= GW_NR_BARS || width > 8 || !gw_is_pow2(width) || off % width)
		return NULL;
	b = &to_fn(f)->bar[bar].bar;
	return off < b->info.size && width <= b->info.size - off ? b : NULL;
}

static int function_reg_read(struct gw_function *f, unsigned int bar, gw_bar_off off,
			     unsigned int width, uint64_t *val)
{
	const struct gw_dext_bar *b = reg_bar(f, bar, off.v, width);

	if (!b)
		return -EINVAL;
	if (gw_dext_reset_off_bus(to_fn(f))) {
		*val = UINT64_MAX >> (64 - 8 * width);
		return 0;
	}
	return gw_dext_mmio_read(&to_fn(f)->client, b->index, off.v, width, val);
}

static int function_reg_write(struct gw_function *f, unsigned int bar, gw_bar_off off,
			      unsigned int width, uint64_t val)
{
	const struct gw_dext_bar *b = reg_bar(f, bar, off.v, width);

	if (!b)
		return -EINVAL;
	if (gw_dext_reset_off_bus(to_fn(f)))
		return 0;
	return gw_dext_mmio_write(&to_fn(f)->client, b->index, off.v, width, val);
}

static int function_irq_setup(struct gw_function *f, struct gw_irq_sink *sink, unsigned int *nr)
{
	return gw_dext_irq_start(&to_fn(f)->irq, sink, nr);
}

static void function_irq_teardown(struct gw_function *f)
{
	gw_dext_irq_detach(&to_fn(f)->irq);
}

static int function_irq_mask(struct gw_function *f, const uint64_t enabled[GW_IRQ_WORDS])
{
	return gw_dext_irq_mask(&to_fn(f)->irq, enabled);
}

static int function_gone(struct gw_function *f, int *fd)
{
	*fd = to_fn(f)->gone_fd[0];
	return 0;
}

static const struct gw_function_ops function_ops = {
	.config_read = function_config_read,
	.config_write = function_config_write,
	.bar_info = function_bar_info,
	.bar_map = function_bar_map,
	.bar_unmap = function_bar_unmap,
	.reg_read = function_reg_read,
	.reg_write = function_reg_write,
	.dma_map = gw_dext_function_dma_map,
	.dma_unmap = gw_dext_function_dma_unmap,
	.irq_setup = function_irq_setup,
	.irq_teardown = function_irq_teardown,
	.irq_mask = function_irq_mask,
	.reset = gw_dext_function_reset,
	.gone = function_gone,
	.claim = &gw_dext_claim_ops,
	.close = gw_dext_function_close,
};

/*
 * Write as many bytes as an eventfd takes, so that a reader need not know whether it has a pipe or
 * an eventfd.
 */
static void function_has_gone(struct gw_dext_client *c)
{
	struct gw_dext_function *fn = container_of(c, struct gw_dext_function, client);
	const uint64_t one = 1;

	if (write(fn->gone_fd[1], &one, sizeof(one)) != sizeof(one))
		gw_err(c->log, "%s: cannot tell that the function has gone: %s", c->info.name,
		       strerror(errno));
}

/* A pipe rather than an eventfd: every system has it. */
static int gone_open(int fd[2])
{
	if (pipe(fd))
		return -errno;
	for (int i = 0; i < 2; i++)
		if (fcntl(fd[i], F_SETFD, FD_CLOEXEC) || fcntl(fd[i], F_SETFL, O_NONBLOCK))
			return -errno;
	return 0;
}

static void gone_close(int fd[2])
{
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

int gw_dext_function_alloc(struct gw_dext_client *client, struct gw_dext_host *host,
			   const struct gw_dext_options *opts, struct gw_dext_function **out)
{
	struct gw_dext_function *fn = calloc(1, sizeof(*fn));
	int ret = -ENOMEM;

	if (!fn)
		goto disconnect;
	fn->f = (struct gw_function){
		.ops = &function_ops, .log = &fn->f.own, .info = client->info,
	};
	gw_log_own(&fn->f.own, client->log);
	fn->host = host;
	fn->opts = *opts;
	atomic_init(&fn->uses, 1);
	fn->gone_fd[0] = fn->gone_fd[1] = -1;
	fn->client = *client;
	fn->client.log = fn->f.log;
	fn->client.on_gone = function_has_gone;
	if (pthread_mutex_init(&fn->lock, NULL))
		goto free_fn;
	ret = gw_dext_irq_init(&fn->irq, &fn->client);
	if (ret)
		goto destroy_lock;
	ret = gw_dext_reset_init(&fn->reset, gw_dext_function_free);
	if (ret)
		goto fini_irq;
	ret = gone_open(fn->gone_fd);
	if (ret) {
		gw_dext_function_free(fn);
		return ret;
	}
	*out = fn;
	return 0;
fini_irq:
	gw_dext_irq_fini(&fn->irq);
destroy_lock:
	pthread_mutex_destroy(&fn->lock);
free_fn:
	free(fn);
disconnect:
	gw_dext_disconnect(client);
	return ret;
}

/* The device must be quiet before its mappings go; a reset makes it so if nothing else does. */
static void function_quiesce(struct gw_dext_function *fn)
{
	uint32_t command;
	int ret = gw_dext_config_read(&fn->client, GW_PCI_COMMAND, 2, &command);

	if (!ret)
		ret = gw_dext_config_write(&fn->client, GW_PCI_COMMAND, 2,
					   command & ~GW_PCI_COMMAND_MASTER);
	if (!ret || ret == -ENODEV)
		return;
	gw_warn(fn->f.log, "%s: cannot turn bus mastering off: %s; resetting it", fn->f.info.name,
		strerror(-ret));
	ret = gw_dext_reset(&fn->client);
	if (ret && ret != -ENODEV)
		gw_err(fn->f.log, "%s: cannot be reset either: %s", fn->f.info.name,
		       strerror(-ret));
}

/* Why the device did so is its driver's business, in the guest; that it did must be known. */
static void function_report_faults(struct gw_dext_function *fn)
{
	uint32_t w[GW_DEXT_FAULT_WORDS];
	uint64_t nr;

	if (gw_dext_get_faults(&fn->client, &nr, w) || nr <= fn->faults)
		return;
	gw_err(fn->f.log, "%s: its DART has refused %llu accesses to memory it was not given; the last report "
	       "is %08x %08x %08x %08x %08x", fn->f.info.name, (unsigned long long)(nr - fn->faults), w[0],
	       w[1], w[2], w[3], w[4]);
}

void gw_dext_function_free(struct gw_dext_function *fn)
{
	if (!fn)
		return;
	if (fn->claimed) {
		function_quiesce(fn);
		function_report_faults(fn);
	}
	gw_dext_irq_stop(&fn->irq);
	gw_dext_function_dma_fini(fn);
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		if (fn->bar[i].bar.info.mappable && !atomic_load(&fn->bar[i].users))
			gw_dext_unmap_bar(&fn->client, i, &fn->bar[i].map);
	gw_dext_disconnect(&fn->client);
	gw_dext_irq_fini(&fn->irq);
	gw_dext_reset_fini(&fn->reset);
	gone_close(fn->gone_fd);
	pthread_mutex_destroy(&fn->lock);
	free(fn);
}

void gw_dext_function_put(struct gw_dext_function *fn)
{
	if (atomic_fetch_sub(&fn->uses, 1) == 1)
		gw_dext_function_free(fn);
}

void gw_dext_function_end(struct gw_dext_function *fn)
{
	if (gw_dext_reset_await(fn))
		gw_err(fn->f.log, "%s: its reset does not end; what it was given stays mapped until then",
		       fn->f.info.name);
	gw_dext_function_put(fn);
}
