// SPDX-License-Identifier: GPL-2.0-only
/*
 * Try to break MSIs under iommufd from user space.
 *
 *   iommufd_msi_stress [-d seconds] [-s seed] [-n] [-t stress|fuzz]
 *
 * stress: threads do to a few devices (QEMU's edu, see vfio_edu.h) all that one
 *   can do to them, at random and at the same time: attach, replace, detach,
 *   set up and release interrupts, raise them, map and unmap around the window,
 *   make and destroy page tables, close and open the fds, unbind the driver,
 *   unplug the device and find it again. Functions that share a group get a
 *   thread each that does nothing but replace, in bursts. Some allocations fail
 *   on purpose if the kernel can do that, not with -n.
 * fuzz: ioctls of iommufd and of a VFIO device with wrong sizes, tails that are
 *   not zero, wild ids, huge counts.
 *
 * What a single call returns does not matter there. What matters: the kernel
 * log stays clean (who runs the test has to look), afterwards each device
 * delivers interrupts before and after a replace, and memory is back where it
 * was.
 *
 * The seed is printed. Threads make a run differ even with the same seed, but
 * each thread repeats its own sequence.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "../kselftest.h"
#include "vfio_edu.h"

#define NUM_WORKERS 4
/* Memory to map and to point at */
#define ARENA_SIZE 0x100000
/* Object ids are small numbers: this covers what a fd holds, and some more */
#define MAX_ID 48
/* Where the window is on Arm SMMUs, its neighbourhood elsewhere */
#define WINDOW 0x8000000ULL
#define WINDOW_SIZE 0x100000ULL
/* How much more memory may be in use afterwards */
#define SLACK_KB 8192
/* KASAN keeps freed memory for a while */
#define SLACK_KASAN_KB 131072

static struct edu_func funcs[EDU_MAX_FUNCS];
static int num_funcs;
static bool use_faults = true;
static size_t page_size;
static __u8 *arena;

/*
 * A function and the fds that are open for it. Calls that use the fds hold the
 * lock for reading, so they race with each other; to close or open the fds it
 * is held for writing.
 */
struct victim {
	const struct edu_func *func;
	pthread_rwlock_t lock;
	/*
	 * Interrupts are not raised while they are switched on or off: one that
	 * arrives too late makes the GIC warn, on any kernel.
	 */
	pthread_mutex_t irq_lock;
	struct edu_dev dev;
	/* A duplicate: the fd lives as long as a victim uses it */
	int iommufd;
};

static struct victim victims[EDU_MAX_FUNCS];

/* The fds that victims bind to, replaced at random */
#define NUM_FDS 2
static struct {
	pthread_mutex_t lock;
	int fd;
} fds[NUM_FDS];

static bool stop;
static unsigned long num_ops;
static unsigned long num_failed;

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

/* What the threads of each kind got done: one that stands still breaks nothing */
enum side {
	SIDE_WORKERS,
	SIDE_CLOSER,
	SIDE_SYSFS,
	NUM_SIDES,
};

static unsigned long done[NUM_SIDES];

static void count_done(enum side side, int rc)
{
	if (!rc)
		__atomic_fetch_add(&done[side], 1, __ATOMIC_RELAXED);
}

static void count_op(int rc)
{
	__atomic_fetch_add(&num_ops, 1, __ATOMIC_RELAXED);
	if (rc)
		__atomic_fetch_add(&num_failed, 1, __ATOMIC_RELAXED);
}

/*
 * Two ways to let an allocation fail. fail-nth counts all allocations of a
 * thread. make-it-fail only concerns what iommufd marks for it
 * (CONFIG_IOMMUFD_TEST); it is for set-up and release of interrupts, as there
 * 6.12 warns of its own failures: free_lpi_range() of the ITS needs memory to
 * free, unregister_irq_proc() removes files that could not be made.
 */
static bool faults_enable(void)
{
	if (edu_write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N"))
		return false;
	edu_write_file("/sys/kernel/debug/failslab/verbose", "0");
	edu_write_file("/sys/kernel/debug/fail_iommufd/verbose", "0");
	edu_write_file("/sys/kernel/debug/fail_iommufd/task-filter", "Y");
	edu_write_file("/sys/kernel/debug/fail_iommufd/times", "-1");
	edu_write_file("/sys/kernel/debug/fail_iommufd/probability", "50");
	return !access("/proc/thread-self/fail-nth", W_OK);
}

static void faults_disable(void)
{
	edu_write_file("/sys/kernel/debug/fail_iommufd/probability", "0");
	edu_write_file("/sys/kernel/debug/fail_iommufd/task-filter", "N");
}

/* One worker: its random numbers and its switches for failing allocations */
struct worker {
	unsigned int seed;
	int fail_nth_fd;
	int make_it_fail_fd;
	int armed_fd;
};

static unsigned int rnd(struct worker *w, unsigned int below)
{
	return (unsigned int)rand_r(&w->seed) % below;
}

static void worker_init(struct worker *w, unsigned int seed)
{
	w->seed = seed;
	w->fail_nth_fd = -1;
	w->make_it_fail_fd = -1;
	w->armed_fd = -1;
	if (!use_faults)
		return;
	w->fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	w->make_it_fail_fd =
		open("/proc/thread-self/make-it-fail", O_RDWR | O_CLOEXEC);
}

static void worker_done(struct worker *w)
{
	if (w->fail_nth_fd >= 0)
		close(w->fail_nth_fd);
	if (w->make_it_fail_fd >= 0)
		close(w->make_it_fail_fd);
}

/* For one operation in eight: the nth allocation of this thread */
static void fault_arm_nth(struct worker *w)
{
	char text[16];
	int len;

	if (rnd(w, 8))
		return;
	len = snprintf(text, sizeof(text), "%u", 1 + rnd(w, 30));
	if (w->fail_nth_fd >= 0 && pwrite(w->fail_nth_fd, text, len, 0) > 0)
		w->armed_fd = w->fail_nth_fd;
}

/* For one operation in eight: what iommufd marks */
static void fault_arm_iommufd(struct worker *w)
{
	if (rnd(w, 8))
		return;
	if (w->make_it_fail_fd >= 0 &&
	    pwrite(w->make_it_fail_fd, "1", 1, 0) > 0)
		w->armed_fd = w->make_it_fail_fd;
}

static void fault_disarm(struct worker *w)
{
	if (w->armed_fd < 0)
		return;
	/* If it is still armed then this may be the call that fails */
	while (pwrite(w->armed_fd, "0", 1, 0) < 0 &&
	       (errno == EFAULT || errno == ENOMEM))
		;
	w->armed_fd = -1;
}

static int map_near_window(struct worker *w, int iommufd, __u32 ioas)
{
	__u64 iova = WINDOW + rnd(w, 2 * WINDOW_SIZE / page_size) * page_size -
		     WINDOW_SIZE / 2;
	size_t len = (1 + rnd(w, 8)) * page_size;

	/* Now and then larger than the window, so it could be one block */
	if (!rnd(w, 8)) {
		iova = WINDOW & ~(__u64)(ARENA_SIZE - 1);
		len = ARENA_SIZE;
	}
	return edu_map(iommufd, ioas, arena, len, iova);
}

static int unmap_near_window(struct worker *w, int iommufd, __u32 ioas)
{
	if (rnd(w, 2))
		return edu_unmap(iommufd, ioas, 0, SIZE_MAX);
	return edu_unmap(iommufd, ioas, WINDOW - WINDOW_SIZE, 3 * WINDOW_SIZE);
}

static int victim_irq_op(struct worker *w, struct victim *v)
{
	int rc;

	pthread_mutex_lock(&v->irq_lock);
	fault_arm_iommufd(w);
	switch (rnd(w, 5)) {
	case 0:
		rc = edu_irq_off(&v->dev);
		break;
	case 1:
		/* May not arrive, it may be off or the device detached */
		rc = edu_raise(&v->dev, 20) < 0;
		break;
	default:
		rc = edu_irq_on(&v->dev);
	}
	fault_disarm(w);
	pthread_mutex_unlock(&v->irq_lock);
	return rc;
}

static int victim_pt_op(struct worker *w, struct victim *v)
{
	__u32 id = 1 + rnd(w, MAX_ID);
	int rc;

	fault_arm_nth(w);
	switch (rnd(w, 11)) {
	case 0:
		rc = edu_detach(&v->dev);
		break;
	case 1:
	case 2:
		rc = edu_hwpt_alloc(v->iommufd, v->dev.dev_id, 1 + rnd(w, 8),
				    &id);
		break;
	case 3:
		/* Keep the first three IOAS, see open_fd() */
		rc = edu_destroy(v->iommufd, 4 + rnd(w, MAX_ID));
		break;
	case 4:
		rc = map_near_window(w, v->iommufd, 1 + rnd(w, 4));
		break;
	case 5:
		rc = unmap_near_window(w, v->iommufd, 1 + rnd(w, 4));
		break;
	default:
		/* The first objects of a fd are its IOAS, likely to exist */
		if (rnd(w, 4))
			id = 1 + rnd(w, 8);
		rc = edu_attach(&v->dev, id);
	}
	fault_disarm(w);
	return rc;
}

static void *worker_thread(void *arg)
{
	struct worker w;

	worker_init(&w, (uintptr_t)arg);
	while (!stopped()) {
		struct victim *v = &victims[rnd(&w, num_funcs)];
		int rc;

		pthread_rwlock_rdlock(&v->lock);
		if (v->dev.fd >= 0) {
			rc = rnd(&w, 3) ? victim_pt_op(&w, v) :
					  victim_irq_op(&w, v);
			count_op(rc);
			count_done(SIDE_WORKERS, rc);
		}
		pthread_rwlock_unlock(&v->lock);
	}
	worker_done(&w);
	return NULL;
}

/* A function that shares its group, and who replaces it */
struct sibling {
	struct victim *victim;
	pthread_t thread;
	unsigned int seed;
	unsigned long swaps;
};

static struct sibling siblings[EDU_MAX_FUNCS];
static int num_siblings;

static bool shares_group(const struct edu_func *func)
{
	int i;

	for (i = 0; i != num_funcs; i++)
		if (&funcs[i] != func && funcs[i].group == func->group)
			return true;
	return false;
}

/*
 * From IOAS to IOAS and now and then out and in, in bursts. Nobody closes the
 * device in the middle of one.
 */
static void *sibling_thread(void *arg)
{
	struct sibling *sib = arg;
	struct victim *v = sib->victim;
	struct worker w;
	int i;

	worker_init(&w, sib->seed);
	while (!stopped()) {
		pthread_rwlock_rdlock(&v->lock);
		for (i = 0; i != 256 && v->dev.fd >= 0; i++) {
			int rc = edu_attach(&v->dev, 1 + (i + rnd(&w, 2)) % 3);

			count_op(rc);
			sib->swaps += !rc;
			if (i % 4 == 3)
				count_op(edu_detach(&v->dev));
		}
		pthread_rwlock_unlock(&v->lock);
		usleep(rnd(&w, 2000));
	}
	worker_done(&w);
	return NULL;
}

static int start_siblings(unsigned int seed)
{
	int i;

	num_siblings = 0;
	for (i = 0; i != num_funcs; i++) {
		struct sibling *sib = &siblings[num_siblings];

		if (!shares_group(&funcs[i]))
			continue;
		sib->victim = &victims[i];
		sib->seed = seed + i;
		sib->swaps = 0;
		if (pthread_create(&sib->thread, NULL, sibling_thread, sib))
			return -EAGAIN;
		num_siblings++;
	}
	return 0;
}

/* A race in which one side never moves finds nothing */
static int stop_siblings(void)
{
	int bad = 0;
	int i;

	for (i = 0; i != num_siblings; i++) {
		pthread_join(siblings[i].thread, NULL);
		ksft_print_msg("%s: %lu replaces with its sibling\n",
			       siblings[i].victim->func->bdf,
			       siblings[i].swaps);
		if (siblings[i].swaps < 64)
			bad = -EIO;
	}
	return bad;
}

static int open_fd(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	__u32 id;
	int i;

	for (i = 0; i != 3 && fd >= 0; i++)
		edu_ioas_alloc(fd, &id);
	return fd;
}

static void victim_close(struct worker *w, struct victim *v)
{
	bool iommufd_first = rnd(w, 2);

	if (iommufd_first && v->iommufd >= 0)
		close(v->iommufd);
	edu_close(&v->dev);
	if (!iommufd_first && v->iommufd >= 0)
		close(v->iommufd);
	v->iommufd = -1;
}

static int victim_open(struct victim *v, int which)
{
	int rc;

	pthread_mutex_lock(&fds[which].lock);
	v->iommufd = fcntl(fds[which].fd, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&fds[which].lock);
	if (v->iommufd < 0)
		return -errno;
	rc = edu_open_bind(&v->dev, v->func, v->iommufd);
	if (rc) {
		close(v->iommufd);
		v->iommufd = -1;
	}
	return rc;
}

/* Close a device, or one of the fds, and open it again */
static void *closer_thread(void *arg)
{
	struct worker w;

	worker_init(&w, (uintptr_t)arg);
	while (!stopped()) {
		struct victim *v = &victims[rnd(&w, num_funcs)];
		int which = rnd(&w, NUM_FDS);

		if (!rnd(&w, 8)) {
			pthread_mutex_lock(&fds[which].lock);
			close(fds[which].fd);
			fds[which].fd = open_fd();
			pthread_mutex_unlock(&fds[which].lock);
		}
		pthread_rwlock_wrlock(&v->lock);
		victim_close(&w, v);
		fault_arm_nth(&w);
		count_done(SIDE_CLOSER, victim_open(v, which));
		fault_disarm(&w);
		pthread_rwlock_unlock(&v->lock);
		usleep(rnd(&w, 20000));
	}
	worker_done(&w);
	return NULL;
}

static void rebind_all(void)
{
	int i;

	for (i = 0; i != num_funcs; i++)
		edu_bind_driver(&funcs[i]);
}

/*
 * Take a function from its driver, or out of the bus, and bring it back. Both
 * wait until its fds are closed, closer_thread() sees to that.
 */
static void *sysfs_thread(void *arg)
{
	char path[128];
	struct worker w;

	worker_init(&w, (uintptr_t)arg);
	while (!stopped()) {
		const struct edu_func *func = &funcs[rnd(&w, num_funcs)];

		if (rnd(&w, 2)) {
			count_done(SIDE_SYSFS, edu_unbind_driver(func));
		} else {
			snprintf(path, sizeof(path),
				 "/sys/bus/pci/devices/%s/remove", func->bdf);
			count_done(SIDE_SYSFS, edu_write_file(path, "1"));
			usleep(rnd(&w, 10000));
			edu_write_file("/sys/bus/pci/rescan", "1");
		}
		usleep(rnd(&w, 10000));
		rebind_all();
		usleep(rnd(&w, 200000));
	}
	worker_done(&w);
	return NULL;
}

/* All is closed: do interrupts work, for each function, across replaces? */
static int check_devices(void)
{
	struct edu_dev dev;
	int bad = 0;
	__u32 ioas;
	int iommufd;
	int rc;
	int i;
	int j;

	edu_write_file("/sys/bus/pci/rescan", "1");
	rebind_all();
	for (i = 0; i != num_funcs; i++) {
		iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		rc = edu_open_bind(&dev, &funcs[i], iommufd);
		for (j = 0; j != 4 && !rc; j++) {
			rc = edu_ioas_alloc(iommufd, &ioas);
			if (!rc)
				rc = edu_attach(&dev, ioas);
			if (!rc && !j)
				rc = edu_irq_on(&dev);
			if (!rc)
				rc = edu_raise(&dev, EDU_TIMEOUT_MS) == 1 ?
					     0 :
					     -ETIMEDOUT;
		}
		ksft_print_msg("%s afterwards: %s\n", funcs[i].bdf,
			       !rc ? "delivered" :
			       rc == -ETIMEDOUT ? "LOST" :
						  strerror(-rc));
		bad += !!rc;
		edu_close(&dev);
		close(iommufd);
	}
	return bad;
}

#define MAX_CACHES 256

struct memory {
	long slab_kb;
	long free_kb;
	int num_caches;
	struct {
		char name[32];
		unsigned long kb;
	} caches[MAX_CACHES];
};

static void read_slabinfo(struct memory *mem)
{
	unsigned long active, total, size;
	char line[256];
	char name[32];
	FILE *f;

	f = fopen("/proc/slabinfo", "r");
	if (!f)
		return;
	while (mem->num_caches != MAX_CACHES && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31s %lu %lu %lu", name, &active, &total,
			   &size) != 4)
			continue;
		memcpy(mem->caches[mem->num_caches].name, name, sizeof(name));
		mem->caches[mem->num_caches++].kb = active * size / 1024;
	}
	fclose(f);
}

/* Say which caches hold more objects than before, where to look for a leak */
static void compare_slabinfo(const struct memory *a, const struct memory *b)
{
	int i;
	int j;

	for (i = 0; i != b->num_caches; i++) {
		for (j = 0; j != a->num_caches; j++)
			if (!strcmp(a->caches[j].name, b->caches[i].name))
				break;
		if (j != a->num_caches &&
		    b->caches[i].kb > a->caches[j].kb + 100)
			ksft_print_msg("slab %s: %lu -> %lu KiB\n",
				       a->caches[j].name, a->caches[j].kb,
				       b->caches[i].kb);
	}
}

static void read_memory(struct memory *mem)
{
	char line[128];
	FILE *f;

	memset(mem, 0, sizeof(*mem));
	/* Let RCU and the work queues free what they hold */
	sleep(1);
	edu_write_file("/proc/sys/vm/drop_caches", "3");
	f = fopen("/proc/meminfo", "r");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "SUnreclaim:", 11))
			mem->slab_kb = strtol(line + 11, NULL, 10);
		if (!strncmp(line, "MemFree:", 8))
			mem->free_kb = strtol(line + 8, NULL, 10);
	}
	fclose(f);
	read_slabinfo(mem);
}

static bool have_kasan(void)
{
	bool found = false;
	char line[256];
	FILE *f;

	f = fopen("/proc/kallsyms", "r");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, " kasan_report\n");
	fclose(f);
	return found;
}

static bool memory_is_back(const struct memory *before)
{
	long slack = have_kasan() ? SLACK_KASAN_KB : SLACK_KB;
	static struct memory after;

	read_memory(&after);
	ksft_print_msg("slab: %ld -> %ld KiB, free: %ld -> %ld KiB\n",
		       before->slab_kb, after.slab_kb, before->free_kb,
		       after.free_kb);
	compare_slabinfo(before, &after);
	return after.slab_kb < before->slab_kb + slack &&
	       after.free_kb > before->free_kb - slack;
}

static int run_threads(unsigned int secs, unsigned int seed)
{
	pthread_t threads[NUM_WORKERS + 2];
	__u64 end = edu_now_ms() + 1000ULL * secs;
	struct worker w;
	int num = 0;
	int rc;
	int i;

	stop = false;
	for (i = 0; i != NUM_FDS; i++)
		fds[i].fd = open_fd();
	for (i = 0; i != num_funcs; i++) {
		victims[i].func = &funcs[i];
		victims[i].iommufd = -1;
		edu_init(&victims[i].dev);
		victim_open(&victims[i], 0);
	}
	for (i = 0; i != NUM_WORKERS + 2; i++) {
		void *(*fn)(void *) = i < NUM_WORKERS ? worker_thread :
				      i == NUM_WORKERS ? closer_thread :
							 sysfs_thread;

		if (pthread_create(&threads[num], NULL, fn,
				   (void *)(uintptr_t)(seed + i)))
			break;
		num++;
	}
	rc = start_siblings(seed + NUM_WORKERS + 2);
	while (edu_now_ms() < end)
		usleep(100000);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	rc = stop_siblings() ?: rc;

	/* The last one may wait for a device that is still open */
	for (i = 0; i != num && i <= NUM_WORKERS; i++)
		pthread_join(threads[i], NULL);
	worker_init(&w, seed);
	for (i = 0; i != num_funcs; i++)
		victim_close(&w, &victims[i]);
	worker_done(&w);
	if (num > NUM_WORKERS + 1)
		pthread_join(threads[NUM_WORKERS + 1], NULL);
	for (i = 0; i != NUM_FDS; i++)
		close(fds[i].fd);
	return num == NUM_WORKERS + 2 ? rc : -EAGAIN;
}

static int check_progress(unsigned int secs)
{
	ksft_print_msg("stress: %lu operations, %lu of them failed\n", num_ops,
		       num_failed);
	ksft_print_msg("done: %lu by workers, %lu closed and opened, %lu taken away\n",
		       done[SIDE_WORKERS], done[SIDE_CLOSER], done[SIDE_SYSFS]);
	/* The others wait for devices that are in use most of the time */
	return done[SIDE_WORKERS] < 4 * secs || done[SIDE_CLOSER] < 2 ||
	       !done[SIDE_SYSFS];
}

static void test_stress(unsigned int secs, unsigned int seed)
{
	static struct memory before;
	int bad;
	int i;

	if (!num_funcs) {
		ksft_test_result_skip("stress: no edu device (1234:11e8)\n");
		return;
	}
	for (i = 0; i != num_funcs; i++) {
		pthread_rwlock_init(&victims[i].lock, NULL);
		pthread_mutex_init(&victims[i].irq_lock, NULL);
	}
	for (i = 0; i != NUM_FDS; i++)
		pthread_mutex_init(&fds[i].lock, NULL);

	/* Once to fill the caches, then for real */
	run_threads(secs / 10 + 1, seed);
	read_memory(&before);
	num_ops = 0;
	num_failed = 0;
	memset(done, 0, sizeof(done));
	bad = run_threads(secs, seed);
	bad |= check_progress(secs);
	bad |= check_devices();
	bad |= !memory_is_back(&before);
	ksft_test_result(!bad, "stress\n");
}

/* What the iommufd ioctls take: the least size, and all that 6.12 knows */
static const struct {
	unsigned int nr;
	__u32 size;
} iommufd_cmds[] = {
	{ IOMMUFD_CMD_DESTROY, sizeof(struct iommu_destroy) },
	{ IOMMUFD_CMD_IOAS_ALLOC, sizeof(struct iommu_ioas_alloc) },
	{ IOMMUFD_CMD_IOAS_ALLOW_IOVAS, sizeof(struct iommu_ioas_allow_iovas) },
	{ IOMMUFD_CMD_IOAS_COPY, sizeof(struct iommu_ioas_copy) },
	{ IOMMUFD_CMD_IOAS_IOVA_RANGES, sizeof(struct iommu_ioas_iova_ranges) },
	{ IOMMUFD_CMD_IOAS_MAP, sizeof(struct iommu_ioas_map) },
	{ IOMMUFD_CMD_IOAS_UNMAP, sizeof(struct iommu_ioas_unmap) },
	{ IOMMUFD_CMD_OPTION, sizeof(struct iommu_option) },
	{ IOMMUFD_CMD_VFIO_IOAS, sizeof(struct iommu_vfio_ioas) },
	{ IOMMUFD_CMD_HWPT_ALLOC, sizeof(struct iommu_hwpt_alloc) },
	{ IOMMUFD_CMD_GET_HW_INFO, sizeof(struct iommu_hw_info) },
	{ IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING,
	  sizeof(struct iommu_hwpt_set_dirty_tracking) },
	{ IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP,
	  sizeof(struct iommu_hwpt_get_dirty_bitmap) },
	{ IOMMUFD_CMD_HWPT_INVALIDATE, sizeof(struct iommu_hwpt_invalidate) },
	{ IOMMUFD_CMD_FAULT_QUEUE_ALLOC, sizeof(struct iommu_fault_alloc) },
	{ IOMMUFD_CMD_DEVICE_RESV_REGIONS,
	  sizeof(struct iommu_device_resv_regions) },
	{ IOMMUFD_CMD_DEVICE_IOVA_RANGES,
	  sizeof(struct iommu_device_iova_ranges) },
	{ IOMMUFD_CMD_IOAS_CHECK, sizeof(struct iommu_ioas_check) },
	{ IOMMUFD_CMD_IOAS_SET_HOLES, sizeof(struct iommu_ioas_set_holes) },
	{ IOMMUFD_CMD_IOAS_GET_HOLES, sizeof(struct iommu_ioas_get_holes) },
	{ IOMMUFD_CMD_MSI_WINDOW, sizeof(struct iommu_msi_window) },
};

/* These have one right answer: too small, and a tail that means something */
static int check_sizes(int iommufd)
{
	struct {
		__u32 size;
		__u8 rest[4096 - 4];
	} cmd;
	int bad = 0;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(iommufd_cmds); i++) {
		unsigned long nr = _IO(IOMMUFD_TYPE, iommufd_cmds[i].nr);

		memset(&cmd, 0, sizeof(cmd));
		cmd.size = 4;
		if (!ioctl(iommufd, nr, &cmd) || errno != EINVAL) {
			ksft_print_msg("ioctl %#x, size 4: errno %d\n",
				       iommufd_cmds[i].nr, errno);
			bad++;
		}
		cmd.size = sizeof(cmd);
		cmd.rest[sizeof(cmd.rest) - 1] = 1;
		if (!ioctl(iommufd, nr, &cmd) || errno != E2BIG) {
			ksft_print_msg("ioctl %#x, tail: errno %d\n",
				       iommufd_cmds[i].nr, errno);
			bad++;
		}
	}
	return bad;
}

/* The same for the ioctls of the device that change page table or interrupts */
static int check_device_sizes(struct edu_dev *dev)
{
	static const unsigned int cmds[] = {
		VFIO_DEVICE_ATTACH_IOMMUFD_PT,
		VFIO_DEVICE_DETACH_IOMMUFD_PT,
		VFIO_DEVICE_SET_IRQS,
	};
	struct {
		struct vfio_irq_set hdr;
		__s32 fd[4];
	} set = {
		.hdr = {
			.argsz = sizeof(set),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_MSI_IRQ_INDEX,
		},
	};
	static const __u32 counts[] = { 2, 5, 0x10000, 0x7fffffff, 0xffffffff };
	int bad = 0;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(cmds); i++) {
		__u32 argsz[16] = { 4 };

		if (!ioctl(dev->fd, cmds[i], argsz) || errno != EINVAL) {
			ksft_print_msg("device ioctl %#x, argsz 4: errno %d\n",
				       cmds[i], errno);
			bad++;
		}
	}
	/* edu has one vector: each of these asks for too many */
	for (i = 0; i != ARRAY_SIZE(counts); i++) {
		set.hdr.count = counts[i];
		if (!ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set)) {
			ksft_print_msg("%u vectors: no error\n", counts[i]);
			bad++;
		}
	}
	/* Not an eventfd: set-up has to be undone completely */
	set.hdr.count = 1;
	set.fd[0] = dev->fd;
	for (i = 0; i != 1000; i++) {
		if (!ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set)) {
			ksft_print_msg("wrong fd: no error\n");
			return bad + 1;
		}
	}
	return bad;
}

/* A value that is worth trying */
static __u64 fuzz_value(struct worker *w)
{
	__u64 r = ((__u64)rand_r(&w->seed) << 33) ^
		  ((__u64)rand_r(&w->seed) << 16) ^ rand_r(&w->seed);

	switch (rnd(w, 8)) {
	case 0:
		return 0;
	case 1:
		return ~0ULL >> rnd(w, 64);
	case 2:
		return 1ULL << rnd(w, 64);
	case 3:
		return WINDOW + (r & 0x1fffff & ~(page_size - 1));
	case 4:
		return (uintptr_t)arena + (r & (ARENA_SIZE / 2 - 1) & ~7ULL);
	case 5:
		return r;
	default:
		return rnd(w, MAX_ID);
	}
}

/* Random fields of 4 or 8 bytes */
static void fuzz_fill(struct worker *w, void *buf, size_t len)
{
	size_t pos = 0;

	while (pos + 8 <= len) {
		__u64 val = fuzz_value(w);
		size_t n = rnd(w, 3) ? 4 : 8;

		memcpy((__u8 *)buf + pos, &val, n);
		pos += n;
	}
}

static void fuzz_iommufd(struct worker *w, int iommufd)
{
	__u32 buf[64] = {};
	unsigned int nr;
	__u32 size;

	if (rnd(w, 16)) {
		unsigned int i = rnd(w, ARRAY_SIZE(iommufd_cmds));

		nr = iommufd_cmds[i].nr;
		size = iommufd_cmds[i].size;
	} else {
		/* Also numbers that do not exist, but not the mock's */
		nr = rnd(w, 2) ? IOMMUFD_CMD_BASE :
				 IOMMUFD_CMD_DEVICE_RESV_REGIONS;
		nr += rnd(w, 32);
		size = 8 * rnd(w, 16);
	}
	fuzz_fill(w, buf, size);
	buf[0] = size;
	switch (rnd(w, 8)) {
	case 0:
		buf[0] = fuzz_value(w);
		break;
	case 1:
		/* With a tail, zero or not */
		buf[0] = sizeof(buf);
		if (rnd(w, 2))
			buf[63] = fuzz_value(w);
		break;
	}
	count_op(ioctl(iommufd, _IO(IOMMUFD_TYPE, nr), buf));
}

static void fuzz_device(struct worker *w, struct edu_dev *dev)
{
	__u32 buf[64] = {};
	unsigned int nr = 100 + rnd(w, 24);
	__u32 size = 12 + 4 * rnd(w, 12);

	if (!rnd(w, 4)) {
		struct vfio_irq_set *set = (void *)buf;

		fuzz_fill(w, buf, size);
		set->argsz = rnd(w, 4) ? sizeof(buf) : size;
		if (rnd(w, 2)) {
			set->flags = 1 << rnd(w, 3) | 1 << (3 + rnd(w, 3));
			set->index = rnd(w, 6);
			set->start = rnd(w, 2);
			set->count = rnd(w, 4);
			buf[5] = rnd(w, 2) ? dev->event_fd : rnd(w, 64);
		}
		nr = VFIO_DEVICE_SET_IRQS & 0xff;
	} else if (!rnd(w, 3)) {
		struct vfio_device_attach_iommufd_pt *attach = (void *)buf;

		attach->argsz = sizeof(*attach);
		attach->pt_id = rnd(w, MAX_ID);
		nr = VFIO_DEVICE_ATTACH_IOMMUFD_PT & 0xff;
	} else {
		fuzz_fill(w, buf, size);
		buf[0] = rnd(w, 4) ? size : fuzz_value(w);
		/* Half of the time no flags, else nothing gets far */
		if (rnd(w, 2))
			buf[1] = 0;
		/* Not a matter of MSIs: a negative offset crashes 6.12 */
		if (nr == (VFIO_DEVICE_IOEVENTFD & 0xff))
			return;
	}
	count_op(ioctl(dev->fd, _IO(VFIO_TYPE, nr), buf));
}

static void test_fuzz(unsigned int secs, unsigned int seed)
{
	__u64 end = edu_now_ms() + 1000ULL * secs;
	static struct memory before;
	struct edu_dev dev;
	struct worker w;
	int first_fd;
	int iommufd;
	int bad = 0;
	int round;
	int i;

	if (!num_funcs) {
		ksft_test_result_skip("fuzz: no edu device (1234:11e8)\n");
		return;
	}
	read_memory(&before);
	worker_init(&w, seed);
	num_ops = 0;
	num_failed = 0;
	for (round = 0; !bad && edu_now_ms() < end; round++) {
		iommufd = open_fd();
		first_fd = iommufd;
		bad = edu_open_bind(&dev, &funcs[rnd(&w, num_funcs)], iommufd);
		if (!bad) {
			bad += check_sizes(iommufd);
			bad += check_device_sizes(&dev);
		}
		for (i = 0; i != 20000 && !bad && edu_now_ms() < end; i++) {
			if (rnd(&w, 2)) {
				fault_arm_nth(&w);
				fuzz_iommufd(&w, iommufd);
			} else {
				fault_arm_iommufd(&w);
				fuzz_device(&w, &dev);
			}
			fault_disarm(&w);
		}
		edu_close(&dev);
		close(iommufd);
		/* Some ioctls made more of them */
		for (i = first_fd; i != sysconf(_SC_OPEN_MAX); i++)
			close(i);
	}
	worker_done(&w);
	ksft_print_msg("fuzz: %lu calls, %lu of them failed\n", num_ops,
		       num_failed);
	bad |= check_devices();
	bad |= !memory_is_back(&before);
	ksft_test_result(!bad, "fuzz\n");
}

int main(int argc, char **argv)
{
	unsigned int secs = 60;
	unsigned int seed = 1;
	const char *only = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "d:s:nt:")) != -1) {
		switch (opt) {
		case 'd':
			secs = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			use_faults = false;
			break;
		case 't':
			only = optarg;
			break;
		default:
			fprintf(stderr,
				"Usage: %s [-d seconds] [-s seed] [-n] [-t stress|fuzz]\n",
				argv[0]);
			return KSFT_FAIL;
		}
	}

	ksft_print_header();
	ksft_set_plan(only ? 1 : 2);

	page_size = sysconf(_SC_PAGESIZE);
	arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (arena == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	use_faults = use_faults && faults_enable();
	num_funcs = edu_claim(funcs, EDU_MAX_FUNCS);
	ksft_print_msg("seed %u, %u s, %d devices, failing allocations: %s\n",
		       seed, secs, num_funcs, use_faults ? "yes" : "no");

	if (!only || !strcmp(only, "stress"))
		test_stress(secs, seed);
	if (!only || !strcmp(only, "fuzz"))
		test_fuzz(secs / 3 + 1, seed);
	if (use_faults)
		faults_disable();
	ksft_finished();
}
