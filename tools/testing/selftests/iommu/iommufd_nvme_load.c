// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk under load while its address space is replaced.
 *
 * The disk is QEMU's "nvme", driven from here (see vfio_nvme.h). A thread for
 * each queue keeps it full of reads and writes and is woken by interrupts only;
 * a thread for each device replaces the page table of its device, as fast as it
 * can, between all kinds of page tables that map the same memory at the same
 * IOVAs. Two devices of one group have one page table: each thread then moves
 * the other's device too, at any moment. What must come out of it:
 *
 * - each command completes, with success
 * - each read returns what was written. A block holds a pattern made of the
 *   number of the run, its place and its generation, so data that is old, of
 *   another block or not written at all is told from the right one.
 * - each interrupt arrives. One that is lost shows as a completion that lies in
 *   the queue while its thread waits in vain. Where up to eight commands are
 *   under way the interrupt of one may stand in for that of another; so one of
 *   the queues has one command at a time, and must get as many interrupts as it
 *   has commands.
 *
 * - each replace succeeds, as does the destruction of a page table that its
 *   thread has left: nobody else ever goes there
 *
 * Only where the kernel says that a replace keeps DMA in flight, by
 * IOMMU_HW_CAP_HITLESS_REPLACE, is it asked for under load. Where it does not, the
 * queues of all devices of the group are drained around each replace, as a VMM
 * has to.
 *
 * The kill tests end the process with SIGKILL in the middle of all this, start
 * again on the same disk, and find what was written before.
 *
 * Environment:
 *   NVME_SECS    length of a load test, 8 by default
 *   EDU_HITLESS  what the kernel must say about DMA in flight here, 0 or 1
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/iommufd.h>

#include "../kselftest_harness.h"
#include "vfio_nvme.h"

#define MAX_CTRLS 2
/* Blocks that belong to a queue */
#define QUEUE_BLOCKS 256
/* A controller's memory; the window of an Arm SMMU is far above it */
#define CTRL_IOVA(_i) (0x1000000ULL + (_i) * NVME_MEM_SIZE)
/* Nothing takes that long, unless it is lost */
#define LOST_MS 10000
#define POISON 0xa5

/*
 * A load that does not move shows nothing. This is what a test must get done in
 * each second: commands of each queue, and replaces of each device, of all kinds
 * together. On two emulated cores it is some hundred.
 */
#define MIN_COMMANDS 10
#define MIN_REPLACES 10

static const unsigned int queue_depth[NVME_QUEUES] = { NVME_SLOTS, NVME_SLOTS,
						       1 };

/* All that a device can be attached to: two IOASes, two HWPTs in each */
enum {
	PT_IOAS0,
	PT_IOAS1,
	PT_HWPT0_0,
	PT_HWPT0_1,
	PT_HWPT1_0,
	PT_HWPT1_1,
	/* An HWPT that is made before the replace and destroyed after the next */
	PT_FRESH,
	NUM_PT,
};

enum replace_kind {
	SAME_IOAS,
	TWO_IOASES,
	AUTO_MANUAL,
	AUTO_AUTO,
	FRESH,
	NUM_KINDS,
};

static const char *const kind_names[NUM_KINDS] = {
	[SAME_IOAS] = "HWPTs of one IOAS",
	[TWO_IOASES] = "HWPTs of two IOASes",
	[AUTO_MANUAL] = "automatic and manual",
	[AUTO_AUTO] = "IOASes",
	[FRESH] = "new HWPTs",
};

/* What a block on the disk holds: any generation from acked to tried */
struct block {
	__u32 acked; /* 0: nothing of this run */
	__u32 tried;
};

struct figures {
	unsigned long commands;
	unsigned long bytes;
	unsigned long interrupts;
	unsigned long irqs_lost;
	unsigned long commands_lost;
	unsigned long bad;
};

struct io {
	bool used;
	bool write;
	unsigned int block;
	unsigned int num;
};

/* One queue and the thread that feeds it */
struct worker {
	struct load *load;
	struct nvme_queue *queue;
	pthread_t thread;
	unsigned int ctrl;
	unsigned int index;
	unsigned int depth;
	unsigned int inflight;
	unsigned int seed;
	unsigned int verified;
	struct io io[NVME_SLOTS];
	bool busy[QUEUE_BLOCKS];
};

/*
 * One device and the thread that replaces its page table: what it attached last,
 * and the HWPT that it has to destroy
 */
struct replacer {
	struct load *load;
	pthread_t thread;
	unsigned int ctrl;
	unsigned int seed;
	unsigned int round; /* in which it drained the queues last */
	__u64 end;
	int pt;
	__u32 fresh;
};

/*
 * In shared memory: what is on the disks, and the figures, outlive a process
 * that is killed. The rest is set up by load_open().
 */
struct load {
	unsigned int num_ctrls;
	const struct edu_func *func[MAX_CTRLS];
	bool hitless;
	__u64 salt;
	struct block blocks[MAX_CTRLS][NVME_QUEUES][QUEUE_BLOCKS];
	struct figures fig[MAX_CTRLS][NVME_QUEUES];
	unsigned long replaces[MAX_CTRLS][NUM_KINDS];
	/* The first thing that went wrong */
	char error[256];

	int iommufd;
	struct nvme_ctrl ctrl[MAX_CTRLS];
	__u32 pt[NUM_PT];
	struct worker worker[MAX_CTRLS][NVME_QUEUES];
	struct replacer replacer[MAX_CTRLS];

	/* lock protects what follows, and error */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned int running; /* workers that have not ended */
	unsigned int parked; /* those of them that wait for the next round */
	unsigned int drains; /* replacers that want all of them parked */
	unsigned int round; /* ends when the last of these has what it wants */
	bool stop;
};

static bool load_stopped(struct load *load)
{
	return __atomic_load_n(&load->stop, __ATOMIC_ACQUIRE);
}

/* Whoever waits for a drained queue or its end is woken */
static void load_stop_locked(struct load *load)
{
	__atomic_store_n(&load->stop, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&load->cond);
}

static void load_stop(struct load *load)
{
	pthread_mutex_lock(&load->lock);
	load_stop_locked(load);
	pthread_mutex_unlock(&load->lock);
}

static bool load_failed(struct load *load)
{
	return __atomic_load_n(&load->error[0], __ATOMIC_ACQUIRE);
}

static __printf(2, 3) void load_error(struct load *load, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&load->lock);
	if (!load->error[0]) {
		va_start(ap, fmt);
		vsnprintf(load->error, sizeof(load->error), fmt, ap);
		va_end(ap);
	}
	load_stop_locked(load);
	pthread_mutex_unlock(&load->lock);
}

/* The first word of a block; the others count up from it by a constant */
static __u64 pattern(struct worker *worker, unsigned int block, __u32 gen)
{
	__u64 x = worker->load->salt;

	x += (__u64)worker->ctrl << 60 | (__u64)worker->index << 56 |
	     (__u64)block << 32 | gen;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

#define PATTERN_STEP 0x9e3779b97f4a7c15ULL
#define BLOCK_WORDS (NVME_BLOCK / sizeof(__u64))

static void pattern_fill(__u64 *data, __u64 word)
{
	unsigned int i;

	for (i = 0; i != BLOCK_WORDS; i++, word += PATTERN_STEP)
		data[i] = word;
}

static bool pattern_equal(const __u64 *data, __u64 word)
{
	unsigned int i;

	for (i = 0; i != BLOCK_WORDS; i++, word += PATTERN_STEP)
		if (data[i] != word)
			return false;
	return true;
}

static struct block *worker_block(struct worker *worker, unsigned int block)
{
	return &worker->load->blocks[worker->ctrl][worker->index][block];
}

static struct figures *worker_figures(struct worker *worker)
{
	return &worker->load->fig[worker->ctrl][worker->index];
}

/* Any read or write of blocks that no other command works on */
static bool next_load(struct worker *worker, struct io *io)
{
	unsigned int i;

	if (load_stopped(worker->load))
		return false;
	do {
		io->num = 1 << rand_r(&worker->seed) % 3;
		io->block = rand_r(&worker->seed) % (QUEUE_BLOCKS / io->num) *
			    io->num;
		for (i = 0; i != io->num; i++)
			if (worker->busy[io->block + i])
				break;
	} while (i != io->num);
	io->write = rand_r(&worker->seed) & 1;
	for (i = 0; i != io->num; i++)
		if (!worker_block(worker, io->block + i)->acked)
			io->write = true;
	return true;
}

/* Each block that was ever written, one after the other */
static bool next_verify(struct worker *worker, struct io *io)
{
	while (worker->verified != QUEUE_BLOCKS) {
		unsigned int block = worker->verified++;

		if (!worker_block(worker, block)->acked)
			continue;
		*io = (struct io){ .block = block, .num = 1 };
		return !load_failed(worker->load);
	}
	return false;
}

static void start_io(struct worker *worker, struct io *io)
{
	unsigned int slot = io - worker->io;
	char *data = nvme_buffer(worker->queue, slot);
	__u64 first = (__u64)worker->index * QUEUE_BLOCKS;
	unsigned int i;

	for (i = 0; i != io->num; i++, data += NVME_BLOCK) {
		unsigned int block = io->block + i;
		struct block *b = worker_block(worker, block);

		worker->busy[block] = true;
		if (io->write)
			pattern_fill((void *)data,
				     pattern(worker, block, ++b->tried));
		else
			memset(data, POISON, NVME_BLOCK);
	}
	io->used = true;
	worker->inflight++;
	nvme_submit(worker->queue, slot, io->write, first + io->block, io->num);
}

/* Does the data of a read hold one of the generations that it may hold? */
static void check_block(struct worker *worker, unsigned int block, char *data)
{
	struct block *b = worker_block(worker, block);
	__u64 word;
	__u32 gen;

	for (gen = b->acked; gen <= b->tried; gen++) {
		if (!pattern_equal((void *)data,
				   pattern(worker, block, gen)))
			continue;
		b->acked = gen;
		b->tried = gen;
		return;
	}
	memcpy(&word, data, sizeof(word));
	worker_figures(worker)->bad++;
	load_error(worker->load,
		   "controller %u queue %u: block %u is not of generation %u, starts with %016llx%s",
		   worker->ctrl, worker->queue->id, block, b->acked, word,
		   word == POISON * 0x0101010101010101ULL ?
			   ": no data came" :
			   "");
}

static void end_io(struct worker *worker, unsigned int slot,
		   unsigned int status)
{
	struct figures *fig = worker_figures(worker);
	struct io *io = &worker->io[slot];
	char *data = nvme_buffer(worker->queue, slot);
	unsigned int i;

	if (slot >= worker->depth || !io->used) {
		fig->bad++;
		load_error(worker->load,
			   "controller %u queue %u: completion of a command that is not under way (%u)",
			   worker->ctrl, worker->queue->id, slot);
		return;
	}
	io->used = false;
	worker->inflight--;
	fig->commands++;
	fig->bytes += io->num * NVME_BLOCK;
	for (i = 0; i != io->num; i++)
		worker->busy[io->block + i] = false;
	if (status) {
		fig->bad++;
		load_error(worker->load,
			   "controller %u queue %u: %s of block %u failed, status 0x%x",
			   worker->ctrl, worker->queue->id,
			   io->write ? "write" : "read", io->block, status);
		return;
	}
	for (i = 0; i != io->num; i++, data += NVME_BLOCK) {
		struct block *b = worker_block(worker, io->block + i);

		if (io->write)
			b->acked = b->tried;
		else
			check_block(worker, io->block + i, data);
	}
}

/* Wait for an interrupt, then take what has completed. False: something is lost */
static bool wait_io(struct worker *worker)
{
	struct figures *fig = worker_figures(worker);
	struct nvme_queue *queue = worker->queue;
	struct pollfd pfd = { .fd = queue->event_fd, .events = POLLIN };
	unsigned int slot, status;
	__u64 count;
	int rc;

	rc = poll(&pfd, 1, LOST_MS);
	if (rc == 1 && read(pfd.fd, &count, sizeof(count)) == sizeof(count)) {
		fig->interrupts += count;
		while (nvme_reap(queue, &slot, &status))
			end_io(worker, slot, status);
		return true;
	}
	/* Others may have failed for the same reason, in the same time */
	if (nvme_pending(queue))
		fig->irqs_lost++;
	else
		fig->commands_lost += worker->inflight;
	load_error(worker->load, "controller %u queue %u: %s after %u commands%s",
		   worker->ctrl, queue->id,
		   nvme_pending(queue) ? "an interrupt is LOST" :
					 "a command is LOST",
		   (unsigned int)fig->commands,
		   nvme_is_dead(queue->ctrl) ? ", the controller has failed" :
					       "");
	return false;
}

/* With nothing under way, until the replacers have done what they want */
static void park(struct worker *worker)
{
	struct load *load = worker->load;
	unsigned int round;

	pthread_mutex_lock(&load->lock);
	round = load->round;
	if (load->drains) {
		load->parked++;
		pthread_cond_broadcast(&load->cond);
	}
	while (load->drains && load->round == round && !load->stop)
		pthread_cond_wait(&load->cond, &load->lock);
	pthread_mutex_unlock(&load->lock);
}

/* Keep the queue full until next() has nothing more and all is complete */
static void pump(struct worker *worker,
		 bool (*next)(struct worker *worker, struct io *io))
{
	struct load *load = worker->load;
	bool parked = false;
	bool more = true;
	unsigned int i;

	for (;;) {
		/* Whoever was parked gets something done before the next time */
		bool pause = !parked &&
			     __atomic_load_n(&load->drains, __ATOMIC_ACQUIRE);

		parked = false;
		for (i = 0; i != worker->depth && more && !pause; i++) {
			struct io *io = &worker->io[i];

			if (io->used)
				continue;
			more = next(worker, io);
			if (more)
				start_io(worker, io);
		}
		if (worker->inflight) {
			if (!wait_io(worker))
				return;
		} else if (pause && !load_stopped(load)) {
			park(worker);
			parked = true;
		} else if (!more || load_failed(load)) {
			return;
		}
	}
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct load *load = worker->load;

	/* What a process left that was killed */
	worker->verified = 0;
	pump(worker, next_verify);
	pump(worker, next_load);
	worker->verified = 0;
	if (!load_failed(load))
		pump(worker, next_verify);

	pthread_mutex_lock(&load->lock);
	load->running--;
	pthread_cond_broadcast(&load->cond);
	pthread_mutex_unlock(&load->lock);
	return NULL;
}

/*
 * Let all queues of all devices run empty: they share a page table. They stay so
 * until each replacer that wants it has called load_resume(). Who comes while
 * they are empty may join, but once in a round: the queues have to get on too.
 */
static void load_drain(struct replacer *replacer)
{
	struct load *load = replacer->load;

	pthread_mutex_lock(&load->lock);
	while (load->drains && replacer->round == load->round && !load->stop)
		pthread_cond_wait(&load->cond, &load->lock);
	replacer->round = load->round;
	load->drains++;
	while (load->parked != load->running && !load->stop)
		pthread_cond_wait(&load->cond, &load->lock);
	pthread_mutex_unlock(&load->lock);
}

static void load_resume(struct load *load)
{
	pthread_mutex_lock(&load->lock);
	if (!--load->drains) {
		load->round++;
		load->parked = 0;
		pthread_cond_broadcast(&load->cond);
	}
	pthread_mutex_unlock(&load->lock);
}

static int pt_to_ioas(int pt)
{
	return pt < PT_HWPT0_0 ? pt : (pt - PT_HWPT0_0) / 2;
}

static enum replace_kind replace_kind(int from, int to)
{
	if (from == PT_FRESH || to == PT_FRESH)
		return FRESH;
	if (from < PT_HWPT0_0 && to < PT_HWPT0_0)
		return AUTO_AUTO;
	if (from < PT_HWPT0_0 || to < PT_HWPT0_0)
		return AUTO_MANUAL;
	return pt_to_ioas(from) == pt_to_ioas(to) ? SAME_IOAS : TWO_IOASES;
}

/*
 * One replace by one device; a group moves as a whole. Of what kind it is can be
 * told only from what this device attached last: its sibling may have attached
 * something else since. *what is the step that fails.
 */
static int replace(struct replacer *replacer, const char **what)
{
	struct load *load = replacer->load;
	struct nvme_ctrl *ctrl = &load->ctrl[replacer->ctrl];
	int to = rand_r(&replacer->seed) % NUM_PT;
	__u32 old_fresh = 0;
	__u32 pt_id;
	int rc;

	if (to == replacer->pt)
		return 0;
	pt_id = load->pt[to];
	if (to == PT_FRESH) {
		*what = "allocation of an HWPT";
		rc = edu_hwpt_alloc(load->iommufd, ctrl->dev.dev_id,
				    load->pt[rand_r(&replacer->seed) % 2],
				    &pt_id);
		if (rc)
			return rc;
	} else {
		old_fresh = replacer->fresh;
	}

	*what = "replace";
	if (!load->hitless)
		load_drain(replacer);
	/* A drain that something lost has ended may have left commands */
	rc = load_failed(load) ? 0 : edu_attach(&ctrl->dev, pt_id);
	if (!load->hitless)
		load_resume(load);
	if (rc)
		return rc;
	__atomic_add_fetch(&load->replaces[replacer->ctrl]
					  [replace_kind(replacer->pt, to)],
			   1, __ATOMIC_RELAXED);
	replacer->fresh = to == PT_FRESH ? pt_id : 0;
	replacer->pt = to;
	*what = "destruction of an HWPT that was left";
	return old_fresh ? edu_destroy(load->iommufd, old_fresh) : 0;
}

/* Replace until the time is over or something went wrong */
static void *replacer_main(void *arg)
{
	struct replacer *replacer = arg;
	struct load *load = replacer->load;
	const char *what;
	int rc;

	while (edu_now_ms() < replacer->end && !load_stopped(load)) {
		rc = replace(replacer, &what);
		if (rc)
			load_error(load, "controller %u: %s: %s",
				   replacer->ctrl, what, strerror(-rc));
	}
	return NULL;
}

/* A replacer for each device, until all of them have ended */
static void load_replace(struct load *load, __u64 ms)
{
	__u64 end = edu_now_ms() + ms;
	int num;
	int rc;

	for (num = 0; num != load->num_ctrls; num++) {
		struct replacer *replacer = &load->replacer[num];

		*replacer = (struct replacer){
			.load = load,
			.ctrl = num,
			.seed = load->salt + num,
			.round = load->round - 1,
			.end = end,
			.pt = PT_IOAS0,
		};
		rc = pthread_create(&replacer->thread, NULL, replacer_main,
				    replacer);
		if (rc) {
			load_error(load, "threads: %s", strerror(rc));
			break;
		}
	}
	while (num--)
		pthread_join(load->replacer[num].thread, NULL);
}

/* The memory of all controllers in both IOASes: a group shares page tables */
static int load_map(struct load *load)
{
	int rc = 0;
	int i;
	int j;

	for (i = 0; !rc && i != 2; i++)
		for (j = 0; !rc && j != load->num_ctrls; j++)
			rc = edu_map(load->iommufd, load->pt[i],
				     load->ctrl[j].mem, NVME_MEM_SIZE,
				     load->ctrl[j].iova);
	return rc;
}

static int load_page_tables(struct load *load)
{
	int rc = 0;
	int i;

	for (i = 0; !rc && i != 2; i++)
		rc = edu_ioas_alloc(load->iommufd, &load->pt[i]);
	if (!rc)
		rc = load_map(load);
	for (i = PT_HWPT0_0; !rc && i != PT_FRESH; i++)
		rc = edu_hwpt_alloc(load->iommufd, load->ctrl[0].dev.dev_id,
				    load->pt[pt_to_ioas(i)], &load->pt[i]);
	return rc;
}

/* What the kernel says of DMA in flight; the same for all devices of a group */
static int load_capabilities(struct load *load)
{
	__u64 caps = IOMMU_HW_CAP_HITLESS_REPLACE;
	int rc = 0;
	int i;

	for (i = 0; !rc && i != load->num_ctrls; i++) {
		__u64 one;

		rc = edu_hw_capabilities(load->iommufd,
					 load->ctrl[i].dev.dev_id, &one);
		caps &= rc ? 0 : one;
	}
	load->hitless = caps;
	return rc;
}

/* Attached and with queues, nothing under way. What failed is in load->error. */
static int load_open(struct load *load)
{
	const char *what = "open";
	int rc = 0;
	int i;

	pthread_mutex_init(&load->lock, NULL);
	pthread_cond_init(&load->cond, NULL);
	load->running = 0;
	load->parked = 0;
	load->drains = 0;
	load->stop = false;
	memset(load->ctrl, 0, sizeof(load->ctrl));
	for (i = 0; i != MAX_CTRLS; i++)
		edu_init(&load->ctrl[i].dev);

	load->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (load->iommufd < 0)
		rc = -errno;
	for (i = 0; !rc && i != load->num_ctrls; i++)
		rc = nvme_open(&load->ctrl[i], load->func[i], load->iommufd,
			       CTRL_IOVA(i));
	if (!rc) {
		what = "capabilities";
		rc = load_capabilities(load);
	}
	if (!rc) {
		what = "page tables";
		rc = load_page_tables(load);
	}
	for (i = 0; !rc && i != load->num_ctrls; i++) {
		what = "attach";
		rc = edu_attach(&load->ctrl[i].dev, load->pt[PT_IOAS0]);
	}
	for (i = 0; !rc && i != load->num_ctrls; i++) {
		what = "start of the controller";
		rc = nvme_start(&load->ctrl[i]);
		if (!rc && load->ctrl[i].num_blocks < NVME_QUEUES * QUEUE_BLOCKS)
			rc = -ENOSPC;
	}
	if (rc)
		load_error(load, "%s: %s", what, strerror(-rc));
	return rc;
}

static void load_close(struct load *load)
{
	int i;

	for (i = 0; i != load->num_ctrls; i++)
		nvme_close(&load->ctrl[i]);
	if (load->iommufd >= 0)
		close(load->iommufd);
}

static int load_start(struct load *load)
{
	int rc = 0;
	int i;
	int j;

	load->running = load->num_ctrls * NVME_QUEUES;
	for (i = 0; i != load->num_ctrls; i++) {
		for (j = 0; j != NVME_QUEUES; j++) {
			struct worker *worker = &load->worker[i][j];

			*worker = (struct worker){
				.load = load,
				.queue = &load->ctrl[i].io[j],
				.ctrl = i,
				.index = j,
				.depth = queue_depth[j],
				.seed = load->salt + i * NVME_QUEUES + j,
			};
			if (!rc)
				rc = pthread_create(&worker->thread, NULL,
						    worker_main, worker);
			if (rc)
				worker->load = NULL;
		}
	}
	if (rc)
		load_error(load, "threads: %s", strerror(rc));
	return -rc;
}

static void load_join(struct load *load)
{
	int i;
	int j;

	for (i = 0; i != load->num_ctrls; i++)
		for (j = 0; j != NVME_QUEUES; j++)
			if (load->worker[i][j].load)
				pthread_join(load->worker[i][j].thread, NULL);
}

/* Load and replaces for some time, then a look at every block */
static void load_run(struct load *load, __u64 ms)
{
	if (!load_open(load) && !load_start(load)) {
		load_replace(load, ms);
		load_stop(load);
		load_join(load);
	}
	load_close(load);
}

static struct figures load_sum(struct load *load)
{
	struct figures sum = {};
	int i;
	int j;

	for (i = 0; i != load->num_ctrls; i++) {
		for (j = 0; j != NVME_QUEUES; j++) {
			struct figures *fig = &load->fig[i][j];

			sum.commands += fig->commands;
			sum.bytes += fig->bytes;
			sum.interrupts += fig->interrupts;
			sum.irqs_lost += fig->irqs_lost;
			sum.commands_lost += fig->commands_lost;
			sum.bad += fig->bad;
		}
	}
	return sum;
}

/* The replaces of a device, of all kinds */
static unsigned long ctrl_replaces(struct load *load, unsigned int ctrl)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i != NUM_KINDS; i++)
		sum += load->replaces[ctrl][i];
	return sum;
}

static unsigned long load_replaces(struct load *load)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i != load->num_ctrls; i++)
		sum += ctrl_replaces(load, i);
	return sum;
}

/* The replaces of one kind, by all devices */
static unsigned long kind_replaces(struct load *load, enum replace_kind kind)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i != load->num_ctrls; i++)
		sum += load->replaces[i][kind];
	return sum;
}

static void load_report(struct load *load)
{
	struct figures sum = load_sum(load);
	int i;

	ksft_print_msg("%lu commands, %lu MiB, %lu interrupts, %lu replaces%s\n",
		       sum.commands, sum.bytes >> 20, sum.interrupts,
		       load_replaces(load),
		       load->hitless ? " under load" : " of drained queues");
	for (i = 0; i != NUM_KINDS; i++)
		ksft_print_msg("replaces between %s: %lu\n", kind_names[i],
			       kind_replaces(load, i));
	ksft_print_msg("lost: %lu commands, %lu interrupts; %lu with wrong data or status\n",
		       sum.commands_lost, sum.irqs_lost, sum.bad);
	if (load_failed(load))
		ksft_print_msg("%s\n", load->error);
}

/* A disk that is alone in its group, or two that share one */
static bool find_disks(unsigned int num, const struct edu_func **func)
{
	static struct edu_func funcs[EDU_MAX_FUNCS];
	int found = edu_claim_id(funcs, EDU_MAX_FUNCS, NVME_VENDOR, NVME_DEVICE);

	if (num == 2)
		return edu_pick_pair(funcs, found, true, func);
	func[0] = edu_pick_single(funcs, found);
	return func[0];
}

FIXTURE(nvme)
{
	struct load *load;
};

FIXTURE_VARIANT(nvme)
{
	unsigned int num_ctrls;
};

/* A disk in a group of its own */
FIXTURE_VARIANT_ADD(nvme, alone)
{
	.num_ctrls = 1,
};

/* Two functions of a slot, which share a group and so the page table */
FIXTURE_VARIANT_ADD(nvme, group)
{
	.num_ctrls = 2,
};

FIXTURE_SETUP(nvme)
{
	struct timespec ts;

	self->load = mmap(NULL, sizeof(*self->load), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->load);
	self->load->iommufd = -1;
	self->load->num_ctrls = variant->num_ctrls;
	clock_gettime(CLOCK_REALTIME, &ts);
	self->load->salt = ts.tv_sec * 1000000000ULL + ts.tv_nsec;

	if (!find_disks(variant->num_ctrls, self->load->func))
		SKIP(return, "no group with %u nvme (%x:%04x)",
		     variant->num_ctrls, NVME_VENDOR, NVME_DEVICE);
}

FIXTURE_TEARDOWN(nvme)
{
	munmap(self->load, sizeof(*self->load));
}

/* Each command of the queue that has one at a time brings an interrupt */
static void check_interrupts(struct __test_metadata *_metadata,
			     struct load *load)
{
	int i;
	int j;

	for (i = 0; i != load->num_ctrls; i++)
		for (j = 0; j != NVME_QUEUES; j++)
			if (queue_depth[j] == 1)
				EXPECT_EQ(load->fig[i][j].commands,
					  load->fig[i][j].interrupts);
}

/* Fails without a table of MSI pages, and without a hitless replace */
TEST_F_TIMEOUT(nvme, load, 600)
{
	unsigned long secs = edu_env("NVME_SECS", 8);
	struct load *load = self->load;
	int log_fd = edu_log_open();
	int events;
	int i;
	int j;

	load_run(load, 1000 * secs);
	load_report(load);
	events = edu_smmu_log_count(log_fd);
	ASSERT_EQ(0, load->error[0]);
	if (getenv("EDU_HITLESS"))
		EXPECT_EQ(edu_env("EDU_HITLESS", 0), load->hitless);
	check_interrupts(_metadata, load);
	/* What the SMMU refused, even if the device tried again */
	if (events >= 0)
		EXPECT_EQ(0, events);
	for (i = 0; i != load->num_ctrls; i++)
		for (j = 0; j != NVME_QUEUES; j++)
			EXPECT_LE(MIN_COMMANDS * secs,
				  load->fig[i][j].commands);
	for (i = 0; i != load->num_ctrls; i++)
		EXPECT_LE(MIN_REPLACES * secs, ctrl_replaces(load, i));
	for (i = 0; i != NUM_KINDS; i++)
		EXPECT_LE(secs / 2, kind_replaces(load, i));
}

/* Killed once there were commands and replaces in this round, at any moment */
static void kill_in_mid_load(struct __test_metadata *_metadata,
			     struct load *load, pid_t pid, unsigned int round)
{
	unsigned long commands = load_sum(load).commands;
	unsigned long replaces = load_replaces(load);
	__u64 end = edu_now_ms() + 60000;
	int status;

	while (load_sum(load).commands < commands + 50 ||
	       load_replaces(load) < replaces + 10) {
		ASSERT_FALSE(load_failed(load)) {
			TH_LOG("round %u: %s", round, load->error);
		}
		ASSERT_GT(end, edu_now_ms()) {
			TH_LOG("round %u does not get on", round);
		}
		usleep(1000);
	}
	usleep(round * 7919 % 50000);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
}

/*
 * The process dies in mid-load: the kernel takes everything back while commands
 * are under way, and the next process finds a disk that works and holds what was
 * acknowledged.
 */
TEST_F_TIMEOUT(nvme, kill, 600)
{
	struct load *load = self->load;
	unsigned int round;
	pid_t pid;

	for (round = 1; round != 8; round++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			load_run(load, 120000);
			_exit(0);
		}
		kill_in_mid_load(_metadata, load, pid, round);
	}
	load_run(load, 500);
	load_report(load);
	ASSERT_EQ(0, load->error[0]);
}

TEST_HARNESS_MAIN
