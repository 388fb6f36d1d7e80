/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_DRIVERKIT_STATE_H
#define TESTS_MACOS_DRIVERKIT_STATE_H

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <DriverKit/driverkit.h>

#include "machine.h"

/* What the played classes keep. */

struct QueueState {
	QueueState();
	~QueueState();
	void async(std::function<void()> f);
	void sync(const std::function<void()> &f);

	std::mutex lock;
	std::condition_variable changed;
	std::deque<std::function<void()>> work;
	bool ending = false;
	std::thread thread;
};

struct ServiceState {
	std::mutex lock;
	std::condition_variable changed;
	bool stopped = false, registered = false;
	std::string queue;		/* name of the one beside the default */
	bool powerChanges = false;	/* and is to be acknowledged */
	std::atomic<bool> terminated{ false };
	QueueState calls;		/* the default queue */
};

struct SourceState {
	std::mutex lock;
	IOPCIDevice *device;
	uint32_t index;
	IODispatchQueue *queue;
	OSAction *handler = nullptr;
	bool enabled = false, cancelled = false;
	uint64_t count = 0;
};

struct DeviceState {
	struct machine_function f;
	std::mutex lock;
	IOService *opener = nullptr;
	std::atomic<bool> off{ false };	/* it has no power */
	uint32_t irq_type = 0;
	unsigned int nr_irqs = 0;
	std::vector<IOInterruptDispatchSource *> sources;
	std::condition_variable changed;	/* opener, or faults */
	std::vector<uint32_t> faults;		/* that nobody has read, five words each */
};

struct CommandState {
	IOPCIDevice *device;
	IOMemoryDescriptor *memory = nullptr;	/* while prepared */
	void *mapping = nullptr;
};

/* How many vectors the machine has left for whoever asks next; 0: enough. */
extern unsigned int harnessVectors;

/** harnessLive() - objects and allocations that have not been released */
long harnessLive();

/** harnessClientQueue() - the thread on which the client's completions run */
QueueState *harnessClientQueue();

/** harnessBlockCopy() - to be run once, by harnessBlockRun() */
void *harnessBlockCopy(void (^block)(void));
void harnessBlockRun(void *copy);

/** machine_aligned() - a mapping of a file at an aligned address. Return: NULL */
void *machine_aligned(int fd, uint64_t size, uint64_t align);

#endif
