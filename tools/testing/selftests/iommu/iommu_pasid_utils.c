// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "iommu_pasid.h"

#define GRACE_FILE "/sys/module/iommu/parameters/pasid_grace_ms"

const char *const mock_names[NUM_MOCKS] = { "wide0", "wide1", "narrow" };

uint64_t child_target;

static int write_file(const char *path, const char *text)
{
	ssize_t len;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = write(fd, text, strlen(text));
	if (len < 0)
		len = -errno;
	close(fd);
	return len < 0 ? len : 0;
}

static int read_file(const char *path, char *text, size_t size)
{
	ssize_t len;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return len;
	text[len] = 0;
	return 0;
}

static int mock_write(const char *mock, const char *file, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), PASID_MOCK "/%s/%s", mock, file);
	return write_file(path, text);
}

static int mock_read(const char *mock, const char *file, char *text,
		     size_t size)
{
	char path[96];

	snprintf(path, sizeof(path), PASID_MOCK "/%s/%s", mock, file);
	return read_file(path, text, size);
}

unsigned long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000UL + t.tv_nsec / 1000000;
}

int mock_create(const char *name, unsigned int bits)
{
	char text[48];

	snprintf(text, sizeof(text), "%s %u", name, bits);
	return write_file(PASID_MOCK "/create", text);
}

int mock_remove(const char *name)
{
	return write_file(PASID_MOCK "/remove", name);
}

void mocks_remove(void)
{
	unsigned int i;

	for (i = 0; i != NUM_MOCKS; i++)
		mock_remove(mock_names[i]);
}

int mocks_create(void)
{
	unsigned int i;
	int rc = 0;

	mocks_remove();
	for (i = 0; i != NUM_MOCKS && !rc; i++)
		rc = mock_create(mock_names[i], i == NARROW ? 4 : 20);
	return rc;
}

int mock_violations(void)
{
	char text[32];
	int rc;

	rc = read_file(PASID_MOCK "/violations", text, sizeof(text));
	return rc ? rc : atoi(text);
}

int queue_open(const char *mock)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), PASID_MOCK "/%s/queue", mock);
	fd = open(path, O_RDWR);
	return fd < 0 ? -errno : fd;
}

int queue_do(int fd, const char *cmd)
{
	return write(fd, cmd, strlen(cmd)) < 0 ? -errno : 0;
}

static int queue_read(int fd, int *pasid, uint64_t *number)
{
	unsigned long long val;
	char text[64];
	ssize_t len;

	len = pread(fd, text, sizeof(text) - 1, 0);
	if (len < 0)
		return -errno;
	text[len] = 0;
	if (sscanf(text, "%d %llu", pasid, &val) != 2)
		return -ENOENT;
	*number = val;
	return 0;
}

int queue_pasid(int fd)
{
	uint64_t number;
	int pasid, rc;

	rc = queue_read(fd, &pasid, &number);
	return rc ? rc : pasid;
}

int queue_number(int fd, uint64_t *number)
{
	int pasid;

	return queue_read(fd, &pasid, number);
}

int mock_dma(const char *mock, int pasid, const uint64_t *addr,
	     uint64_t number)
{
	char text[80];

	snprintf(text, sizeof(text), "%d %lu %llu", pasid, (unsigned long)addr,
		 (unsigned long long)number);
	return mock_write(mock, "dma", text);
}

int mock_request(const char *mock, int pasid, const void *addr,
		 unsigned int num)
{
	char text[80];

	snprintf(text, sizeof(text), "%d %lu %u", pasid, (unsigned long)addr,
		 num);
	return mock_write(mock, "request", text);
}

int mock_read_requests(const char *mock, struct mock_requests *requests)
{
	char text[80];
	int rc;

	rc = mock_read(mock, "request", text, sizeof(text));
	if (rc)
		return rc;
	if (sscanf(text, "%d %d %d", &requests->sent, &requests->answered,
		   &requests->successful) != 3)
		return -EBADMSG;
	return 0;
}

void *mock_stall_map(size_t length)
{
	void *map;
	int fd;

	fd = open(PASID_MOCK "/stall", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return map == MAP_FAILED ? NULL : map;
}

int mock_set_stall(bool stall)
{
	return write_file(PASID_MOCK "/stall", stall ? "1" : "0");
}

int mock_drained(const char *mock, int pasid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pasid);
	return mock_write(mock, "drained", text);
}

int mock_set_drain(const char *mock, const char *what)
{
	return mock_write(mock, "drain", what);
}

int mock_read_drain(const char *mock, int *pasid)
{
	char text[48];
	int calls, rc;

	rc = mock_read(mock, "drain", text, sizeof(text));
	if (rc)
		return rc;
	if (sscanf(text, "%d %d", &calls, pasid) != 2)
		return -EBADMSG;
	return calls;
}

int set_grace_ms(unsigned int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", ms);
	return write_file(GRACE_FILE, text);
}

static const char *const count_names[] = {
	"grace_ms", "allocated", "exhausted", "unused",	     "drained",
	"expired",  "reclaimed", "live_mm",   "live_driver", "resting",
};

_Static_assert(sizeof(struct pasid_counts) ==
	       ARRAY_SIZE(count_names) * sizeof(long),
	       "a name for each count");

/* Lines that begin with a letter; there may be others, of other owners */
static int parse_counts(FILE *f, struct pasid_counts *counts)
{
	unsigned long *count = (unsigned long *)counts, value;
	unsigned int found = 0, i;
	char name[32], line[128];
	int c;

	while ((c = getc(f)) >= 'a' && c <= 'z') {
		ungetc(c, f);
		if (!fgets(line, sizeof(line), f) ||
		    sscanf(line, "%31s %lu", name, &value) != 2)
			return -EBADMSG;
		for (i = 0; i != ARRAY_SIZE(count_names); i++)
			if (!strcmp(name, count_names[i])) {
				count[i] = value;
				found |= 1U << i;
			}
	}
	if (c != EOF)
		ungetc(c, f);
	return found == (1U << ARRAY_SIZE(count_names)) - 1 ? 0 : -EBADMSG;
}

int read_counts(struct pasid_counts *counts)
{
	FILE *f;
	int rc;

	f = fopen(PASID_LIST, "re");
	if (!f)
		return -errno;
	rc = parse_counts(f, counts);
	fclose(f);
	return rc;
}

/* "PASID owner comm[tgid] live device ...", or "resting N ms" for "live" */
static int check_line(char *line, unsigned long *last)
{
	unsigned long pasid, ms;
	char *end, *state;
	int len = 0;

	if (!strchr(line, '\n'))
		return -EBADMSG;
	pasid = strtoul(line, &end, 10);
	if (pasid <= *last || pasid >= 1UL << 20)
		return -EBADMSG;
	*last = pasid;
	if (strncmp(end, " mm ", 4) && strncmp(end, " driver ", 8) &&
	    strncmp(end, " file ", 6))
		return -EBADMSG;
	/* A comm may have anything in it but a newline */
	state = strstr(end, "] live");
	if (state) {
		state += 6;
	} else {
		state = strstr(end, "] resting ");
		if (!state ||
		    sscanf(state, "] resting %lu ms%n", &ms, &len) != 1 || !len)
			return -EBADMSG;
		state += len;
	}
	return *state == ' ' || *state == '\n' ? 0 : -EBADMSG;
}

int check_list(void)
{
	struct pasid_counts counts;
	unsigned long last = 0;
	int lines = 0;
	char line[1024];
	FILE *f;
	int rc;

	f = fopen(PASID_LIST, "re");
	if (!f)
		return -errno;
	rc = parse_counts(f, &counts);
	while (!rc && fgets(line, sizeof(line), f)) {
		rc = check_line(line, &last);
		if (rc)
			printf("# not understood: %s\n", line);
		lines++;
	}
	fclose(f);
	return rc ? rc : lines;
}

/*
 * A CPU that has nothing to do keeps the mm of the last process that ran there,
 * and with it the PASID. So run on each of them.
 */
static void visit_cpus(void)
{
	cpu_set_t all, one;
	int i;

	if (sched_getaffinity(0, sizeof(all), &all))
		return;
	for (i = 0; i != CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		sched_setaffinity(0, sizeof(one), &one);
		sched_yield();
	}
	sched_setaffinity(0, sizeof(all), &all);
}

bool wait_counts(struct pasid_counts *counts, unsigned long live_mm,
		 unsigned long live_driver, unsigned long resting)
{
	unsigned long end = now_ms() + 30000;

	do {
		visit_cpus();
		if (read_counts(counts))
			return false;
		if (counts->live_mm == live_mm &&
		    counts->live_driver == live_driver &&
		    counts->resting == resting)
			return true;
		usleep(10000);
	} while (now_ms() < end);
	printf("# live_mm %lu live_driver %lu resting %lu\n", counts->live_mm,
	       counts->live_driver, counts->resting);
	return false;
}

enum { OP_DO, OP_VALUE, OP_EXEC, OP_EXIT };

struct request {
	int op;
	int mock;
	char cmd[32];
};

struct reply {
	int rc;
	uint64_t value;
};

static int do_queue(int *queues, const struct request *request)
{
	int *fd = &queues[request->mock];
	int rc;

	if (*fd < 0)
		*fd = queue_open(mock_names[request->mock]);
	if (*fd < 0)
		return *fd;
	rc = queue_do(*fd, request->cmd);
	if (rc || strcmp(request->cmd, "bind"))
		return rc;
	return queue_pasid(*fd);
}

int child_main(int fd)
{
	int queues[NUM_MOCKS] = { -1, -1, -1 };
	struct request request;
	struct reply reply;
	char arg[16];

	while (read(fd, &request, sizeof(request)) == sizeof(request)) {
		memset(&reply, 0, sizeof(reply));
		switch (request.op) {
		case OP_DO:
			reply.rc = do_queue(queues, &request);
			break;
		case OP_VALUE:
			reply.value = child_target;
			break;
		case OP_EXEC:
			snprintf(arg, sizeof(arg), "%d", fd);
			execl("/proc/self/exe", "iommu_pasid", "--child", arg,
			      NULL);
			reply.rc = -errno;
			break;
		default:
			_exit(0);
		}
		if (write(fd, &reply, sizeof(reply)) != sizeof(reply))
			break;
	}
	_exit(1);
}

int child_start(struct child *child)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		return -errno;
	fflush(stdout);
	child->pid = fork();
	if (child->pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return -errno;
	}
	if (!child->pid) {
		close(fds[0]);
		child_target = 0;
		child_main(fds[1]);
	}
	close(fds[1]);
	child->fd = fds[0];
	fcntl(child->fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static int child_tell(struct child *child, const struct request *request,
		      struct reply *reply)
{
	if (write(child->fd, request, sizeof(*request)) != sizeof(*request) ||
	    read(child->fd, reply, sizeof(*reply)) != sizeof(*reply))
		return -EPIPE;
	return reply->rc;
}

int child_do(struct child *child, int mock, const char *cmd)
{
	struct request request = { .op = OP_DO, .mock = mock };
	struct reply reply;

	snprintf(request.cmd, sizeof(request.cmd), "%s", cmd);
	return child_tell(child, &request, &reply);
}

int child_bind(struct child *child, int mock)
{
	return child_do(child, mock, "bind");
}

int child_value(struct child *child, uint64_t *value)
{
	struct request request = { .op = OP_VALUE };
	struct reply reply;
	int rc;

	rc = child_tell(child, &request, &reply);
	*value = reply.value;
	return rc;
}

/* The new program answers first when it is asked for its value */
int child_exec(struct child *child)
{
	struct request request = { .op = OP_EXEC };
	uint64_t value;

	if (write(child->fd, &request, sizeof(request)) != sizeof(request))
		return -EPIPE;
	return child_value(child, &value);
}

int child_end(struct child *child, int sig)
{
	struct request request = { .op = OP_EXIT };
	int status;

	if (!child->pid)
		return 0;
	if (sig)
		kill(child->pid, sig);
	else if (write(child->fd, &request, sizeof(request)) < 0)
		return -errno;
	close(child->fd);
	if (waitpid(child->pid, &status, 0) != child->pid)
		return -errno;
	child->pid = 0;
	if (sig)
		return WIFSIGNALED(status) && WTERMSIG(status) == sig ? 0 :
									-EINVAL;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EINVAL;
}
