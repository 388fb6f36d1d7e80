/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "vfio_user/wire.h"

struct header {
	uint16_t id, command;
	uint32_t size, flags, error;
};

void bench_die(const char *what)
{
	perror(what);
	exit(1);
}

void bench_row_print(const struct bench_row *row)
{
	printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"peer\": \"%s\", "
	       "\"peer_value\": %.6g, \"ratio\": %.4g, \"floor\": ",
	       row->name, row->value, row->unit, row->peer, row->peer_value, row->ratio);
	if (row->floor)
		printf("%.6g}\n", row->floor);
	else
		printf("null}\n");
	fflush(stdout);
}

void bench_pin(enum bench_side side)
{
	static cpu_set_t all;
	int want = 0, cpu = -1;
	cpu_set_t one;

	if (!CPU_COUNT(&all) && sched_getaffinity(0, sizeof(all), &all))
		bench_die("sched_getaffinity");
	want = side == BENCH_ANSWERER && CPU_COUNT(&all) > 1;
	do {
		while (!CPU_ISSET(++cpu, &all))
			;
	} while (want--);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		bench_die("sched_setaffinity");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t bench_median(uint64_t *v, size_t nr)
{
	qsort(v, nr, sizeof(*v), compare);
	return v[nr / 2];
}

unsigned int bench_rounds(int argc, char **argv, int words, const char *usage)
{
	int rounds = argc > words + 1 ? atoi(argv[words + 1]) : 25;

	if (argc > words && rounds > 0 && rounds <= (int)BENCH_MAX_ROUNDS)
		return (unsigned int)rounds;
	fprintf(stderr, "Usage: %s\n", usage);
	exit(2);
}

uint64_t bench_round(void (*once)(void))
{
	uint64_t v[BENCH_ONCES], begun;

	for (unsigned int i = 0; i < BENCH_ONCES; i++) {
		begun = gw_now_ns();
		once();
		v[i] = gw_now_ns() - begun;
	}
	return bench_median(v, BENCH_ONCES);
}

static uint64_t round_of(const struct bench_what *w)
{
	return w->round ? w->round() : bench_round(w->once);
}

void bench_pair_run(const struct bench_pair *p, unsigned int rounds)
{
	uint64_t ours[BENCH_MAX_ROUNDS], theirs[BENCH_MAX_ROUNDS];
	double a, b;

	for (unsigned int i = 0; i < rounds; i++) {
		ours[i] = round_of(&p->ours);
		theirs[i] = round_of(&p->theirs);
	}
	a = (double)bench_median(ours, rounds) / p->per;
	b = (double)bench_median(theirs, rounds) / p->per;
	bench_row_print(&(struct bench_row){ .name = p->name, .unit = p->unit, .peer = p->peer,
		.value = a, .peer_value = b, .ratio = b / a, .floor = p->floor ? b : 0 });
}

void bench_send(int sock, const void *buf, size_t len, int fd)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)buf, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.h.cmsg_len = CMSG_LEN(sizeof(int));
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.h), &fd, sizeof(fd));
	}
	if (sendmsg(sock, &m, MSG_NOSIGNAL) != (ssize_t)len)
		bench_die("sendmsg");
}

void bench_recv(int sock, void *buf, size_t len, bool spin)
{
	ssize_t n;

	do {
		n = recv(sock, buf, len, spin ? MSG_DONTWAIT : MSG_WAITALL);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n != (ssize_t)len) {
		if (n >= 0)
			errno = EPIPE;
		bench_die("recv");
	}
}

void bench_request(struct bench_client *c, uint16_t command, const void *body, size_t len, int fd,
		   void *reply, size_t reply_len)
{
	uint8_t buf[512];
	struct header h = { .id = 1, .command = command, .size = (uint32_t)(sizeof(h) + len) };

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), body, len);
	bench_send(c->fd, buf, sizeof(h) + len, fd);
	bench_recv(c->fd, buf, sizeof(h) + reply_len, c->spin);
	memcpy(&h, buf, sizeof(h));
	if (h.error || h.size != sizeof(h) + reply_len) {
		errno = (int)h.error;
		bench_die("reply");
	}
	memcpy(reply, buf + sizeof(h), reply_len);
}

void bench_read(struct bench_client *c)
{
	static const struct { uint64_t off; uint32_t region, count; } read4 = { 0, 0, 4 };
	uint8_t reply[20];

	_Static_assert(sizeof(struct header) + sizeof(read4) == BENCH_READ_REQUEST, "request");
	_Static_assert(sizeof(struct header) + sizeof(reply) == BENCH_READ_REPLY, "reply");
	bench_request(c, GW_VU_REGION_READ, &read4, sizeof(read4), -1, reply, sizeof(reply));
}

struct bench_echo bench_echo_start(size_t request, size_t reply, bool spin)
{
	struct bench_echo e = { .request = request, .reply = reply, .spin = spin };
	char buf[512] = { 0 };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		bench_die("socketpair");
	e.pid = fork();
	if (e.pid < 0)
		bench_die("fork");
	if (!e.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bench_pin(BENCH_ANSWERER);
		close(fds[0]);
		for (;;) {
			bench_recv(fds[1], buf, request, spin);
			bench_send(fds[1], buf, reply, -1);
		}
	}
	close(fds[1]);
	e.fd = fds[0];
	return e;
}

void bench_echo_exchange(struct bench_echo *e)
{
	static char buf[512];

	bench_send(e->fd, buf, e->request, -1);
	bench_recv(e->fd, buf, e->reply, e->spin);
}

void bench_echo_stop(struct bench_echo *e)
{
	kill(e->pid, SIGKILL);
	waitpid(e->pid, NULL, 0);
	close(e->fd);
}

static int try_connect(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Connect and agree on the version. */
static struct bench_client client_open(const char *path, bool spin)
{
	struct bench_client c = { .fd = try_connect(path), .spin = spin };
	static const char version[] = "\0\0\0\0{}";	/* 0.0 and no capabilities */
	struct header h = { .id = 1, .command = GW_VU_VERSION,
			    .size = sizeof(h) + sizeof(version) };
	uint8_t buf[512];
	ssize_t n;

	if (c.fd < 0)
		bench_die(path);
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), version, sizeof(version));
	bench_send(c.fd, buf, sizeof(h) + sizeof(version), -1);
	n = recv(c.fd, buf, sizeof(buf), 0);
	if (n < (ssize_t)sizeof(h))
		bench_die("version");
	return c;
}

/* Until "gangway serve" listens there. */
static void daemon_await(const char *gangway, pid_t pid, const char *path)
{
	for (int i = 0; i < 1000; i++) {
		if (!access(path, F_OK))
			return;
		if (waitpid(pid, NULL, WNOHANG) == pid)
			break;
		usleep(10000);
	}
	fprintf(stderr, "%s serve does not come up\n", gangway);
	exit(1);
}

struct bench_daemon bench_daemon_start(const char *gangway, const char *const *args, bool spin)
{
	static unsigned int serial;
	struct bench_daemon d;
	const char *argv[32] = { gangway, "serve" };
	unsigned int nr = 2;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/gangway-bench-%d-%u", getpid(), serial++);
	while (*args && nr < 28)
		argv[nr++] = *args++;
	argv[nr++] = "--socket";
	argv[nr++] = path;
	d.pid = fork();
	if (d.pid < 0)
		bench_die("fork");
	if (!d.pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		bench_pin(BENCH_ANSWERER);
		fd = open("/dev/null", O_WRONLY);
		dup2(fd, STDERR_FILENO);
		execv(gangway, (char *const *)argv);
		_exit(127);
	}
	daemon_await(gangway, d.pid, path);
	d.client = client_open(path, spin);
	return d;
}

void bench_daemon_stop(struct bench_daemon *d)
{
	close(d->client.fd);
	kill(d->pid, SIGTERM);
	waitpid(d->pid, NULL, 0);
}
