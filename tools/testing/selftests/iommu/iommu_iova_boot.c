// SPDX-License-Identifier: GPL-2.0-only
/*
 * What iommu.iova_alloc= of the kernel command line brings about
 *
 * The command line that this kernel was booted with says what to expect: the message
 * in the kernel log, the policy of each group, and that of a group whose attribute
 * was written. Run it with the parameter unset, with each of its values and with a
 * wrong one, with iommu.strict=0 and 1.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "iommu_iova_utils.h"

#define GROUPS "/sys/kernel/iommu_groups"

static const char *const values[] = { "auto", "default", "wraparound" };

/* The value of the last such parameter; false if there is none */
static bool parameter(const char *name, char *value, size_t size)
{
	char line[4096], *word, *save;
	bool found = false;

	if (iova_read_file("/proc/cmdline", line, sizeof(line)) < 0)
		return false;
	for (word = strtok_r(line, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		if (strncmp(word, name, strlen(name)))
			continue;
		snprintf(value, size, "%s", word + strlen(name));
		found = true;
	}
	return found;
}

FIXTURE(boot)
{
	struct edu_func func;
	char group[IOVA_PATH];
	bool given;
	bool known;
	char value[64];
	/* What a group gets for which nobody asks for another one */
	const char *policy;
};

FIXTURE_SETUP(boot)
{
	const char *missing;
	unsigned int i;

	ASSERT_EQ(0, iova_test_edu(&self->func, self->group, &missing));
	if (missing)
		SKIP(return, "%s", missing);

	self->given = parameter("iommu.iova_alloc=", self->value,
				sizeof(self->value));
	self->policy = "default";
	for (i = 0; self->given && i != 3; i++) {
		if (strcmp(self->value, values[i]))
			continue;
		self->known = true;
		/* QEMU has no IOMMU whose driver asks for another one */
		if (i)
			self->policy = values[i];
	}
}

FIXTURE_TEARDOWN(boot)
{
}

/* How many lines of the kernel log have this; -1 if the log has lost its beginning */
static int count_log(const char *text)
{
	bool begin = false;
	char line[2048];
	int count = 0;
	ssize_t n;
	int fd;

	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while ((n = read(fd, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		if (n < 0) {
			errno = 0;
			continue;
		}
		line[n] = 0;
		begin |= !!strstr(line, "Linux version");
		/* The parameters are in there as well */
		if (!strstr(line, "ommand line:"))
			count += !!strstr(line, text);
	}
	close(fd);
	return begin ? count : -1;
}

TEST_F(boot, message)
{
	bool chosen = self->known && strcmp(self->value, "auto");
	char text[256];
	int count;

	/* Nothing is said of what nobody has asked for */
	count = count_log("IOVA allocation:");
	if (count < 0)
		SKIP(return, "the kernel log has lost its beginning");
	EXPECT_EQ(chosen, count);
	EXPECT_EQ(self->given && !self->known, count_log("iommu.iova_alloc="));

	if (chosen) {
		snprintf(text, sizeof(text),
			 "DMA domain IOVA allocation: %s (set via kernel command line)",
			 self->value);
		EXPECT_EQ(1, count_log(text));
	}
	if (self->given && !self->known) {
		snprintf(text, sizeof(text),
			 "iommu.iova_alloc=%s is unknown and ignored. There are: auto, default, wraparound",
			 self->value);
		EXPECT_EQ(1, count_log(text));
	}
}

/* All groups have it, but for those that the DMA API does not use */
TEST_F(boot, groups)
{
	char group[300], type[64], policy[64];
	unsigned int num = 0;
	struct dirent *de;
	DIR *dir;

	dir = opendir(GROUPS);
	ASSERT_NE(NULL, dir);
	while ((de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(group, sizeof(group), GROUPS "/%.32s", de->d_name);
		ASSERT_LT(0, iova_read_group(group, "type", type, sizeof(type)));
		ASSERT_LT(0, iova_read_group(group, "iova_alloc", policy,
					     sizeof(policy)));
		if (strncmp(type, "DMA", 3)) {
			EXPECT_STREQ("none", policy);
		} else {
			EXPECT_STREQ(self->policy, policy);
			num++;
		}
	}
	closedir(dir);
	EXPECT_NE(0, num);
	/* And debugfs has the spaces of those with wraparound */
	if (strcmp(self->policy, "wraparound"))
		num = 0;
	EXPECT_EQ(num, iova_read_counters(NULL, NULL));
}

/* What is written to sysfs has precedence, until that is taken back */
TEST_F(boot, sysfs)
{
	char buf[64];
	unsigned int i;

	for (i = 1; i != 6; i++) {
		const char *value = values[i % 3];

		EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", value));
		EXPECT_LT(0, iova_read_group(self->group, "iova_alloc", buf,
					     sizeof(buf)));
		EXPECT_STREQ(i % 3 ? value : self->policy, buf);
	}
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", "auto"));
}

/* A device works with what it was booted with, strict or lazy */
TEST_F(boot, device)
{
	struct iova_counters counters;
	char buf[64], strict[8];

	ASSERT_LT(0, iova_read_group(self->group, "type", buf, sizeof(buf)));
	if (parameter("iommu.strict=", strict, sizeof(strict)))
		EXPECT_STREQ(atoi(strict) ? "DMA" : "DMA-FQ", buf);
	ASSERT_EQ(0, edu_set_driver(&self->func, "iova_edu"));
	EXPECT_EQ(0, iova_edu_write(&self->func, "copy", "2"));
	if (!strcmp(self->policy, "wraparound")) {
		EXPECT_EQ(1, iova_read_counters(self->func.bdf, &counters));
		EXPECT_LE(4, counters.allocs);
		EXPECT_EQ(!strcmp(buf, "DMA-FQ"), counters.lazy_unmaps != 0);
	}
	iova_release(&self->func);
}

TEST_HARNESS_MAIN
