// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two devices in different groups.
 * See iommufd_msi_edu.c for the words, and for what stands in brackets.
 */
#include <fcntl.h>
#include <unistd.h>

#include "iommufd_msi_edu.h"

FIXTURE(msi_two)
{
	int iommufd[2];
	struct edu_dev dev[2];
	const struct edu_func *func[2];
	__u32 ioas[2];
};

FIXTURE_SETUP(msi_two)
{
	int i;

	for (i = 0; i != 2; i++) {
		self->iommufd[i] = -1;
		edu_init(&self->dev[i]);
	}
	if (!edu_find_pair(false, self->func))
		SKIP(return, "no two edu devices in different groups");
	for (i = 0; i != 2; i++) {
		self->iommufd[i] = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->iommufd[i]);
	}
}

FIXTURE_TEARDOWN(msi_two)
{
	int i;

	for (i = 0; i != 2; i++) {
		edu_close(&self->dev[i]);
		if (self->iommufd[i] >= 0)
			close(self->iommufd[i]);
	}
}

/*
 * The second device finds the doorbell of the first, and keeps it.
 * [table]
 */
TEST_F(msi_two, one_ioas)
{
	int fd = self->iommufd[0];
	int i;
	int j;

	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_ioas_alloc(fd, &self->ioas[i]));
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_open_bind(&self->dev[i], self->func[i], fd));
		ASSERT_EQ(0, edu_attach(&self->dev[i], self->ioas[0]));
		ASSERT_EQ(0, edu_irq_on(&self->dev[i]));
		for (j = 0; j <= i; j++)
			ASSERT_IRQ(&self->dev[j]);
	}
	/* One moves away and comes back, at its own time */
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev[i & 1],
					self->ioas[(i / 2 + 1) & 1]));
		for (j = 0; j != 2; j++)
			ASSERT_IRQ(&self->dev[j]);
	}
	/* Interrupts of one go off: the other one's stay */
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, edu_irq_off(&self->dev[i & 1]));
		ASSERT_IRQ(&self->dev[!(i & 1)]);
		ASSERT_EQ(0, edu_attach(&self->dev[!(i & 1)],
					self->ioas[i % 3 == 0]));
		ASSERT_IRQ(&self->dev[!(i & 1)]);
		ASSERT_EQ(0, edu_irq_on(&self->dev[i & 1]));
		for (j = 0; j != 2; j++)
			ASSERT_IRQ(&self->dev[j]);
	}
	/* One detaches, then leaves */
	ASSERT_EQ(0, edu_detach(&self->dev[0]));
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_EQ(0, edu_attach(&self->dev[0], self->ioas[0]));
	for (j = 0; j != 2; j++)
		ASSERT_IRQ(&self->dev[j]);
	edu_close(&self->dev[0]);
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_EQ(0, edu_attach(&self->dev[1], self->ioas[0]));
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_EQ(0, edu_attach(&self->dev[1], self->ioas[1]));
	ASSERT_IRQ(&self->dev[1]);
}

/* Two fds know nothing of each other. [table] */
TEST_F(msi_two, two_fds)
{
	__u32 ioas[2][2];
	int i;
	int j;

	for (i = 0; i != 2; i++) {
		for (j = 0; j != 2; j++)
			ASSERT_EQ(0, edu_ioas_alloc(self->iommufd[i],
						    &ioas[i][j]));
		ASSERT_EQ(0, edu_open_bind(&self->dev[i], self->func[i],
					   self->iommufd[i]));
		ASSERT_EQ(0, edu_attach(&self->dev[i], ioas[i][0]));
		ASSERT_EQ(0, edu_irq_on(&self->dev[i]));
		ASSERT_IRQ(&self->dev[i]);
	}
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev[i & 1],
					ioas[i & 1][(i / 2 + 1) & 1]));
		for (j = 0; j != 2; j++)
			ASSERT_IRQ(&self->dev[j]);
	}
	edu_close(&self->dev[0]);
	close(self->iommufd[0]);
	self->iommufd[0] = -1;
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_EQ(0, edu_attach(&self->dev[1], ioas[1][1]));
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_EQ(0, edu_attach(&self->dev[1], ioas[1][0]));
	ASSERT_IRQ(&self->dev[1]);
}

/* A device moves from one fd to another, its doorbells do not follow */
TEST_F(msi_two, move_between_fds)
{
	__u32 ioas[2];
	int i;

	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_ioas_alloc(self->iommufd[i], &ioas[i]));
	for (i = 0; i != 10; i++) {
		ASSERT_EQ(0, edu_open_bind(&self->dev[0], self->func[0],
					   self->iommufd[i & 1]));
		ASSERT_EQ(0, edu_attach(&self->dev[0], ioas[i & 1]));
		ASSERT_EQ(0, edu_irq_on(&self->dev[0]));
		ASSERT_IRQ(&self->dev[0]);
		edu_close(&self->dev[0]);
	}
}
