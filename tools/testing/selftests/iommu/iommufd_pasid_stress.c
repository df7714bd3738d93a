// SPDX-License-Identifier: GPL-2.0-only
/*
 * PASIDs of many fds, threads and processes, which end whenever they do
 *
 *   iommufd_pasid_stress [-d seconds] [-n fds] [-p pasids] [-b bits] [...]
 *
 * -d  how long the storms last at least, 2 seconds each if nothing is said. They go on
 *     until enough has happened, however slow the machine is.
 * -n  fds of many_fds, and
 * -p  the PASIDs that each of them takes: 1,000 of both are nearly all there are
 * -b  exhaustion takes all numbers of so many bits: 20 are all there are
 *
 * The rest is for the harness. Each test ends with no PASID of an fd left. Needs
 * root, the iommufd mock, CONFIG_IOMMU_DEBUGFS; driver_hangs also
 * CONFIG_IOMMU_PASID_MOCK, oom_killed CONFIG_MAGIC_SYSRQ.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "iommufd_pasid_utils.h"

#define PASIDS_PER_FD "iommufd/parameters/pasids_per_fd"
#define PASIDS_PER_USER "iommufd/parameters/pasids_per_user"
#define GRACE_MS "iommu/parameters/pasid_grace_ms"
#define PASID_LIST "/sys/kernel/debug/iommu/pasids"

/* Attached at each fd */
#define NUM_ATTACHED 3
/* The longest that a count may take to become right when all has ended */
#define SETTLE_MS 20000
/* The longest that a process may do nothing at all */
#define STILL_MS 300000

static unsigned int storm_seconds = 2;
static unsigned int num_fds = 40;
static unsigned int fd_pasids = 50;
static unsigned int exhaustion_bits = 11;

/* An fd with a device, two HWPTs, and PASIDs */
struct holder {
	int fd;
	__u32 stdev_id;
	__u32 dev_id;
	__u32 hwpts[2];
	unsigned int num;
};

static unsigned long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000UL + t.tv_nsec / 1000000;
}

/* A line of the list of all PASIDs, -1 if there is none */
static long read_count(const char *name)
{
	char word[32], line[128];
	long value, found = -1;
	FILE *f;

	f = fopen(PASID_LIST, "re");
	if (!f)
		return -1;
	while (found < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "%31s %ld", word, &value) == 2 &&
		    !strcmp(word, name))
			found = value;
	fclose(f);
	return found;
}

static bool wait_count(const char *name, long value)
{
	unsigned long end = now_ms() + SETTLE_MS;

	while (read_count(name) != value) {
		if (now_ms() > end) {
			printf("# %s %ld, not %ld\n", name, read_count(name),
			       value);
			return false;
		}
		usleep(10000);
	}
	return true;
}

static int holder_open(struct holder *h)
{
	struct mock_device_args args = { .flags = MOCK_FLAGS_DEVICE_PASID };
	__u32 ioas_id;
	unsigned int i;

	h->num = 0;
	h->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (h->fd < 0)
		return -1;
	if (_test_cmd_mock_device(h->fd, 0, &args, &h->stdev_id, NULL,
				  &h->dev_id) ||
	    _test_ioctl_ioas_alloc(h->fd, &ioas_id))
		goto err;
	for (i = 0; i != 2; i++)
		if (_test_cmd_hwpt_alloc(h->fd, h->dev_id, ioas_id, 0,
					 IOMMU_HWPT_ALLOC_PASID, &h->hwpts[i],
					 IOMMU_HWPT_DATA_NONE, NULL, 0))
			goto err;
	return 0;
err:
	close(h->fd);
	h->fd = -1;
	return -1;
}

/* A PASID up to @max; with an attach, and some of those with a replace */
static int holder_alloc(struct holder *h, __u32 max, bool attach)
{
	__u32 pasid;

	if (_test_cmd_pasid_alloc(h->fd, 0, h->dev_id, 0, max, &pasid, NULL))
		return -1;
	h->num++;
	if (!attach)
		return 0;
	if (_test_cmd_pasid_attach(h->fd, h->stdev_id, pasid, h->hwpts[0]))
		return -1;
	return h->num % 2 ? 0 :
			    _test_cmd_pasid_attach(h->fd, h->stdev_id, pasid,
						   h->hwpts[1]);
}

static void shuffle(unsigned int *order, unsigned int num)
{
	unsigned int i, n, tmp;

	for (i = 0; i != num; i++)
		order[i] = i;
	for (i = num; i > 1; i--) {
		n = random() % i;
		tmp = order[n];
		order[n] = order[i - 1];
		order[i - 1] = tmp;
	}
}

FIXTURE(pasid_stress)
{
	struct pasid_param grace;
	struct pasid_param per_fd;
	struct pasid_param per_user;
	struct pasid_param share;
};

FIXTURE_SETUP(pasid_stress)
{
	struct rlimit limit = { num_fds + 100, num_fds + 100 };
	struct holder h;

	if (read_count("live_file") < 0)
		SKIP(return, "no " PASID_LIST);
	if (holder_open(&h))
		SKIP(return, "no /dev/iommu with CONFIG_IOMMUFD_TEST");
	close(h.fd);
	ASSERT_EQ(0, pasid_param_set(&self->per_fd, PASIDS_PER_FD, WIDE_LIMIT));
	ASSERT_EQ(0, pasid_param_set(&self->per_user, PASIDS_PER_USER,
				     WIDE_LIMIT));
	ASSERT_EQ(0, pasid_param_set(&self->share, PASID_SHARE, 100));
	/* What others have left comes to its end */
	ASSERT_EQ(0, pasid_param_set(&self->grace, GRACE_MS, 0));
	ASSERT_TRUE(wait_count("live_file", 0));
	ASSERT_TRUE(wait_count("resting", 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
}

FIXTURE_TEARDOWN(pasid_stress)
{
	pasid_param_restore(&self->share);
	pasid_param_restore(&self->per_user);
	pasid_param_restore(&self->per_fd);
	pasid_param_restore(&self->grace);
}

/* A child that goes with the test, also if that fails */
static pid_t fork_child(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (!pid && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
		_exit(1);
	return pid;
}

/* A child that has been told to take PASIDs tells how far it is */
struct report {
	int failed;
	int err;
	unsigned int pasids;
};

static void tell(int pipe_fd, int failed, unsigned int pasids)
{
	struct report report = { .failed = failed, .err = errno,
				 .pasids = pasids };

	if (write(pipe_fd, &report, sizeof(report)) != sizeof(report) || failed)
		_exit(1);
}

#define heard(pipe_fd)                                                    \
	({                                                                \
		struct report __report = {};                              \
									  \
		ASSERT_EQ(sizeof(__report),                               \
			  read(pipe_fd, &__report, sizeof(__report)));    \
		ASSERT_EQ(0, __report.failed)                             \
		{                                                         \
			TH_LOG("line %d: %s, after %u PASIDs",            \
			       __report.failed, strerror(__report.err),   \
			       __report.pasids);                          \
		}                                                         \
		__report.pasids;                                          \
	})

/* In a child: all that a user can have; then half of the fds are closed */
static void hold_many(int pipe_fd, int wait_fd)
{
	struct holder *holders = calloc(num_fds, sizeof(*holders));
	unsigned int *order = calloc(num_fds, sizeof(*order));
	unsigned int i, n, num = 0;
	char go;

	if (!holders || !order)
		tell(pipe_fd, __LINE__, 0);
	for (i = 0; i != num_fds; i++) {
		if (holder_open(&holders[i]))
			tell(pipe_fd, __LINE__, num);
		for (n = 0; n != fd_pasids; n++, num++)
			if (holder_alloc(&holders[i], ~0U, n < NUM_ATTACHED))
				tell(pipe_fd, __LINE__, num);
	}
	/* And one more, whichever of them asks for it */
	for (i = 0; i < num_fds; i += 10)
		if (!holder_alloc(&holders[i], ~0U, false) || errno != EDQUOT)
			tell(pipe_fd, __LINE__, num);
	tell(pipe_fd, 0, num);

	if (read(wait_fd, &go, 1) != 1)
		_exit(1);
	shuffle(order, num_fds);
	for (i = 0; i != num_fds / 2; i++) {
		num -= holders[order[i]].num;
		close(holders[order[i]].fd);
	}
	tell(pipe_fd, 0, num);
	for (;;)
		pause();
}

TEST_F_TIMEOUT(pasid_stress, many_fds, 3600)
{
	const unsigned int num = num_fds * fd_pasids;
	int reports[2], go[2];
	unsigned long begin;
	pid_t child;
	int status;

	ASSERT_GT(WIDE_LIMIT, num);
	ASSERT_EQ(0, pasid_param_write(self->per_user.path, num));
	ASSERT_EQ(0, pipe(reports));
	ASSERT_EQ(0, pipe(go));
	begin = now_ms();
	child = fork_child();
	ASSERT_LE(0, child);
	if (!child)
		hold_many(reports[1], go[0]);
	close(reports[1]);
	ASSERT_EQ(num, heard(reports[0]));
	printf("# %lu ms to take %u PASIDs by %u fds\n", now_ms() - begin, num,
	       num_fds);
	EXPECT_EQ(num, read_count("live_file"));

	begin = now_ms();
	ASSERT_EQ(1, write(go[1], "", 1));
	EXPECT_EQ(heard(reports[0]), read_count("live_file"));
	EXPECT_GT(num, read_count("live_file"));
	printf("# %lu ms to close half of them\n", now_ms() - begin);

	begin = now_ms();
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	printf("# %lu ms to end the process\n", now_ms() - begin);
	/* It has ended, and so it has none any more */
	EXPECT_EQ(0, read_count("live_file"));
	EXPECT_TRUE(wait_count("resting", 0));
}

/* Numbers that everybody wants: 1 to this */
#define NUM_NUMBERS 20
#define NUM_WORKERS 4
#define MAX_STARTS 1000000
#define MAX_FDS 4
#define MAX_PASIDS 16
/* What a process does at most before it is killed */
#define MAX_STEPS 200

/* How long numbers rest in those tests where they do */
#define REST_MS 50

struct storm_fd {
	struct holder holder;
	__u32 pasids[MAX_PASIDS];
	__u32 ids[MAX_PASIDS];
	/* It was attached, and has to rest */
	bool used[MAX_PASIDS];
	unsigned int num;
};

/* All processes see this */
struct board {
	/*
	 * How long a number rests, and when each that was attached was left, or 0.
	 * And by whom: with his fd the device goes, and then it need not rest.
	 */
	unsigned long grace_ms;
	unsigned long left_at[NUM_NUMBERS + 1];
	const struct storm_fd *left_fd[NUM_NUMBERS + 1];
	unsigned int left_by[NUM_NUMBERS + 1];
	/*
	 * Who has each number, by what they know: 0 is nobody, else a process,
	 * counted from 1 in the order in which they were started
	 */
	unsigned int owner[NUM_NUMBERS + 1];
	/* It has been, or is about to be killed: what it had is taken by others */
	bool killed[MAX_STARTS];
	unsigned int steps[NUM_WORKERS];
	unsigned int fds;
	unsigned int pasids;
	unsigned int full;
	unsigned int attached;
	unsigned int twice;
	unsigned int early;
	unsigned int rested;
	unsigned int failed;
	/* The first ones */
	__u32 twice_pasid;
	unsigned int twice_owners[2];
	int failed_line;
	int failed_errno;
};

#define count_up(counter) __atomic_fetch_add(&(counter), 1, __ATOMIC_RELAXED)

static void board_failed(struct board *board, int line)
{
	if (count_up(board->failed))
		return;
	board->failed_line = line;
	board->failed_errno = errno;
}

static void board_take(struct board *board, unsigned int me, __u32 pasid)
{
	unsigned int old = __atomic_exchange_n(&board->owner[pasid], me,
					       __ATOMIC_ACQ_REL);
	unsigned long left_at = __atomic_exchange_n(&board->left_at[pasid], 0,
						    __ATOMIC_ACQ_REL);

	if (left_at && !__atomic_load_n(&board->killed[board->left_by[pasid]],
					__ATOMIC_ACQUIRE)) {
		count_up(board->rested);
		/* Both times are cut to milliseconds */
		if (now_ms() - left_at + 1 < board->grace_ms)
			count_up(board->early);
	}
	if (!old || __atomic_load_n(&board->killed[old], __ATOMIC_ACQUIRE) ||
	    count_up(board->twice))
		return;
	board->twice_pasid = pasid;
	board->twice_owners[0] = old;
	board->twice_owners[1] = me;
}

/* Before it is given back; if it @rests, as long as @s is open */
static void board_leave(struct board *board, unsigned int me,
			const struct storm_fd *s, __u32 pasid, bool rests)
{
	board->left_by[pasid] = me;
	board->left_fd[pasid] = s;
	__atomic_store_n(&board->left_at[pasid], rests ? now_ms() : 0,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&board->owner[pasid], 0, __ATOMIC_RELEASE);
}

static void storm_close(struct board *board, unsigned int me,
			struct storm_fd *s)
{
	unsigned int i;

	for (i = 1; i <= NUM_NUMBERS; i++)
		if (board->left_by[i] == me && board->left_fd[i] == s)
			__atomic_store_n(&board->left_at[i], 0,
					 __ATOMIC_RELEASE);
	for (i = 0; i != s->num; i++)
		board_leave(board, me, s, s->pasids[i], false);
	close(s->holder.fd);
	s->holder.fd = -1;
	s->num = 0;
}

static void storm_alloc(struct board *board, unsigned int me,
			struct storm_fd *s)
{
	struct holder *h = &s->holder;

	if (_test_cmd_pasid_alloc(h->fd, 0, h->dev_id, 1, NUM_NUMBERS,
				  &s->pasids[s->num], &s->ids[s->num])) {
		if (errno == ENOSPC)
			count_up(board->full);
		else
			board_failed(board, __LINE__);
		return;
	}
	board_take(board, me, s->pasids[s->num]);
	count_up(board->pasids);
	s->used[s->num] = false;
	s->num++;
}

static void storm_destroy(struct board *board, unsigned int me,
			  struct storm_fd *s, unsigned int i)
{
	struct holder *h = &s->holder;

	/* If anything is attached */
	if (_test_cmd_pasid_detach(h->fd, h->stdev_id, s->pasids[i]))
		board_failed(board, __LINE__);
	board_leave(board, me, s, s->pasids[i], s->used[i]);
	if (_test_ioctl_destroy(h->fd, s->ids[i]))
		board_failed(board, __LINE__);
	s->num--;
	s->pasids[i] = s->pasids[s->num];
	s->ids[i] = s->ids[s->num];
	s->used[i] = s->used[s->num];
}

static void storm_attach(struct board *board, struct storm_fd *s,
			 unsigned int i)
{
	struct holder *h = &s->holder;
	__u32 hwpt = h->hwpts[random() % 2];

	if (_test_cmd_pasid_attach(h->fd, h->stdev_id, s->pasids[i], hwpt))
		board_failed(board, __LINE__);
	else if (pasid_entry(h->fd, h->stdev_id, s->pasids[i]) != hwpt)
		board_failed(board, __LINE__);
	else
		count_up(board->attached);
	s->used[i] = true;
}

/* Does one thing with one of its fds */
static void storm_step(struct board *board, unsigned int me, struct storm_fd *s)
{
	struct holder *h = &s->holder;
	unsigned int i;

	if (h->fd < 0) {
		if (holder_open(h))
			board_failed(board, __LINE__);
		else
			count_up(board->fds);
		return;
	}
	i = s->num ? random() % s->num : 0;
	switch (random() % 32) {
	case 0:
		storm_close(board, me, s);
		break;
	case 1 ... 12:
		if (s->num != MAX_PASIDS)
			storm_alloc(board, me, s);
		break;
	case 13 ... 24:
		if (s->num)
			storm_attach(board, s, i);
		break;
	case 25 ... 28:
		if (s->num)
			storm_destroy(board, me, s, i);
		break;
	default:
		if (s->num && _test_cmd_pasid_detach(h->fd, h->stdev_id,
						     s->pasids[i]))
			board_failed(board, __LINE__);
		break;
	}
}

static void storm(struct board *board, unsigned int me, unsigned int *steps)
{
	static struct storm_fd fds[MAX_FDS];
	unsigned int i;

	srandom(me);
	for (i = 0; i != MAX_FDS; i++)
		fds[i].holder.fd = -1;
	for (;;) {
		storm_step(board, me, &fds[random() % MAX_FDS]);
		count_up(*steps);
	}
}

static bool storm_enough(const struct board *board, unsigned int starts)
{
	return starts >= 20 && board->fds >= 20 && board->pasids >= 200 &&
	       board->full >= 20 && board->attached >= 100 &&
	       board->rested >= 10;
}

struct worker {
	pid_t pid;
	unsigned int id;
};

/* In the middle of something, once it has done so much */
static bool worker_kill(struct board *board, struct worker *worker,
			const unsigned int *steps, unsigned int after)
{
	unsigned long end = now_ms() + STILL_MS;
	int status = 0;

	while (__atomic_load_n(steps, __ATOMIC_RELAXED) < after) {
		if (now_ms() > end) {
			printf("# process %u stands still\n", worker->id);
			after = 0;
		}
		usleep(1000);
	}
	/* One that has ended without being told to has given back what it had */
	if (waitpid(worker->pid, &status, WNOHANG)) {
		printf("# process %u has ended by itself: %x\n", worker->id,
		       status);
		return false;
	}
	__atomic_store_n(&board->killed[worker->id], true, __ATOMIC_RELEASE);
	return !kill(worker->pid, SIGKILL) &&
	       waitpid(worker->pid, &status, 0) == worker->pid &&
	       WIFSIGNALED(status) && now_ms() <= end;
}

static void run_storm(struct __test_metadata *_metadata, unsigned long grace_ms)
{
	unsigned long begin = now_ms();
	struct worker workers[NUM_WORKERS] = {};
	unsigned int starts = 0, i;
	struct board *board;

	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, board);
	board->grace_ms = grace_ms;
	while (starts + 1 < MAX_STARTS &&
	       (now_ms() < begin + storm_seconds * 1000UL ||
		!storm_enough(board, starts))) {
		i = starts % NUM_WORKERS;
		if (workers[i].pid)
			ASSERT_TRUE(worker_kill(board, &workers[i],
						&board->steps[i],
						random() % MAX_STEPS));
		board->steps[i] = 0;
		workers[i].id = ++starts;
		workers[i].pid = fork_child();
		ASSERT_LE(0, workers[i].pid);
		if (!workers[i].pid)
			storm(board, workers[i].id, &board->steps[i]);
	}
	for (i = 0; i != NUM_WORKERS; i++)
		ASSERT_TRUE(worker_kill(board, &workers[i], &board->steps[i],
					0));
	printf("# %lu ms: %u killed, %u fds, %u PASIDs, %u attached, %u times none left\n",
	       now_ms() - begin, starts, board->fds, board->pasids,
	       board->attached, board->full);
	printf("# %u of them after a rest of %lu ms or more\n", board->rested,
	       grace_ms);
	EXPECT_EQ(0, board->early);
	EXPECT_EQ(0, board->twice)
	{
		TH_LOG("PASID %u of %u and of %u", board->twice_pasid,
		       board->twice_owners[0], board->twice_owners[1]);
	}
	EXPECT_EQ(0, board->failed)
	{
		TH_LOG("line %d: %s", board->failed_line,
		       strerror(board->failed_errno));
	}
	EXPECT_EQ(0, read_count("live_file"));
	EXPECT_TRUE(wait_count("resting", 0));
	munmap(board, sizeof(*board));
}

/*
 * Processes take PASIDs from a few numbers, attach and give them back, and are
 * killed in the middle of it. No number is ever of two.
 */
TEST_F_TIMEOUT(pasid_stress, storm, 7200)
{
	run_storm(_metadata, 0);
}

/* The same where numbers rest: and none is back before its time */
TEST_F_TIMEOUT(pasid_stress, storm_rests, 7200)
{
	ASSERT_EQ(0, pasid_param_write(self->grace.path, REST_MS));
	run_storm(_metadata, REST_MS);
}

#define NUM_THREADS 3
/* Fewer than the threads, so that what one gives back is taken by the next */
#define THREAD_NUMBERS 2

struct thread {
	pthread_t thread;
	struct holder *holder;
	unsigned int rounds;
	int failed_line;
	int failed_errno;
};

static bool stop;

/* A PASID from its allocation to its end; the line that fails, or 0 */
static int thread_round(struct thread *t)
{
	struct holder *h = t->holder;
	__u32 hwpt = h->hwpts[t->rounds % 2];
	__u32 pasid, id;

	if (_test_cmd_pasid_alloc(h->fd, 0, h->dev_id, 1, THREAD_NUMBERS,
				  &pasid, &id))
		return errno == ENOSPC ? 0 : __LINE__;
	if (_test_cmd_pasid_attach(h->fd, h->stdev_id, pasid, hwpt))
		return __LINE__;
	if (pasid_entry(h->fd, h->stdev_id, pasid) != hwpt)
		return __LINE__;
	if (_test_cmd_pasid_detach(h->fd, h->stdev_id, pasid))
		return __LINE__;
	if (_test_ioctl_destroy(h->fd, id))
		return __LINE__;
	count_up(t->rounds);
	return 0;
}

static void *thread_fn(void *arg)
{
	struct thread *t = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE) && !t->failed_line) {
		t->failed_line = thread_round(t);
		t->failed_errno = errno;
	}
	return NULL;
}

static unsigned int fewest_rounds(struct thread *threads)
{
	unsigned int i, rounds, fewest = ~0U;

	for (i = 0; i != NUM_THREADS; i++) {
		rounds = __atomic_load_n(&threads[i].rounds, __ATOMIC_RELAXED);
		if (rounds < fewest)
			fewest = rounds;
	}
	return fewest;
}

static void run_threads(struct __test_metadata *_metadata, unsigned int rounds)
{
	struct thread threads[NUM_THREADS] = {};
	unsigned long begin = now_ms();
	struct holder holder;
	unsigned int i;

	ASSERT_EQ(0, holder_open(&holder));
	stop = false;
	for (i = 0; i != NUM_THREADS; i++) {
		threads[i].holder = &holder;
		ASSERT_EQ(0, pthread_create(&threads[i].thread, NULL, thread_fn,
					    &threads[i]));
	}
	while (now_ms() < begin + storm_seconds * 1000UL ||
	       (fewest_rounds(threads) < rounds && now_ms() < begin + STILL_MS))
		usleep(10000);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (i = 0; i != NUM_THREADS; i++) {
		pthread_join(threads[i].thread, NULL);
		EXPECT_EQ(0, threads[i].failed_line)
		{
			TH_LOG("%s", strerror(threads[i].failed_errno));
		}
		printf("# %u PASIDs by thread %u\n", threads[i].rounds, i);
	}
	EXPECT_LE(rounds, fewest_rounds(threads));
	close(holder.fd);
	EXPECT_EQ(0, read_count("live_file"));
	EXPECT_TRUE(wait_count("resting", 0));
}

/* Threads with one fd: whoever has got a PASID can use it until he destroys it */
TEST_F_TIMEOUT(pasid_stress, threads, 7200)
{
	run_threads(_metadata, 100);
}

/* The same with numbers that rest */
TEST_F_TIMEOUT(pasid_stress, threads_rest, 7200)
{
	ASSERT_EQ(0, pasid_param_write(self->grace.path, REST_MS / 5));
	run_threads(_metadata, 10);
}

/* Fds that have all numbers together */
#define FULL_FDS 10

/* Each number there is, by as many fds as it takes, and one more */
TEST_F_TIMEOUT(pasid_stress, exhaustion, 3600)
{
	const __u32 max = (1U << exhaustion_bits) - 1;
	unsigned int order[FULL_FDS];
	struct holder holders[FULL_FDS];
	unsigned long begin = now_ms();
	unsigned int num = 0, fds, i;
	struct holder last;

	ASSERT_GE(WIDE_LIMIT - 1, max);
	ASSERT_EQ(0, pasid_param_write(self->per_fd.path, max / FULL_FDS + 1));
	for (fds = 0; fds != FULL_FDS; fds++) {
		struct holder *h = &holders[fds];

		ASSERT_EQ(0, holder_open(h));
		while (!holder_alloc(h, max, h->num < NUM_ATTACHED))
			num++;
		if (errno != EDQUOT)
			break;
	}
	EXPECT_EQ(ENOSPC, errno);
	ASSERT_EQ(FULL_FDS - 1, fds);
	/* What is kept for a device with few PASID bits goes by its number only */
	for (i = 1; i != NARROW_LIMIT; i++)
		num += !_test_cmd_pasid_alloc_one(holders[fds].fd,
						  holders[fds].dev_id, i, NULL);
	EXPECT_EQ(max, num);
	EXPECT_EQ(max, read_count("live_file"));
	printf("# %lu ms to take %u PASIDs by %u fds\n", now_ms() - begin, num,
	       FULL_FDS);

	/* Not for another one either, in whatever way it asks */
	ASSERT_EQ(0, holder_open(&last));
	EXPECT_ERRNO(ENOSPC, holder_alloc(&last, max, false));
	EXPECT_ERRNO(ENOSPC, _test_cmd_pasid_alloc(last.fd, 0, 0, 1, max, NULL,
						   NULL));
	EXPECT_ERRNO(EACCES, _test_cmd_pasid_alloc_one(last.fd, last.dev_id,
						       max, NULL));
	/* Until one fd goes, and then as many as that had */
	num = holders[0].num;
	close(holders[0].fd);
	for (i = 0; i != num; i++)
		ASSERT_EQ(0, holder_alloc(&last, max, i < NUM_ATTACHED));
	EXPECT_ERRNO(EDQUOT, holder_alloc(&last, max, false));

	shuffle(order, FULL_FDS);
	for (i = 0; i != FULL_FDS; i++)
		if (order[i])
			close(holders[order[i]].fd);
	close(last.fd);
	EXPECT_EQ(0, read_count("live_file"));
	EXPECT_TRUE(wait_count("resting", 0));
}

#define HELD_FDS 4
#define HELD_PASIDS 100
#define HELD (HELD_FDS * HELD_PASIDS)

/* In a child: PASIDs of a few fds; never returns */
static void hold_and_wait(int pipe_fd)
{
	struct holder holders[HELD_FDS];
	unsigned int i, n, num = 0;

	for (i = 0; i != HELD_FDS; i++) {
		if (holder_open(&holders[i]))
			tell(pipe_fd, __LINE__, num);
		for (n = 0; n != HELD_PASIDS; n++, num++)
			if (holder_alloc(&holders[i], ~0U, n < NUM_ATTACHED))
				tell(pipe_fd, __LINE__, num);
	}
	tell(pipe_fd, 0, num);
	for (;;)
		pause();
}

#define PASID_MOCK "/sys/kernel/debug/iommu_pasid_mock"
/* A device with 4 bits, that is PASIDs 1 to 15 */
#define HANGS "hangs"
#define HANGS_LIMIT 16
/* The longest that anything may take, whatever the driver does */
#define HANG_MS 20000

static int write_text(const char *path, const char *text)
{
	int fd, rc;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* The driver of the device gives itself a PASID for as long as this is open */
static int hangs_open(unsigned int *pasid)
{
	char text[32] = "";
	int fd;

	fd = open(PASID_MOCK "/" HANGS "/queue", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (write(fd, "alloc", 5) != 5 ||
	    pread(fd, text, sizeof(text) - 1, 0) <= 0) {
		close(fd);
		return -1;
	}
	*pasid = atoi(text);
	return fd;
}

/* How often the driver has been asked to drain a PASID, -1 if it does not tell */
static int hangs_asked(void)
{
	int asked = -1;
	FILE *f;

	f = fopen(PASID_MOCK "/" HANGS "/drain", "re");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &asked) != 1)
		asked = -1;
	fclose(f);
	return asked;
}

#define expect_in_time(begin, what)                                   \
	({                                                            \
		unsigned long __ms = now_ms() - (begin);              \
								      \
		printf("# %s took %lu ms\n", what, __ms);             \
		EXPECT_GT(HANG_MS, __ms);                             \
	})

/*
 * A driver has been asked to drain a PASID, and does not return. An fd can do all
 * that it could before, but have the number.
 */
TEST_F_TIMEOUT(pasid_stress, driver_hangs, 120)
{
	int queues[HANGS_LIMIT - 1], reports[2], status;
	struct holder holder;
	unsigned long begin;
	unsigned int i, pasid;
	pid_t child;
	__u32 id;

	write_text(PASID_MOCK "/remove", HANGS);
	if (write_text(PASID_MOCK "/create", HANGS " 4"))
		SKIP(return, "no CONFIG_IOMMU_PASID_MOCK");
	ASSERT_EQ(0, pasid_param_write(self->grace.path, 60000));
	ASSERT_EQ(0, holder_open(&holder));
	for (i = 0; i != HANGS_LIMIT - 1; i++) {
		queues[i] = hangs_open(&pasid);
		ASSERT_LE(0, queues[i]);
	}
	/* One of the driver, and one that rests */
	EXPECT_ERRNO(EACCES, _test_cmd_pasid_alloc_one(holder.fd, holder.dev_id,
						       pasid, NULL));
	EXPECT_ERRNO(EACCES, _test_cmd_pasid_attach(holder.fd, holder.stdev_id,
						    pasid, holder.hwpts[0]));
	for (i = 0; i != HANGS_LIMIT - 1; i++)
		close(queues[i]);
	EXPECT_ERRNO(EAGAIN, _test_cmd_pasid_alloc_one(holder.fd, holder.dev_id,
						       pasid, NULL));
	EXPECT_ERRNO(EAGAIN, _test_cmd_pasid_attach(holder.fd, holder.stdev_id,
						    pasid, holder.hwpts[0]));

	ASSERT_EQ(0, write_text(PASID_MOCK "/" HANGS "/drain", "hang"));
	begin = now_ms();
	EXPECT_ERRNO(ENOSPC, _test_cmd_pasid_alloc(holder.fd, 0, 0, 1,
						   HANGS_LIMIT - 1, NULL, NULL));
	expect_in_time(begin, "an allocation of what rests");
	/* The driver was asked, and is busy with it from now on */
	EXPECT_LT(0, hangs_asked());

	begin = now_ms();
	ASSERT_EQ(0, _test_cmd_pasid_alloc(holder.fd, 0, holder.dev_id, 0, ~0U,
					   &pasid, &id));
	ASSERT_EQ(0, _test_cmd_pasid_attach(holder.fd, holder.stdev_id, pasid,
					    holder.hwpts[0]));
	ASSERT_EQ(0, _test_cmd_pasid_detach(holder.fd, holder.stdev_id, pasid));
	ASSERT_EQ(0, _test_ioctl_destroy(holder.fd, id));
	expect_in_time(begin, "a PASID from its allocation to its end");
	for (i = 0; i != 10; i++)
		ASSERT_EQ(0, holder_alloc(&holder, ~0U, true));
	begin = now_ms();
	ASSERT_EQ(0, close(holder.fd));
	expect_in_time(begin, "close");

	ASSERT_EQ(0, pipe(reports));
	child = fork_child();
	ASSERT_LE(0, child);
	if (!child)
		hold_and_wait(reports[1]);
	ASSERT_EQ(HELD, heard(reports[0]));
	begin = now_ms();
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	expect_in_time(begin, "the end of a process");
	EXPECT_EQ(0, read_count("live_file"));

	ASSERT_EQ(0, write_text(PASID_MOCK "/remove", HANGS));
	ASSERT_EQ(0, pasid_param_write(self->grace.path, 0));
	EXPECT_TRUE(wait_count("resting", 0));
}

/* In a child that the OOM killer prefers to all others */
static void hold_until_oom(int pipe_fd)
{
	char *mem = malloc(16 << 20);

	if (!mem || write_text("/proc/self/oom_score_adj", "1000"))
		tell(pipe_fd, __LINE__, 0);
	memset(mem, 1, 16 << 20);
	hold_and_wait(pipe_fd);
}

/* The OOM killer takes the memory of its victim while that still ends */
TEST_F_TIMEOUT(pasid_stress, oom_killed, 300)
{
	unsigned long begin;
	int reports[2];
	pid_t child;
	int status;
	unsigned int i;

	if (access("/proc/sysrq-trigger", W_OK))
		SKIP(return, "no CONFIG_MAGIC_SYSRQ");
	for (i = 0; i != 3; i++) {
		ASSERT_EQ(0, pipe(reports));
		child = fork_child();
		ASSERT_LE(0, child);
		if (!child)
			hold_until_oom(reports[1]);
		close(reports[1]);
		ASSERT_EQ(HELD, heard(reports[0]));
		ASSERT_EQ(HELD, read_count("live_file"));
		begin = now_ms();
		ASSERT_EQ(0, write_text("/proc/sysrq-trigger", "f"));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
		printf("# %lu ms from the OOM killer to the end\n",
		       now_ms() - begin);
		EXPECT_EQ(0, read_count("live_file"));
		EXPECT_TRUE(wait_count("resting", 0));
		close(reports[0]);
	}
}

/* Takes its own arguments out of @argv; returns how many are left */
static int parse_args(int argc, char **argv)
{
	int i, left = 1;

	for (i = 1; i < argc; i++) {
		unsigned int *value = NULL;

		if (!strcmp(argv[i], "-d"))
			value = &storm_seconds;
		else if (!strcmp(argv[i], "-n"))
			value = &num_fds;
		else if (!strcmp(argv[i], "-p"))
			value = &fd_pasids;
		else if (!strcmp(argv[i], "-b"))
			value = &exhaustion_bits;
		if (value && i + 1 < argc)
			*value = atoi(argv[++i]);
		else
			argv[left++] = argv[i];
	}
	argv[left] = NULL;
	return left;
}

int main(int argc, char **argv)
{
	argc = parse_args(argc, argv);
	return test_harness_run(argc, argv);
}
