// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the test guest.
 *
 * It runs the tests of /run.list one after the other and reports over two
 * virtio-serial ports: "ktap" gets the KTAP of all tests, each nested below a
 * result line of its own; "status" gets "boot <ms>" and, as the very last thing,
 * "status <n>": 0 when each test ended with exit code 0 or 4 (skip). A guest
 * that ends without a status has failed, whatever it printed before.
 *
 * A kernel of DEBUG=coverage has counters. After the tests they go to a third port, "gcov":
 * for each file of theirs "<size> <path>", a newline and the bytes.
 *
 * A line of /run.list is "<name> <seconds> <command> [arguments]". Commands that
 * start with '@' are done here, others are programs in /tests; NAME=value in front
 * of a command goes to its environment.
 *   @kunit <glob>...   the results of the built-in KUnit suites, from debugfs
 *   @kmemleak          scan for leaked memory
 *   @shell             a shell on the console; no KTAP
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KSFT_SKIP 4
#define MAX_TESTS 64
#define MAX_ARGS 32

enum { TIMED_OUT = 256, STUCK = 257 };

static FILE *ktap;
static FILE *status;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void __attribute__((noreturn)) end(void)
{
	sync();
	reboot(RB_AUTOBOOT); /* QEMU has -no-reboot: this ends it on every machine */
	for (;;)
		pause();
}

static void __attribute__((noreturn)) fatal(const char *what)
{
	fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
	end();
}

static void kmsg(const char *fmt, ...)
{
	va_list ap;
	FILE *f = fopen("/dev/kmsg", "w");

	if (!f)
		return;
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

static void mount_one(const char *type, const char *where, bool must)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL) && errno != EBUSY && must)
		fatal(where);
}

static void mounts(void)
{
	mount_one("devtmpfs", "/dev", true);
	mount_one("proc", "/proc", true);
	mount_one("sysfs", "/sys", true);
	mount_one("tmpfs", "/tmp", true);
	mount_one("debugfs", "/sys/kernel/debug", false);
	mount_one("tracefs", "/sys/kernel/tracing", false);
	mkdir("/dev/shm", 01777);
	mount_one("tmpfs", "/dev/shm", false);
}

/* The first line of a file without its end; "" if there is none */
static void read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");

	buf[0] = 0;
	if (!f)
		return;
	if (!fgets(buf, size, f))
		buf[0] = 0;
	fclose(f);
	buf[strcspn(buf, "\n")] = 0;
}

/*
 * The NVMe disks of a machine are for the tests, which take only those that have no
 * driver. The kernel's own driver binds to all of them.
 */
static void release_disks(void)
{
	char path[512], text[64];
	struct dirent *de;
	DIR *dir;
	FILE *f;

	dir = opendir("/sys/bus/pci/devices");
	while (dir && (de = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/class", de->d_name);
		read_line(path, text, sizeof(text));
		if (strcmp(text, "0x010802") || access("/sys/bus/pci/drivers/nvme", F_OK))
			continue;
		/* The probe waits for that of the IOMMU, which may come late */
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", de->d_name);
		for (double t0 = now(); access(path, F_OK) && now() - t0 < 5; usleep(10000))
			;
		f = fopen(path, "we");
		if (!f || fprintf(f, "%s", de->d_name) < 0 || fflush(f))
			kmsg("harness: the disk %s had no driver\n", de->d_name);
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
}

/* The report ports have names; they may appear after PID 1 has started. */
static FILE *open_port(const char *want)
{
	char path[512], name[64];
	struct dirent *de;
	DIR *dir;
	FILE *f;

	for (double t0 = now(); now() - t0 < 10; usleep(20000)) {
		dir = opendir("/sys/class/virtio-ports");
		while (dir && (de = readdir(dir))) {
			snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", de->d_name);
			f = fopen(path, "r");
			if (!f)
				continue;
			if (!fgets(name, sizeof(name), f))
				name[0] = 0;
			fclose(f);
			name[strcspn(name, "\n")] = 0;
			if (strcmp(name, want))
				continue;
			snprintf(path, sizeof(path), "/dev/%s", de->d_name);
			f = fopen(path, "we");
			if (!f)
				continue;
			closedir(dir);
			setvbuf(f, NULL, _IOLBF, 4096);
			return f;
		}
		if (dir)
			closedir(dir);
	}
	errno = ENODEV;
	return NULL;
}

/* What is not KTAP becomes a comment, so that the whole stays KTAP. */
static void nest(const char *line)
{
	static const char *const keep[] = { "ok ", "not ok ", "1..", "#", "KTAP ", "TAP ", "Bail" };
	const char *p = line + strspn(line, " ");

	for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
		if (!strncmp(p, keep[i], strlen(keep[i]))) {
			fprintf(ktap, "  %s\n", line);
			return;
		}
	}
	if (*p)
		fprintf(ktap, "  # %s\n", line);
}

static char **kunit_globs;

static int pick_suite(const struct dirent *de)
{
	for (char **g = kunit_globs; *g; g++)
		if (!fnmatch(*g, de->d_name, FNM_PERIOD))
			return 1;
	return 0;
}

static int do_kunit(char **globs)
{
	char path[512], line[1024];
	struct dirent **suites;
	int n, rc = 0;
	FILE *f;

	kunit_globs = globs;
	n = scandir("/sys/kernel/debug/kunit", &suites, pick_suite, alphasort);
	if (n <= 0) {
		printf("# this kernel has no such KUnit suite\n");
		return KSFT_SKIP;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/kunit/%s/results",
			 suites[i]->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		/* Each file is a document of its own: one plan for all takes its place. */
		while (fgets(line, sizeof(line), f)) {
			line[strcspn(line, "\n")] = 0;
			if (!strncmp(line, "KTAP", 4) || !strcmp(line, "1..1"))
				continue;
			if (!strncmp(line, "not ok", 6))
				rc = 1;
			printf("%s\n", line);
		}
		fclose(f);
	}
	return rc;
}

static int do_kmemleak(void)
{
	char line[256];
	bool leak = false;
	int fd;
	FILE *f;

	/* An object counts once it is some seconds old and two scans missed it. */
	for (int i = 0; i < 2; i++) {
		sleep(6);
		fd = open("/sys/kernel/debug/kmemleak", O_WRONLY);
		if (fd < 0) {
			printf("# kmemleak is not in this kernel\n");
			return KSFT_SKIP;
		}
		if (write(fd, "scan", 4) != 4)
			return 1;
		close(fd);
	}
	f = fopen("/sys/kernel/debug/kmemleak", "r");
	if (!f)
		return 1;
	while (fgets(line, sizeof(line), f)) {
		printf("# %s", line);
		leak = true;
	}
	fclose(f);
	printf("1..1\n%s 1 no leaked memory\n", leak ? "not ok" : "ok");
	return leak;
}

static int child(char **argv)
{
	if (!strcmp(argv[0], "@kunit"))
		return do_kunit(argv + 1);
	if (!strcmp(argv[0], "@kmemleak"))
		return do_kmemleak();
	while (argv[0] && strchr(argv[0], '='))
		putenv(*argv++);
	if (!argv[0])
		return 127;
	execvp(argv[0], argv);
	printf("# %s: %s\n", argv[0], strerror(errno));
	return 127;
}

/* The child of one line of the list, in a session of its own; @fd is what it prints */
static pid_t start(char **argv, int *fd)
{
	int fds[2], wst;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		fatal("pipe");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fatal("fork");
	if (!pid) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		setsid();
		dup2(null, 0);
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		if (chdir("/tests"))
			fatal("/tests");
		wst = child(argv);
		fflush(NULL);
		_exit(wst);
	}
	close(fds[1]);
	*fd = fds[0];
	return pid;
}

struct lines {
	char buf[8192];
	size_t have;
};

/* Read some, and nest the lines that are complete. False at the end of it. */
static bool read_lines(struct lines *l, int fd)
{
	ssize_t n = read(fd, l->buf + l->have, sizeof(l->buf) - 1 - l->have);
	char *nl;

	if (n > 0)
		l->have += n;
	l->buf[l->have] = 0;
	while ((nl = strchr(l->buf, '\n')) || l->have == sizeof(l->buf) - 1) {
		if (!nl)
			nl = l->buf + l->have - 1;
		*nl = 0;
		if (nl > l->buf && nl[-1] == '\r')
			nl[-1] = 0;
		nest(l->buf);
		l->have -= nl + 1 - l->buf;
		memmove(l->buf, nl + 1, l->have + 1);
	}
	return n > 0;
}

/* Returns the exit code, 128 + signal, TIMED_OUT or STUCK (killed, yet still there). */
static int run(char **argv, double seconds)
{
	static struct lines lines;
	double deadline = now() + seconds;
	bool killed = false, eof = false;
	int fd, wst;
	pid_t pid;

	pid = start(argv, &fd);
	lines.have = 0;
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		if (!killed && now() > deadline) {
			killed = true;
			deadline = now() + 10;
			kill(-pid, SIGKILL);
		} else if (killed && now() > deadline) {
			close(fd);
			return STUCK;
		}
		if (!eof && poll(&pfd, 1, 200) > 0) {
			eof = !read_lines(&lines, fd);
			continue;
		}
		if (waitpid(pid, &wst, WNOHANG) != pid) {
			if (eof)
				usleep(10000);
			continue;
		}
		kill(-pid, SIGKILL); /* what the test left running must not keep the pipe */
		if (lines.have)
			nest(lines.buf);
		close(fd);
		if (killed)
			return TIMED_OUT;
		return WIFEXITED(wst) ? WEXITSTATUS(wst) : 128 + WTERMSIG(wst);
	}
}

static int run_test(int nr, const char *name, double seconds, char **argv)
{
	double t0 = now();
	int rc;

	kmsg("harness: %s starts\n", name);
	fprintf(ktap, "  # harness: start %s\n", name);
	rc = run(argv, seconds);
	kmsg("harness: %s ends, exit code %d\n", name, rc);
	fprintf(ktap, "  # harness: seconds %.2f\n", now() - t0);
	if (!rc)
		fprintf(ktap, "ok %d %s\n", nr, name);
	else if (rc == KSFT_SKIP)
		fprintf(ktap, "ok %d %s # SKIP\n", nr, name);
	else if (rc == TIMED_OUT || rc == STUCK)
		fprintf(ktap, "not ok %d %s # timeout after %.0f s%s\n", nr, name, seconds,
			rc == STUCK ? ", and it cannot be killed" : "");
	else if (rc > 128)
		fprintf(ktap, "not ok %d %s # killed by signal %d (%s)\n", nr, name, rc - 128,
			strsignal(rc - 128));
	else
		fprintf(ktap, "not ok %d %s # exit code %d\n", nr, name, rc);
	return rc && rc != KSFT_SKIP;
}

#define GCOV "/sys/kernel/debug/gcov"

static FILE *gcov;

static int send_counters(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *end = strrchr(path, '.');
	char *bytes = NULL;
	size_t size = 0;
	char buf[4096];
	ssize_t n;
	FILE *all;
	int fd;

	(void)st;
	(void)ftw;
	/* Links beside them lead to the notes of the compiler, on the host */
	if (type != FTW_F || !end || strcmp(end, ".gcda"))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	all = open_memstream(&bytes, &size);
	if (fd < 0 || !all)
		fatal(path);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, n, all);
	if (n < 0 || fclose(all))
		fatal(path);
	close(fd);
	fprintf(gcov, "%zu %s\n", size, path + strlen(GCOV));
	fwrite(bytes, 1, size, gcov);
	free(bytes);
	return 0;
}

static void send_gcov(void)
{
	if (access(GCOV, F_OK))
		return;
	gcov = open_port("gcov");
	if (!gcov)
		fatal("gcov");
	setvbuf(gcov, NULL, _IOFBF, 65536);
	if (nftw(GCOV, send_counters, 16, FTW_PHYS) || fclose(gcov))
		fatal("gcov");
}

static void __attribute__((noreturn)) shell(void)
{
	if (!fork()) {
		setsid();
		close(0);
		if (open("/dev/console", O_RDWR))
			_exit(1);
		dup2(0, 1);
		dup2(0, 2);
		if (chdir("/tests"))
			_exit(1);
		execl("/bin/sh", "sh", "-l", NULL);
		fatal("/bin/sh");
	}
	while (wait(NULL) > 0 || errno != ECHILD)
		;
	end();
}

int main(void)
{
	struct rlimit inf = { RLIM_INFINITY, RLIM_INFINITY };
	char *lines[MAX_TESTS];
	int n = 0, bad = 0;
	char buf[1024];
	FILE *f;

	mounts();
	setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin:/tests", 1);
	setenv("HOME", "/tmp", 1);
	setrlimit(RLIMIT_MEMLOCK, &inf);

	f = fopen("/run.list", "r");
	if (!f)
		fatal("/run.list");
	while (n < MAX_TESTS && fgets(buf, sizeof(buf), f)) {
		buf[strcspn(buf, "\n")] = 0;
		if (buf[0])
			lines[n++] = strdup(buf);
	}
	fclose(f);
	release_disks();
	if (n && strstr(lines[0], "@shell"))
		shell();

	ktap = open_port("ktap");
	status = open_port("status");
	if (!ktap || !status)
		fatal("report ports");
	fprintf(status, "boot %.0f\n", now() * 1000);
	fprintf(ktap, "KTAP version 1\n1..%d\n", n);
	for (int i = 0; i < n; i++) {
		char *argv[MAX_ARGS + 1], *save, *name, *seconds;
		int argc = 0;

		name = strtok_r(lines[i], " ", &save);
		seconds = strtok_r(NULL, " ", &save);
		while (argc < MAX_ARGS && (argv[argc] = strtok_r(NULL, " ", &save)))
			argc++;
		argv[argc] = NULL;
		if (!argc)
			fatal("a line of /run.list");
		bad |= run_test(i + 1, name, atof(seconds), argv);
	}
	fflush(ktap);
	send_gcov();
	fprintf(status, "status %d\n", bad);
	fflush(status);
	end();
}
