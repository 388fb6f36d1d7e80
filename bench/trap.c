/* SPDX-License-Identifier: BSD-3-Clause */
/* In a guest: how long a read of a trapped register takes. Usage: bench-trap RESOURCE READS */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	long reads = argc == 3 ? atol(argv[2]) : 0;
	int fd = argc == 3 ? open(argv[1], O_RDWR) : -1;
	volatile uint32_t *reg;
	double begin;

	if (fd < 0 || reads < 1) {
		perror("bench-trap: wants a resource file of sysfs, and how often");
		return 1;
	}
	reg = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (reg == MAP_FAILED) {
		perror("bench-trap: mmap");
		return 1;
	}
	begin = now_ns();
	for (long i = 0; i < reads; i++)
		(void)*reg;
	printf("%.1f\n", (now_ns() - begin) / (double)reads);
	return 0;
}
