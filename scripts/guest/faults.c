// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can go wrong in a test run, on purpose: make selftest proves that the
 * harness reports each of them. The argument says which.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path);
	if (fd >= 0)
		close(fd);
}

static void load(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		perror(path);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "noplan")) {
		printf("TAP version 13\nok 1 a\nok 2 b\n");
		return 0;
	}
	if (!strcmp(what, "shortplan")) {
		printf("TAP version 13\n1..3\nok 1 a\nok 2 b\n");
		return 0;
	}
	if (!strcmp(what, "notok")) {
		printf("TAP version 13\n1..2\nok 1 a\nnot ok 2 b\n");
		return 0;
	}
	if (!strcmp(what, "skip")) {
		printf("TAP version 13\n1..2\nok 1 a\nok 2 b # SKIP for a reason\n");
		return 0;
	}
	printf("TAP version 13\n1..1\n");
	if (!strcmp(what, "crash"))
		write_to("/sys/kernel/debug/provoke-crash/DIRECT", "PANIC");
	else if (!strcmp(what, "oops"))
		write_to("/sys/kernel/debug/provoke-crash/DIRECT", "BUG");
	else if (!strcmp(what, "splat"))
		write_to("/sys/kernel/debug/provoke-crash/DIRECT", "WARNING");
	else if (!strcmp(what, "lockup"))
		while (fork() >= 0) /* one for each CPU; none comes back */
			write_to("/sys/kernel/debug/provoke-crash/DIRECT", "HARDLOCKUP");
	else if (!strcmp(what, "leak"))
		load("leak.ko");
	else if (!strcmp(what, "nostatus"))
		reboot(RB_AUTOBOOT);
	else if (!strcmp(what, "hang"))
		for (;;)
			pause();
	else if (!strcmp(what, "signal"))
		raise(SIGSEGV);
	printf("ok 1 a\n");
	return !strcmp(what, "exitcode");
}
