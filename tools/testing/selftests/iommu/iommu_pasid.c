// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lifetime of PASIDs: processes, a driver, and mock devices that send DMA
 *
 * A device sends DMA with a PASID whenever the test says so, also when nobody has
 * that PASID any more: as if work had been left in one of its queues. It must
 * reach the memory of the one who has the PASID now, or none.
 *
 * The IOMMU of the mock devices looks at every PASID that is attached for itself,
 * see drivers/iommu/iommu-pasid-mock.c. Each test ends with the question what it
 * has seen.
 *
 * Needs root, CONFIG_IOMMU_PASID_MOCK, CONFIG_IOMMU_DEBUGFS. On x86 Linux 6.12
 * shares no address spaces with devices; there a driver's PASIDs are tested.
 *
 * In the environment: PASID_BITS=20 lets exhaustion take all the numbers there are,
 * and not those of a device with 16 bits; PASID_STORM is how many processes the
 * storm kills.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "iommu_pasid.h"

/* The longest that the end of a process may take, whatever devices do */
#define EXIT_MS 2000
/* Long enough that nothing expires during a test */
#define LONG_GRACE_MS 60000
#define MAX_CHILDREN 24

FIXTURE(iommu_pasid)
{
	bool sva;
	int violations;
	struct pasid_counts before;
	struct pasid_counts counts;
	struct child children[MAX_CHILDREN];
	/* How a queue gets a PASID: of the process, or else of the driver */
	const char *get;
};

/* In a process that ends, so that its PASID is not in the way */
static bool have_sva(void)
{
	struct child child;
	int rc;

	if (child_start(&child))
		return false;
	rc = child_bind(&child, WIDE0);
	child_end(&child, 0);
	return rc != -EOPNOTSUPP;
}

FIXTURE_SETUP(iommu_pasid)
{
	if (access(PASID_MOCK, F_OK))
		SKIP(return, "no CONFIG_IOMMU_PASID_MOCK");
	if (read_counts(&self->counts))
		SKIP(return, "no " PASID_LIST);
	/* What other tests have left comes to its end */
	ASSERT_EQ(0, set_grace_ms(0));
	ASSERT_EQ(0, mocks_create());
	self->sva = have_sva();
	self->get = self->sva ? "bind" : "alloc";
	ASSERT_TRUE(wait_counts(&self->before, 0, 0, 0));
	/* New devices, of which the IOMMU remembers nothing */
	ASSERT_EQ(0, mocks_create());
	ASSERT_EQ(0, set_grace_ms(LONG_GRACE_MS));
	self->violations = mock_violations();
	ASSERT_LE(0, self->violations);
}

FIXTURE_TEARDOWN(iommu_pasid)
{
	unsigned int i;

	for (i = 0; i != MAX_CHILDREN; i++)
		if (self->children[i].pid)
			kill(self->children[i].pid, SIGKILL);
	mock_set_stall(false);
	mocks_remove();
	set_grace_ms(1000);
	EXPECT_EQ(self->violations, mock_violations());
}

#define NO_SVA "no shared address spaces on x86"

/* So many more than before are live, and rest */
#define ASSERT_COUNTS(mms, drivers, rest)                                 \
	ASSERT_TRUE(wait_counts(&self->counts, self->before.live_mm + (mms), \
				self->before.live_driver + (drivers),     \
				self->before.resting + (rest)))

#define start(i) ASSERT_EQ(0, child_start(&self->children[i]))
#define end(i, sig) ASSERT_EQ(0, child_end(&self->children[i], sig))
#define bind(i, mock)                                      \
	({                                                 \
		int __pasid = child_bind(&self->children[i], mock); \
							   \
		ASSERT_LT(0, __pasid);                     \
		__pasid;                                   \
	})
#define child(i, mock, cmd) child_do(&self->children[i], mock, cmd)
#define value(i)                                                     \
	({                                                           \
		uint64_t __value;                                    \
								     \
		ASSERT_EQ(0, child_value(&self->children[i], &__value)); \
		__value;                                             \
	})
#define dma(mock, pasid, number) \
	mock_dma(mock_names[mock], pasid, &child_target, number)

/* One address space, one PASID, on all devices that can take it */
TEST_F_TIMEOUT(iommu_pasid, same_pasid, 120)
{
	int pasid;

	if (!self->sva)
		SKIP(return, NO_SVA);
	start(0);
	child_target = 1;
	pasid = bind(0, NARROW);
	EXPECT_GT(NARROW_LIMIT, pasid);
	EXPECT_EQ(pasid, bind(0, WIDE0));
	EXPECT_EQ(pasid, bind(0, WIDE1));

	EXPECT_EQ(0, dma(WIDE0, pasid, 10));
	EXPECT_EQ(10, value(0));
	EXPECT_EQ(0, dma(NARROW, pasid, 11));
	EXPECT_EQ(11, value(0));
	/* The same address here is other memory */
	EXPECT_EQ(1, child_target);

	/* Each device for itself */
	ASSERT_EQ(0, child(0, WIDE0, "unbind"));
	EXPECT_EQ(-EFAULT, dma(WIDE0, pasid, 12));
	EXPECT_EQ(0, dma(WIDE1, pasid, 13));
	EXPECT_EQ(13, value(0));
	EXPECT_EQ(pasid, bind(0, WIDE0));
	EXPECT_EQ(0, dma(WIDE0, pasid, 14));
	EXPECT_EQ(14, value(0));

	/* No other PASID leads anywhere */
	EXPECT_EQ(-EFAULT, dma(WIDE0, pasid + 1, 15));
	EXPECT_EQ(14, value(0));
}

/* Two queues of a device have the binding together */
TEST_F_TIMEOUT(iommu_pasid, two_queues, 120)
{
	int a, b, pasid;

	if (!self->sva)
		SKIP(return, NO_SVA);
	child_target = 1;
	a = queue_open(mock_names[WIDE0]);
	b = queue_open(mock_names[WIDE0]);
	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_EQ(0, queue_do(a, "bind"));
	ASSERT_EQ(-EBUSY, queue_do(a, "bind"));
	ASSERT_EQ(0, queue_do(b, "bind"));
	pasid = queue_pasid(a);
	ASSERT_LT(0, pasid);
	EXPECT_EQ(pasid, queue_pasid(b));
	close(a);
	EXPECT_EQ(0, dma(WIDE0, pasid, 2));
	EXPECT_EQ(2, child_target);
	close(b);
	EXPECT_EQ(-EFAULT, dma(WIDE0, pasid, 3));
	EXPECT_EQ(2, child_target);
}

/* Small numbers are there for those who can take no others */
TEST_F_TIMEOUT(iommu_pasid, few_bits, 120)
{
	int pasids[NARROW_LIMIT + 2];
	unsigned int i, large = 0;

	if (!self->sva)
		SKIP(return, NO_SVA);
	/* They come with a wide device, and take what the narrow one can spare */
	for (i = 0; i != NARROW_LIMIT; i++) {
		start(i);
		pasids[i] = bind(i, WIDE0);
		if (pasids[i] >= NARROW_LIMIT) {
			large++;
			EXPECT_EQ(-EOVERFLOW, child(i, NARROW, "bind"));
		} else {
			EXPECT_EQ(pasids[i], bind(i, NARROW));
		}
	}
	EXPECT_LE(NARROW_LIMIT / 2, large);

	/* Who comes with the narrow one gets one of the rest */
	start(i);
	pasids[i] = bind(i, NARROW);
	EXPECT_LE(NARROW_LIMIT / 2, pasids[i]);
	EXPECT_GT(NARROW_LIMIT, pasids[i]);
	EXPECT_EQ(pasids[i], bind(i, WIDE1));
}

struct binder {
	pthread_barrier_t *both;
	int queue;
	int rc;
};

static void *bind_at_once(void *arg)
{
	struct binder *binder = arg;

	pthread_barrier_wait(binder->both);
	binder->rc = queue_do(binder->queue, "bind");
	return NULL;
}

/* In a new process: two threads bind, each with a queue; never returns */
static void bind_twice(void)
{
	struct binder binders[2] = {};
	pthread_barrier_t both;
	pthread_t thread;
	unsigned int i;

	pthread_barrier_init(&both, NULL, 2);
	for (i = 0; i != 2; i++) {
		binders[i].both = &both;
		binders[i].queue = queue_open(mock_names[NARROW]);
	}
	if (pthread_create(&thread, NULL, bind_at_once, &binders[1]))
		_exit(2);
	bind_at_once(&binders[0]);
	pthread_join(thread, NULL);
	_exit(binders[0].rc || binders[1].rc);
}

/* One number is enough for all threads of a process, also if it is the last */
TEST_F_TIMEOUT(iommu_pasid, last_for_threads, 120)
{
	int queue, status;
	unsigned int i;
	pid_t pid;

	if (!self->sva)
		SKIP(return, NO_SVA);
	ASSERT_EQ(0, set_grace_ms(0));
	for (i = 0; i != NARROW_LIMIT - 2; i++) {
		queue = queue_open(mock_names[NARROW]);
		ASSERT_LE(0, queue);
		ASSERT_EQ(0, queue_do(queue, "alloc"));
	}
	for (i = 0; i != 50; i++) {
		ASSERT_COUNTS(0, NARROW_LIMIT - 2, 0);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			bind_twice();
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
	}
}

/* A child does not inherit the PASID, but may keep the queue */
TEST_F_TIMEOUT(iommu_pasid, fork, 120)
{
	int queue, pasid;

	if (!self->sva)
		SKIP(return, NO_SVA);
	child_target = 1;
	queue = queue_open(mock_names[WIDE0]);
	ASSERT_LE(0, queue);
	ASSERT_EQ(0, queue_do(queue, "bind"));
	pasid = queue_pasid(queue);
	start(0);
	ASSERT_NE(pasid, bind(0, WIDE0));

	EXPECT_EQ(0, dma(WIDE0, pasid, 2));
	EXPECT_EQ(2, child_target);
	EXPECT_EQ(0, value(0));

	/* The child has it open, so the device still has this address space */
	close(queue);
	EXPECT_EQ(0, dma(WIDE0, pasid, 3));
	EXPECT_EQ(3, child_target);
	end(0, SIGKILL);
	EXPECT_EQ(-EFAULT, dma(WIDE0, pasid, 4));
	EXPECT_EQ(3, child_target);
}

/* The old address space is gone, though the queue stays open */
TEST_F_TIMEOUT(iommu_pasid, exec, 120)
{
	int pasid, next;

	if (!self->sva)
		SKIP(return, NO_SVA);
	start(0);
	pasid = bind(0, WIDE0);
	EXPECT_EQ(0, dma(WIDE0, pasid, 2));
	ASSERT_EQ(0, child_exec(&self->children[0]));
	EXPECT_EQ(-EFAULT, dma(WIDE0, pasid, 3));
	EXPECT_EQ(0, value(0));

	/* The new one has another PASID, as the first is not even released */
	next = bind(0, WIDE0);
	EXPECT_NE(pasid, next);
	EXPECT_EQ(-EFAULT, dma(WIDE0, pasid, 4));
	ASSERT_COUNTS(2, 0, 0);
	end(0, 0);
	ASSERT_COUNTS(0, 0, 2);
	EXPECT_EQ(-EFAULT, dma(WIDE0, pasid, 5));
	EXPECT_EQ(-EFAULT, dma(WIDE0, next, 5));
}

/* From the end of the process until all its devices have drained it */
static void test_end(struct __test_metadata *_metadata,
		     FIXTURE_DATA(iommu_pasid) * self, int sig)
{
	unsigned int i;
	int pasid;

	start(0);
	pasid = bind(0, WIDE0);
	EXPECT_EQ(pasid, bind(0, WIDE1));
	EXPECT_EQ(0, dma(WIDE0, pasid, 2));
	end(0, sig);
	EXPECT_EQ(-EFAULT, dma(WIDE0, pasid, 3));
	EXPECT_EQ(-EFAULT, dma(WIDE1, pasid, 3));
	ASSERT_COUNTS(0, 0, 1);

	/* Nobody gets it meanwhile */
	for (i = 1; i != 5; i++) {
		start(i);
		EXPECT_NE(pasid, bind(i, WIDE0));
		EXPECT_EQ(-EFAULT, dma(WIDE0, pasid, 4));
		EXPECT_EQ(0, value(i));
	}
	/* One device is not enough */
	ASSERT_EQ(0, mock_drained(mock_names[WIDE0], pasid));
	start(5);
	EXPECT_NE(pasid, bind(5, WIDE0));
	ASSERT_EQ(0, mock_drained(mock_names[WIDE1], pasid));
	ASSERT_COUNTS(5, 0, 0);
	EXPECT_EQ(self->before.drained + 1, self->counts.drained);

	start(6);
	EXPECT_EQ(pasid, bind(6, WIDE0));
	EXPECT_EQ(0, dma(WIDE0, pasid, 5));
	EXPECT_EQ(5, value(6));
	/* It was not for the other device */
	EXPECT_EQ(-EFAULT, dma(WIDE1, pasid, 6));
}

TEST_F_TIMEOUT(iommu_pasid, exit, 120)
{
	if (!self->sva)
		SKIP(return, NO_SVA);
	test_end(_metadata, self, 0);
}

TEST_F_TIMEOUT(iommu_pasid, kill, 120)
{
	if (!self->sva)
		SKIP(return, NO_SVA);
	test_end(_metadata, self, SIGKILL);
}

/* Who drains the queue before does not have to rest */
TEST_F_TIMEOUT(iommu_pasid, drained_before, 120)
{
	int pasid;

	if (!self->sva)
		SKIP(return, NO_SVA);
	start(0);
	pasid = bind(0, WIDE0);
	/* Not while it is attached */
	EXPECT_EQ(-EBUSY, mock_drained(mock_names[WIDE0], pasid));
	ASSERT_EQ(0, child(0, WIDE0, "drain"));
	EXPECT_EQ(-EFAULT, dma(WIDE0, pasid, 2));
	end(0, 0);
	ASSERT_COUNTS(0, 0, 0);
	EXPECT_EQ(self->before.unused + 1, self->counts.unused);
}

/* Not before the grace period is over, and not much later */
TEST_F_TIMEOUT(iommu_pasid, grace, 120)
{
	unsigned long begin, ms;
	const unsigned int grace = 400;
	int pasid, next;

	if (!self->sva)
		SKIP(return, NO_SVA);
	ASSERT_EQ(0, set_grace_ms(grace));
	start(0);
	pasid = bind(0, WIDE0);
	begin = now_ms();
	end(0, SIGKILL);
	do {
		/* Others that were short-lived leave no gap below it */
		start(1);
		next = bind(1, WIDE0);
		ms = now_ms() - begin;
		ASSERT_EQ(0, child(1, WIDE0, "drain"));
		end(1, 0);
	} while (next != pasid && ms < 20000);
	EXPECT_EQ(pasid, next);
	EXPECT_LE(grace, ms);
	ASSERT_COUNTS(0, 0, 0);

	/* A change holds for those that rest already */
	ASSERT_EQ(0, set_grace_ms(LONG_GRACE_MS));
	start(0);
	bind(0, WIDE0);
	end(0, SIGKILL);
	ASSERT_COUNTS(0, 0, 1);
	ASSERT_EQ(0, set_grace_ms(grace));
	ASSERT_COUNTS(0, 0, 0);
}

/* What a driver has for itself */
TEST_F_TIMEOUT(iommu_pasid, driver, 120)
{
	int a, b, pasid;
	uint64_t number;

	a = queue_open(mock_names[WIDE0]);
	b = queue_open(mock_names[WIDE0]);
	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_EQ(0, queue_do(a, "alloc"));
	pasid = queue_pasid(a);
	ASSERT_LT(0, pasid);
	EXPECT_EQ(0, mock_dma(mock_names[WIDE0], pasid, NULL, 2));
	ASSERT_EQ(0, queue_number(a, &number));
	EXPECT_EQ(2, number);
	ASSERT_COUNTS(0, 1, 0);

	ASSERT_EQ(0, queue_do(a, "unbind"));
	EXPECT_EQ(-ENOENT, queue_pasid(a));
	ASSERT_COUNTS(0, 0, 1);
	ASSERT_EQ(0, queue_do(b, "alloc"));
	EXPECT_NE(pasid, queue_pasid(b));
	EXPECT_EQ(-EFAULT, mock_dma(mock_names[WIDE0], pasid, NULL, 3));
	ASSERT_EQ(0, queue_number(b, &number));
	EXPECT_EQ(0, number);

	ASSERT_EQ(0, mock_drained(mock_names[WIDE0], pasid));
	ASSERT_EQ(0, queue_do(a, "alloc"));
	EXPECT_EQ(pasid, queue_pasid(a));
	ASSERT_EQ(0, queue_do(a, "drain"));
	close(a);
	close(b);
	ASSERT_COUNTS(0, 0, 1);
}

/*
 * So many numbers of the narrow device rest. Returns the PASIDs in the order in
 * which they were released.
 */
static void fill_narrow(struct __test_metadata *_metadata,
			FIXTURE_DATA(iommu_pasid) * self, unsigned int num,
			int *pasids)
{
	int queues[NARROW_LIMIT - 1];
	unsigned int i;

	for (i = 0; i != num; i++) {
		queues[i] = queue_open(mock_names[NARROW]);
		ASSERT_LE(0, queues[i]);
		ASSERT_EQ(0, queue_do(queues[i], "alloc"));
		pasids[i] = queue_pasid(queues[i]);
		ASSERT_LT(0, pasids[i]);
	}
	for (i = 0; i != num; i++)
		close(queues[i]);
	ASSERT_COUNTS(0, 0, num);
}

/* The one that has rested longest is drained for the next */
TEST_F_TIMEOUT(iommu_pasid, reclaim, 120)
{
	int pasids[NARROW_LIMIT - 1];
	int queue, pasid, i;

	fill_narrow(_metadata, self, NARROW_LIMIT - 1, pasids);
	queue = queue_open(mock_names[NARROW]);
	ASSERT_LE(0, queue);
	/* Nobody can be asked: it rests, rather than that it is broken */
	EXPECT_EQ(-ENOSPC, queue_do(queue, "alloc"));
	EXPECT_EQ(-ENOSPC, self->sva ? queue_do(queue, "bind") : -ENOSPC);
	ASSERT_EQ(0, mock_set_drain(mock_names[NARROW], "fail"));
	EXPECT_EQ(-ENOSPC, queue_do(queue, "alloc"));
	EXPECT_EQ(NARROW_LIMIT - 1, mock_read_drain(mock_names[NARROW], &pasid));

	ASSERT_EQ(0, mock_set_drain(mock_names[NARROW], "ok"));
	for (i = 0; i != 3; i++) {
		ASSERT_EQ(0, queue_do(queue, "alloc"));
		EXPECT_EQ(pasids[i], queue_pasid(queue));
		EXPECT_EQ(NARROW_LIMIT + i,
			  mock_read_drain(mock_names[NARROW], &pasid));
		EXPECT_EQ(pasids[i], pasid);
		EXPECT_EQ(0, queue_do(queue, "unbind"));
	}
	ASSERT_COUNTS(0, 0, NARROW_LIMIT - 1);
	EXPECT_EQ(self->before.reclaimed + 3, self->counts.reclaimed);
	close(queue);
}

static bool in_time(unsigned long begin, const char *what)
{
	unsigned long ms = now_ms() - begin;

	printf("# %s took %lu ms\n", what, ms);
	return ms < EXIT_MS;
}

/*
 * A driver that does not come back from its callback: nobody else waits for it,
 * neither who ends, nor, longer than the deadline, who wants a PASID
 */
TEST_F_TIMEOUT(iommu_pasid, hang, 120)
{
	int pasids[NARROW_LIMIT - 1];
	unsigned long begin;
	int pasid;

	/* The first three have one, or wait to have one */
	start(0);
	start(1);
	start(2);
	fill_narrow(_metadata, self, NARROW_LIMIT - 2, pasids);
	ASSERT_LE(0, child(0, NARROW, self->get));
	ASSERT_EQ(0, mock_set_drain(mock_names[NARROW], "hang"));

	begin = now_ms();
	EXPECT_EQ(-ENOSPC, child(1, NARROW, self->get));
	EXPECT_TRUE(in_time(begin, "no PASID"));
	EXPECT_EQ(1, mock_read_drain(mock_names[NARROW], &pasid));
	EXPECT_EQ(pasids[0], pasid);
	/* It has not returned, and is not asked for more */
	EXPECT_EQ(-ENOSPC, child(1, NARROW, self->get));
	EXPECT_EQ(1, mock_read_drain(mock_names[NARROW], &pasid));

	begin = now_ms();
	end(1, SIGKILL);
	EXPECT_TRUE(in_time(begin, "the end of who has none"));
	begin = now_ms();
	end(0, SIGKILL);
	EXPECT_TRUE(in_time(begin, "the end of who has one"));
	ASSERT_COUNTS(0, 0, NARROW_LIMIT - 1);

	/* Late, but it does count */
	ASSERT_EQ(0, mock_set_drain(mock_names[NARROW], "ok"));
	ASSERT_COUNTS(0, 0, NARROW_LIMIT - 2);
	ASSERT_LE(0, child(2, NARROW, self->get));
}

/* Somebody is killed while the driver is asked on his behalf */
TEST_F_TIMEOUT(iommu_pasid, hang_kill, 120)
{
	int pasids[NARROW_LIMIT - 1];
	struct child *child = &self->children[0];
	unsigned long begin;
	unsigned int i;

	fill_narrow(_metadata, self, NARROW_LIMIT - 1, pasids);
	for (i = 0; i != 10; i++) {
		ASSERT_EQ(0, mock_set_drain(mock_names[NARROW], "hang"));
		child->pid = fork();
		ASSERT_LE(0, child->pid);
		if (!child->pid) {
			int fd = queue_open(mock_names[NARROW]);

			for (;;)
				queue_do(fd, self->get);
		}
		child->fd = -1;
		usleep(1000 * (i * 20));
		begin = now_ms();
		end(0, SIGKILL);
		EXPECT_TRUE(in_time(begin, "the end"));
		ASSERT_EQ(0, mock_set_drain(mock_names[NARROW], "none"));
	}
	ASSERT_COUNTS(0, 0, NARROW_LIMIT - 1);
}

/* What a device has sent is answered when its PASID is taken away */
TEST_F_TIMEOUT(iommu_pasid, page_requests, 120)
{
	struct mock_requests before, after;
	unsigned int i;
	int queue, pasid;
	char *page;

	if (!self->sva)
		SKIP(return, NO_SVA);
	queue = queue_open(mock_names[WIDE0]);
	ASSERT_LE(0, queue);
	page = malloc(256 * 4096);
	ASSERT_NE(NULL, page);
	for (i = 0; i != 200; i++) {
		ASSERT_EQ(0, queue_do(queue, "bind"));
		pasid = queue_pasid(queue);
		ASSERT_EQ(0, mock_read_requests(mock_names[WIDE0], &before));
		ASSERT_EQ(0, mock_request(mock_names[WIDE0], pasid,
					  page + i * 4096, 16));
		ASSERT_EQ(0, queue_do(queue, "unbind"));
		ASSERT_EQ(0, mock_read_requests(mock_names[WIDE0], &after));
		ASSERT_EQ(before.sent + 16, after.sent);
		ASSERT_EQ(after.sent, after.answered);
		/* Refused, as nobody has it */
		ASSERT_EQ(0, mock_request(mock_names[WIDE0], pasid, page, 1));
		ASSERT_EQ(0, mock_read_requests(mock_names[WIDE0], &before));
		ASSERT_EQ(before.sent, before.answered);
		ASSERT_EQ(after.successful, before.successful);
	}
	ASSERT_LT(0, after.successful);
	free(page);
	close(queue);
}

static bool stop;

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

static void set_stop(bool value)
{
	__atomic_store_n(&stop, value, __ATOMIC_RELEASE);
}

struct requester {
	int pasid;
	int rc;
};

static void *send_requests(void *arg)
{
	struct requester *requester = arg;

	while (!stopped() && !requester->rc)
		requester->rc = mock_request(mock_names[WIDE0],
					     requester->pasid, &child_target,
					     8);
	return NULL;
}

/* And if it goes on to send them meanwhile */
TEST_F_TIMEOUT(iommu_pasid, page_requests_race, 120)
{
	struct requester requester = {};
	struct mock_requests requests;
	pthread_t thread;
	unsigned int i;
	int queue;

	if (!self->sva)
		SKIP(return, NO_SVA);
	queue = queue_open(mock_names[WIDE0]);
	ASSERT_LE(0, queue);
	ASSERT_EQ(0, queue_do(queue, "bind"));
	requester.pasid = queue_pasid(queue);
	set_stop(false);
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_requests, &requester));
	for (i = 0; i != 500; i++) {
		EXPECT_EQ(0, queue_do(queue, "unbind"));
		EXPECT_EQ(0, queue_do(queue, "bind"));
	}
	set_stop(true);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, requester.rc);
	EXPECT_EQ(0, queue_do(queue, "unbind"));
	ASSERT_EQ(0, mock_read_requests(mock_names[WIDE0], &requests));
	EXPECT_EQ(requests.sent, requests.answered);
	close(queue);
}

/*
 * A page that a device has asked for does not come, as its file system is slow. That
 * is no matter of other processes, not even of the one whose page it is when it
 * unbinds or ends.
 */
TEST_F_TIMEOUT(iommu_pasid, page_requests_stall, 120)
{
	struct mock_requests before, after;
	unsigned long begin;
	int pasid;
	char *page;

	if (!self->sva)
		SKIP(return, NO_SVA);
	page = mock_stall_map(getpagesize());
	ASSERT_NE(NULL, page);
	ASSERT_EQ(0, mock_set_stall(true));
	start(0);
	start(1);
	ASSERT_EQ(0, mock_read_requests(mock_names[WIDE0], &before));
	pasid = bind(0, WIDE0);
	ASSERT_EQ(0, mock_request(mock_names[WIDE0], pasid, page, 4));
	/* Long enough for the handlers to get there */
	usleep(200000);
	ASSERT_EQ(0, mock_read_requests(mock_names[WIDE0], &after));
	ASSERT_EQ(before.answered, after.answered);

	begin = now_ms();
	bind(1, WIDE0);
	ASSERT_LE(0, child(1, WIDE0, "unbind"));
	EXPECT_TRUE(in_time(begin, "another process"));

	begin = now_ms();
	ASSERT_LE(0, child(0, WIDE0, "unbind"));
	EXPECT_TRUE(in_time(begin, "unbind"));
	ASSERT_EQ(0, mock_read_requests(mock_names[WIDE0], &after));
	EXPECT_EQ(before.answered + 4, after.answered);
	EXPECT_EQ(before.successful, after.successful);

	ASSERT_EQ(pasid, bind(0, WIDE0));
	ASSERT_EQ(0, mock_request(mock_names[WIDE0], pasid, page, 4));
	usleep(200000);
	begin = now_ms();
	end(1, 0);
	end(0, SIGKILL);
	EXPECT_TRUE(in_time(begin, "the end"));
	ASSERT_EQ(0, mock_read_requests(mock_names[WIDE0], &after));
	EXPECT_EQ(before.answered + 8, after.answered);
	EXPECT_EQ(before.successful, after.successful);

	/* The handlers hold the memory of the process, and so its PASID */
	ASSERT_COUNTS(1, 0, 1);
	ASSERT_EQ(0, mock_set_stall(false));
	ASSERT_COUNTS(0, 0, 2);
	ASSERT_EQ(0, mock_read_requests(mock_names[WIDE0], &after));
	EXPECT_EQ(before.answered + 8, after.answered);
	munmap(page, getpagesize());
}

/* A device that is gone has nothing in its queues */
TEST_F_TIMEOUT(iommu_pasid, unplugged, 120)
{
	int queue, pasid;

	start(0);
	queue = queue_open(mock_names[WIDE0]);
	ASSERT_LE(0, queue);
	ASSERT_EQ(0, queue_do(queue, "alloc"));
	pasid = queue_pasid(queue);
	ASSERT_LE(0, child(0, WIDE0, self->get));
	ASSERT_EQ(0, mock_remove(mock_names[WIDE0]));
	EXPECT_EQ(-EIO, child(0, WIDE0, self->get));
	ASSERT_COUNTS(self->sva, 0, 0);
	end(0, SIGKILL);
	ASSERT_COUNTS(0, 0, 0);
	close(queue);

	/* It is another one when it comes again */
	ASSERT_EQ(0, mock_create(mock_names[WIDE0], 20));
	queue = queue_open(mock_names[WIDE0]);
	ASSERT_LE(0, queue);
	ASSERT_EQ(0, queue_do(queue, "alloc"));
	EXPECT_EQ(pasid, queue_pasid(queue));
	close(queue);
}

static int write_driver(const char *file, const char *name)
{
	char path[96];
	int fd, rc;

	snprintf(path, sizeof(path),
		 "/sys/bus/iommu_pasid_mock/drivers/iommu_pasid_mock/%s", file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	rc = write(fd, name, strlen(name)) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* A driver that leaves, as when its module is unloaded, while PASIDs are live */
TEST_F_TIMEOUT(iommu_pasid, driver_leaves, 120)
{
	int pasids[NARROW_LIMIT - 1];
	unsigned long begin;
	int queue;

	start(0);
	fill_narrow(_metadata, self, NARROW_LIMIT - 2, pasids);
	ASSERT_LE(0, child(0, NARROW, self->get));
	ASSERT_EQ(0, mock_set_drain(mock_names[NARROW], "hang"));
	queue = queue_open(mock_names[NARROW]);
	ASSERT_LE(0, queue);
	/* Its callback runs when it leaves */
	EXPECT_EQ(-ENOSPC, queue_do(queue, "alloc"));
	begin = now_ms();
	ASSERT_EQ(0, write_driver("unbind", mock_names[NARROW]));
	EXPECT_TRUE(in_time(begin, "remove"));
	EXPECT_EQ(-EIO, queue_do(queue, "alloc"));
	EXPECT_EQ(-EIO, child(0, NARROW, self->get));
	close(queue);
	end(0, 0);

	/* The device is still there, with what it may have in its queues */
	ASSERT_COUNTS(0, 0, NARROW_LIMIT - 1);
	ASSERT_EQ(0, write_driver("bind", mock_names[NARROW]));
	queue = queue_open(mock_names[NARROW]);
	ASSERT_LE(0, queue);
	EXPECT_EQ(-ENOSPC, queue_do(queue, "alloc"));
	close(queue);
}

static unsigned int setting(const char *name, unsigned int value)
{
	const char *text = getenv(name);

	return text ? atoi(text) : value;
}

/* Each number there is for a device, and one more for another one */
TEST_F_TIMEOUT(iommu_pasid, exhaustion, 600)
{
	const unsigned int bits = setting("PASID_BITS", 16);
	const unsigned long num = (1UL << bits) - 1;
	unsigned long begin = now_ms();
	int full, queue, i;
	char cmd[32];

	for (i = WIDE0; i <= WIDE1; i++) {
		ASSERT_EQ(0, mock_remove(mock_names[i]));
		ASSERT_EQ(0, mock_create(mock_names[i], bits));
	}
	full = queue_open(mock_names[WIDE0]);
	queue = queue_open(mock_names[WIDE1]);
	ASSERT_LE(0, full);
	ASSERT_LE(0, queue);
	snprintf(cmd, sizeof(cmd), "fill %lu", num + 1);
	EXPECT_EQ(-ENOSPC, queue_do(full, cmd));
	ASSERT_EQ(0, read_counts(&self->counts));
	EXPECT_EQ(num, self->counts.live_mm + self->counts.live_driver);
	printf("# %lu ms to allocate all\n", now_ms() - begin);
	begin = now_ms();
	EXPECT_EQ(-ENOSPC, queue_do(queue, "alloc"));
	EXPECT_TRUE(in_time(begin, "to find none"));
	close(full);
	ASSERT_COUNTS(0, 0, 0);
	EXPECT_EQ(self->before.exhausted + 2, self->counts.exhausted);
	EXPECT_EQ(self->before.unused + num, self->counts.unused);
	EXPECT_EQ(0, queue_do(queue, "alloc"));
	close(queue);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Many address spaces at once, and the end of them all */
TEST_F_TIMEOUT(iommu_pasid, processes, 600)
{
	struct rlimit limit = { 4096, 4096 };
	const unsigned int num = 1000;
	unsigned long begin = now_ms();
	struct child *children;
	int *pasids, *sorted;
	unsigned int i;
	uint64_t value;

	if (!self->sva)
		SKIP(return, NO_SVA);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	children = calloc(num, sizeof(*children));
	pasids = calloc(num, sizeof(*pasids));
	sorted = calloc(num, sizeof(*sorted));
	ASSERT_TRUE(children && pasids && sorted);
	for (i = 0; i != num; i++) {
		ASSERT_EQ(0, child_start(&children[i]));
		pasids[i] = child_bind(&children[i], WIDE0);
		ASSERT_LT(0, pasids[i]);
		if (i % 2)
			ASSERT_EQ(pasids[i], child_bind(&children[i], WIDE1));
	}
	printf("# %lu ms to start %u processes\n", now_ms() - begin, num);
	memcpy(sorted, pasids, num * sizeof(*pasids));
	qsort(sorted, num, sizeof(*sorted), compare_ints);
	for (i = 1; i != num; i++)
		ASSERT_NE(sorted[i - 1], sorted[i]);
	ASSERT_COUNTS(num, 0, 0);
	EXPECT_EQ(num, check_list());

	for (i = 0; i != num; i++)
		ASSERT_EQ(0, dma(i % 2 ? WIDE1 : WIDE0, pasids[i], i + 1));
	for (i = 0; i != num; i++) {
		ASSERT_EQ(0, child_value(&children[i], &value));
		ASSERT_EQ(i + 1, value);
	}

	begin = now_ms();
	for (i = 0; i != num; i++)
		kill(children[i].pid, SIGKILL);
	for (i = 0; i != num; i++)
		ASSERT_EQ(0, child_end(&children[i], SIGKILL));
	printf("# %lu ms to end them\n", now_ms() - begin);
	for (i = 0; i != num; i++)
		ASSERT_EQ(-EFAULT, dma(WIDE0, pasids[i], 1));
	ASSERT_COUNTS(0, 0, num);
	EXPECT_EQ(num, check_list());
	ASSERT_EQ(0, set_grace_ms(0));
	ASSERT_COUNTS(0, 0, 0);
	EXPECT_EQ(0, check_list());
}

/* More than there are CPUs; with many more all of them wait */
#define NUM_STORMERS 4

/* Binds and unbinds without end, forks, and starts itself again */
static int storm(unsigned int seed)
{
	static const char *const cmds[] = { "bind", "bind", "unbind", "drain",
					    "alloc" };
	int queues[NUM_MOCKS] = { -1, -1, -1 };
	char arg[16];

	for (;;) {
		unsigned int mock = rand_r(&seed) % NUM_MOCKS;

		if (queues[mock] < 0)
			queues[mock] = queue_open(mock_names[mock]);
		queue_do(queues[mock],
			 cmds[rand_r(&seed) % ARRAY_SIZE(cmds)]);
		switch (rand_r(&seed) % 64) {
		case 0 ... 3:
			close(queues[mock]);
			queues[mock] = -1;
			break;
		case 4:
			if (!fork())
				_exit(0);
			waitpid(-1, NULL, 0);
			break;
		case 5:
			snprintf(arg, sizeof(arg), "%u", rand_r(&seed));
			execl("/proc/self/exe", "iommu_pasid", "--storm", arg,
			      NULL);
			break;
		}
	}
	return 0;
}

static void *read_list(void *arg)
{
	int *rc = arg;

	while (!stopped() && *rc >= 0)
		*rc = check_list();
	return NULL;
}

/* Processes are killed whatever they are doing, and somebody reads debugfs */
TEST_F_TIMEOUT(iommu_pasid, storm, 600)
{
	const unsigned int rounds = setting("PASID_STORM", 300);
	unsigned int i, n, seed = 1;
	pthread_t reader;
	int rc = 0;
	int pid;

	/* Long enough that the narrow device runs out of numbers */
	ASSERT_EQ(0, set_grace_ms(200));
	ASSERT_EQ(0, mock_set_drain(mock_names[WIDE0], "ok"));
	ASSERT_EQ(0, mock_set_drain(mock_names[NARROW], "ok"));
	set_stop(false);
	ASSERT_EQ(0, pthread_create(&reader, NULL, read_list, &rc));
	for (i = 0; i != rounds; i++) {
		struct child *child = &self->children[i % NUM_STORMERS];

		if (child->pid)
			ASSERT_EQ(0, child_end(child, SIGKILL));
		child->pid = fork();
		ASSERT_LE(0, child->pid);
		if (!child->pid)
			_exit(storm(i));
		child->fd = -1;
		/* With any PASID, at any time */
		for (n = 0; n != 4; n++)
			mock_dma(mock_names[rand_r(&seed) % NUM_MOCKS],
				 rand_r(&seed) % 32, &child_target, i);
		usleep(rand_r(&seed) % 20000);
	}
	for (i = 0; i != NUM_STORMERS; i++)
		ASSERT_EQ(0, child_end(&self->children[i], SIGKILL));
	set_stop(true);
	pthread_join(reader, NULL);
	EXPECT_LE(0, rc);
	ASSERT_COUNTS(0, 0, 0);
	printf("# unused %lu drained %lu expired %lu reclaimed %lu exhausted %lu asked %d\n",
	       self->counts.unused - self->before.unused,
	       self->counts.drained - self->before.drained,
	       self->counts.expired - self->before.expired,
	       self->counts.reclaimed - self->before.reclaimed,
	       self->counts.exhausted - self->before.exhausted,
	       mock_read_drain(mock_names[NARROW], &pid));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--child"))
		return child_main(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "--storm"))
		return storm(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
