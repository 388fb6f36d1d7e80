/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/vnc.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rfb/rfb.h>

/*
 * The library brings 17 others with it, TLS among them. It is loaded only when a viewer is asked
 * for, so a process that serves devices carries none of them.
 *
 * How it works: the library has a framebuffer of its own. Each line of the picture is compared with
 * it; the part between the first and the last pixel that differ is taken over and marked.
 */

#define FIRST_WIDTH	640
#define FIRST_HEIGHT	480

#define LIBRARY		"libvncserver.so.1"

/*
 * CALLS(X): each call of the library's that is used. What its header renames goes by its real name.
 */
#define CALLS(X) \
	X(rfbLogEnable) X(rfbGetScreen) X(rfbInitServer) X(rfbShutdownServer) X(rfbScreenCleanup) \
	X(rfbNewFramebuffer) X(rfbMarkRectAsModified) X(rfbProcessEvents)

static struct {
#define MEMBER(call)	typeof(&call) (call);
	CALLS(MEMBER)
} lib;

struct vnc {
	rfbScreenInfoPtr screen;
	struct gw_log *log;
	uint8_t *line;			/* raw, and then as the framebuffer has it */
};

static int load(struct gw_log *log)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	const char *missing = NULL;

	if (!handle) {
		gw_err(log, "no VNC: %s; it is in Debian's package libvncserver1", dlerror());
		return -ENOENT;
	}
#define STRING(call)	#call
#define LOOK_UP(call) \
	lib.call = (typeof(lib.call))dlsym(handle, STRING(call)); \
	missing = lib.call ? missing : STRING(call);
	CALLS(LOOK_UP)
	if (!missing)
		return 0;
	gw_err(log, "no VNC: %s has no %s", LIBRARY, missing);
	dlclose(handle);
	return -ENOENT;
}

static int make_buffers(struct vnc *v, unsigned int width, unsigned int height, char **fb)
{
	uint8_t *line = malloc((size_t)width * 8);

	*fb = calloc((size_t)width * height, 4);
	if (!line || !*fb) {
		free(line);
		free(*fb);
		return -ENOMEM;
	}
	free(v->line);
	v->line = line;
	return 0;
}

int vnc_open(struct vnc **out, unsigned int port, const char *name, struct gw_log *log)
{
	struct vnc *v;
	char *fb;
	int ret = load(log);

	if (ret)
		return ret;
	v = calloc(1, sizeof(*v));
	if (!v || make_buffers(v, FIRST_WIDTH, FIRST_HEIGHT, &fb)) {
		free(v);
		return -ENOMEM;
	}
	v->log = log;
	lib.rfbLogEnable(0);
	v->screen = lib.rfbGetScreen(NULL, NULL, FIRST_WIDTH, FIRST_HEIGHT, 8, 3, 4);
	if (!v->screen) {
		free(fb);
		vnc_close(v);
		return -ENOMEM;
	}
	v->screen->frameBuffer = fb;
	v->screen->desktopName = name;
	v->screen->port = (int)port;
	v->screen->listenInterface = htonl(INADDR_LOOPBACK);
	v->screen->ipv6port = -1;
	v->screen->alwaysShared = TRUE;
	v->screen->cursor = NULL;
	v->screen->deferUpdateTime = 0;
	lib.rfbInitServer(v->screen);
	if (v->screen->listenSock < 0) {
		gw_err(log, "no VNC on port %u of 127.0.0.1: it is in use, or not permitted", port);
		vnc_close(v);
		return -EADDRINUSE;
	}
	*out = v;
	return 0;
}

void vnc_close(struct vnc *v)
{
	if (!v)
		return;
	if (v->screen) {
		free(v->screen->frameBuffer);
		lib.rfbShutdownServer(v->screen, TRUE);
		lib.rfbScreenCleanup(v->screen);
	}
	free(v->line);
	free(v);
}

static int resize(struct vnc *v, unsigned int width, unsigned int height)
{
	char *old = v->screen->frameBuffer, *fb;
	int ret;

	if (v->screen->width == (int)width && v->screen->height == (int)height)
		return 0;
	ret = make_buffers(v, width, height, &fb);
	if (ret)
		return ret;
	lib.rfbNewFramebuffer(v->screen, fb, (int)width, (int)height, 8, 3, 4);
	free(old);
	return 0;
}

/* Take over what differs. Return: pixels */
static long update_line(struct vnc *v, unsigned int y, const uint8_t *now)
{
	uint32_t *had = (uint32_t *)v->screen->frameBuffer + (size_t)y * (size_t)v->screen->width;
	int first = 0, last = v->screen->width - 1;
	const size_t pixel = sizeof(*had);

	while (first <= last && !memcmp(had + first, now + (size_t)first * pixel, pixel))
		first++;
	if (first > last)
		return 0;
	while (!memcmp(had + last, now + (size_t)last * pixel, pixel))
		last--;
	memcpy(had + first, now + (size_t)first * pixel, (size_t)(last - first + 1) * pixel);
	lib.rfbMarkRectAsModified(v->screen, first, (int)y, last + 1, (int)y + 1);
	return last - first + 1;
}

long vnc_update(struct vnc *v, const struct picture *p, const uint8_t *mem)
{
	long changed = 0;
	int ret = resize(v, p->width, p->height);

	for (unsigned int y = 0; y < p->height && !ret; y++) {
		uint8_t *line = v->line + (size_t)p->width * 4;

		ret = picture_line(p, mem, y, v->line, line);
		if (!ret)
			changed += update_line(v, y, line);
	}
	return ret ? ret : changed;
}

void vnc_serve(struct vnc *v, unsigned int ms)
{
	lib.rfbProcessEvents(v->screen, (long)ms * 1000);
}
