// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an allocation, an attach and a live PASID cost
 *
 * Prints a line "bench: <name> <number>" for each. With QEMU's -icount shift=0 a
 * nanosecond is an instruction. Needs the driver iommu_pasid_bench.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BENCH "/sys/kernel/debug/iommu_pasid_bench"
#define KSFT_SKIP 4

/* That are live, the one that is allocated and freed among them */
static const struct {
	unsigned int live;
	unsigned int times;
} cases[] = { { 1, 20000 }, { 1000, 20000 }, { 500000, 20000 } };

#define NUM_CASES (sizeof(cases) / sizeof(*cases))

struct result {
	unsigned long alloc;
	unsigned long attach;
	unsigned long bytes;
};

static int measure(unsigned int live, unsigned int times, struct result *result)
{
	char text[80] = "";
	int fd, rc = 0;

	fd = open(BENCH, O_RDWR);
	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%u %u", live - 1, times);
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	memset(text, 0, sizeof(text));
	if (!rc && pread(fd, text, sizeof(text) - 1, 0) < 0)
		rc = -errno;
	close(fd);
	if (!rc && sscanf(text, "%lu %lu %lu", &result->alloc, &result->attach,
			  &result->bytes) != 3)
		rc = -EINVAL;
	return rc;
}

int main(void)
{
	struct result result;
	unsigned int i;
	int rc = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (access(BENCH, F_OK)) {
		printf("# no " BENCH "\n");
		return KSFT_SKIP;
	}
	printf("TAP version 13\n1..1\n");
	for (i = 0; i != NUM_CASES && !rc; i++) {
		rc = measure(cases[i].live, cases[i].times, &result);
		if (rc) {
			printf("# %u live: %s\n", cases[i].live, strerror(-rc));
			break;
		}
		printf("bench: pasid-alloc-free-%u %lu\n", cases[i].live,
		       result.alloc);
		printf("bench: pasid-attach-detach-%u %lu\n", cases[i].live,
		       result.attach);
		/* Of fewer it would be the size of a page */
		if (cases[i].live >= 100000)
			printf("bench: pasid-bytes-%u %lu\n", cases[i].live,
			       result.bytes);
	}
	printf("%s 1 bench\n", rc ? "not ok" : "ok");
	return !!rc;
}
