// SPDX-License-Identifier: GPL-2.0-only
/*
 * A companion that is at the other end of a virtio-serial port.
 *
 * How it works. The port is the only one of its device, which then has two queues: what the host
 * sends, and what we do. A request goes out, and as many replies come in as it has; who asks sleeps
 * meanwhile. So memory can be mapped when a driver is bound, and not where drivers map: pair.c has
 * mode ranges only for it. A port does not tell what is behind it, so a parameter names the one.
 */

#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "attach.h"
#include "pair.h"

#define REPLY_TIMEOUT	(60 * HZ)

static char *port;
module_param(port, charp, 0444);
MODULE_PARM_DESC(port, "the virtio device whose only port is a companion, such as virtio3");

enum { HEARD, SAID, NR_QUEUES };

/* A port in use; the companion's access lock protects it. What is sent and comes is here. */
struct gw_port {
	struct virtqueue *vq[NR_QUEUES];
	wait_queue_head_t wait;
	struct gw_port_request request;
	struct gw_port_reply reply;
	bool broken;
};

static void port_called(struct virtqueue *vq)
{
	struct gw_port *its = vq->vdev->priv;

	wake_up(&its->wait);
}

/* Have the device use a buffer, all of it if it fills it in. */
static int port_pass(struct gw_port *port, int which, void *buf, unsigned int left)
{
	struct virtqueue *vq = port->vq[which];
	struct scatterlist sg;
	unsigned int len;
	int ret;

	while (left) {
		sg_init_one(&sg, buf, left);
		ret = which == HEARD ? virtqueue_add_inbuf(vq, &sg, 1, buf, GFP_KERNEL) :
				       virtqueue_add_outbuf(vq, &sg, 1, buf, GFP_KERNEL);
		if (ret)
			return ret;
		virtqueue_kick(vq);
		if (!wait_event_timeout(port->wait, virtqueue_get_buf(vq, &len), REPLY_TIMEOUT))
			return -ETIMEDOUT;
		len = which == HEARD ? min(len, left) : left;
		buf += len;
		left -= len;
	}
	return 0;
}

/* The next reply; it must be one to the request. */
static int port_hear(struct gw_port *port)
{
	int ret = port_pass(port, HEARD, &port->reply, sizeof(port->reply));

	if (!ret && (port->reply.tag != port->request.tag || port->reply.status))
		ret = -EPROTO;
	return ret;
}

/* Send what is in @request but for the tag, and wait for the first reply. */
static int port_ask(struct gw_companion *c)
{
	struct gw_port *port = c->port;
	int ret = port->broken ? -EIO : 0;

	le32_add_cpu(&port->request.tag, 1);
	if (!ret)
		ret = port_pass(port, SAID, &port->request, sizeof(port->request));
	if (!ret)
		ret = port_hear(port);
	if (ret && !port->broken) {
		/* what else comes would be taken for other replies */
		port->broken = true;
		dev_err(c->dev, "does not answer (%d); nothing more will be mapped\n", ret);
	}
	return ret;
}

static u32 port_read(struct gw_companion *c, unsigned int reg)
{
	guard(mutex)(&c->access);
	c->port->request.op = cpu_to_le32(GW_PORT_READ);
	c->port->request.reg = cpu_to_le32(reg);
	return port_ask(c) ? ~0 : le32_to_cpu(c->port->reply.value);
}

static void port_write(struct gw_companion *c, unsigned int reg, u32 value)
{
	guard(mutex)(&c->access);
	c->port->request.op = cpu_to_le32(GW_PORT_WRITE);
	c->port->request.reg = cpu_to_le32(reg);
	c->port->request.value = cpu_to_le32(value);
	port_ask(c);
}

static int port_submit(struct gw_companion *c, struct list_head *requests)
{
	struct gw_port *port = c->port;
	struct gw_request *req;
	int ret;

	might_sleep();
	guard(mutex)(&c->access);
	list_for_each_entry(req, requests, node) {
		gw_request_write(req, 0, &port->request.sqe);
		port->request.op = cpu_to_le32(GW_PORT_ENTRY);
		gw_count(c, GW_STAT_REQUESTS);
		ret = c->paused ? -EBUSY : port_ask(c);
		while (!ret && gw_request_read(req, &port->reply.cqe))
			ret = port_hear(port);
		if (ret)
			return ret == -EBUSY ? ret : -EIO;
	}
	return 0;
}

static const struct gw_transport port_transport = {
	.read = port_read,
	.write = port_write,
	.submit = port_submit,
};

static int port_probe(struct virtio_device *vdev)
{
	struct virtqueue_info queues[NR_QUEUES] = {
		[HEARD] = { "heard", port_called }, [SAID] = { "said", port_called },
	};
	struct gw_pair *p;
	struct gw_port *its;
	int ret;

	if (!port || strcmp(dev_name(&vdev->dev), port))
		return -ENODEV;
	p = gw_pair_new(&vdev->dev, &port_transport);
	its = devm_kzalloc(&vdev->dev, sizeof(*its), GFP_KERNEL);
	if (!p || !its) {
		ret = -ENOMEM;
		goto put;
	}
	init_waitqueue_head(&its->wait);
	p->companion.port = its;
	vdev->priv = its;
	ret = virtio_find_vqs(vdev, NR_QUEUES, its->vq, queues, NULL);
	if (ret)
		goto put;
	virtio_device_ready(vdev);
	ret = gw_attach(p);
	if (!ret)
		return 0;
	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);
	return ret;
put:
	if (p)
		gw_pair_put(p);
	return ret;
}

static void port_remove(struct virtio_device *vdev)
{
	gw_detach(&vdev->dev);
	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);
}

#ifdef GW_HAVE_VIRTIO_SHUTDOWN
static void port_shutdown(struct virtio_device *vdev)
{
	gw_attach_shutdown(&vdev->dev);
}

#define PORT_SHUTDOWN	.shutdown = port_shutdown
#else
#define PORT_SHUTDOWN	.driver.shutdown = gw_attach_shutdown
#endif

/* Without a table for modprobe: most of these devices are somebody's console. */
static const struct virtio_device_id port_ids[] = {
	{ VIRTIO_ID_CONSOLE, VIRTIO_DEV_ANY_ID },
	{ }
};

struct virtio_driver gw_port_driver = {
	.driver.name = KBUILD_MODNAME "-port",
	.driver.pm = &gw_attach_pm_ops,
	.id_table = port_ids,
	.probe = port_probe,
	.remove = port_remove,
	PORT_SHUTDOWN,
};
