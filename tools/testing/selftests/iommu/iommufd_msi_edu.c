// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSIs of real devices under iommufd (and under the older VFIO containers).
 *
 * The device is QEMU's edu, see vfio_edu.h. Behind an Arm SMMU its interrupts
 * are memory writes that the SMMU translates, so "the interrupt arrived" means
 * "the doorbell is mapped, at the address that was programmed into the device,
 * in the page table the device uses now".
 *
 * The same tests run behind IOMMUs that do not translate MSIs, where they must
 * pass too. Tests of the window itself are skipped there.
 *
 * Words used below: a "replace" is VFIO_DEVICE_ATTACH_IOMMUFD_PT on an attached
 * device ("swap" in the names of tests), the "window" is the IOVA range that is
 * reserved for doorbells.
 *
 * A test names the patch it fails without, if there is one:
 *   [table]   iommufd: Keep MSIs over every change of domain
 *   [lock]    iommu: Hold the group's mutex while an MSI is prepared
 *   [unwind]  irqchip/gic-v3-its, gic-v2m: Unwind when the allocation of an
 *             interrupt fails
 *   [group]   iommufd: Make a change of a group's attachment one step
 *   [keep]    iommu: Keep MSIs that outlive the owner of a group
 *   [hitless] iommu/arm-smmu-v3: Make stage 1 domain replacement hitless
 * All others pass on plain 6.12 and have to stay that way.
 *
 * Environment:
 *   EDU_RACE_SECS      length of each race test, by default 30 for one device
 *                      and 15 for two of a group
 *   EDU_INFLIGHT_IRQS  interrupts in the in-flight test, 5000 by default
 *   EDU_SWAPS          replaces in the swap_often test, 1000 by default
 *   EDU_ROUNDS         set-ups in irq_on_off and irq_refused, 1000 by default
 */
#include <stdio.h>

#include "iommufd_msi_edu_fixture.h"

/* Works on plain 6.12: the test set-up itself is sound */
TEST_F(msi, raise)
{
	int i;

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	for (i = 0; i != 100; i++)
		ASSERT_IRQ(&self->dev);
}

/* Between automatic domains of two IOAS. [table] */
TEST_F(msi, swap_ioas)
{
	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	msi_swap(_metadata, &self->dev, self->pt[PT_IOAS1], "after replace");
	msi_swap(_metadata, &self->dev, self->pt[PT_IOAS0],
		 "after the way back");
}

/* Between manual HWPTs of one IOAS. [table] */
TEST_F(msi, swap_hwpt_same_ioas)
{
	msi_start(_metadata, &self->dev, self->pt[PT_HWPT0_0]);
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT0_1], "after replace");
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT0_0],
		 "after the way back");
}

/* Between manual HWPTs of two IOAS. [table] */
TEST_F(msi, swap_hwpt_two_ioas)
{
	msi_start(_metadata, &self->dev, self->pt[PT_HWPT0_0]);
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT1_0], "after replace");
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT0_0],
		 "after the way back");
}

/* Automatic to manual and the reverse, in one IOAS and in two. [table] */
TEST_F(msi, swap_auto_manual)
{
	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT0_0],
		 "after the change to manual");
	msi_swap(_metadata, &self->dev, self->pt[PT_IOAS0],
		 "after the change to automatic");
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT1_0],
		 "after the change to manual");
	msi_swap(_metadata, &self->dev, self->pt[PT_IOAS0],
		 "after the change to automatic");
}

/* From each of the page tables to each other one. [table] */
TEST_F(msi, swap_all_pairs)
{
	int i;
	int j;

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	for (i = 0; i != NUM_PT; i++) {
		for (j = 0; j != NUM_PT; j++) {
			ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
			ASSERT_IRQ(&self->dev);
			ASSERT_EQ(0, edu_attach(&self->dev, self->pt[j]));
			ASSERT_IRQ(&self->dev);
		}
	}
}

/* An HWPT that is made after the interrupt was set up. [table] */
TEST_F(msi, swap_new_hwpt)
{
	__u32 old = 0;
	__u32 hwpt;
	int i;

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
					    self->pt[i % 2], &hwpt));
		ASSERT_EQ(0, edu_attach(&self->dev, hwpt));
		ASSERT_IRQ(&self->dev);
		if (i)
			ASSERT_EQ(0, edu_destroy(self->iommufd, old));
		old = hwpt;
	}
}

/* The doorbell follows the device across detach and attach. [table] */
TEST_F(msi, detach_attach)
{
	int i;

	for (i = 0; i != NUM_PT; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
		if (!i)
			ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ_MSG("after attach", &self->dev);
		ASSERT_EQ(0, edu_detach(&self->dev));
	}
	/* And when the page table is one that was used before */
	for (i = 0; i != NUM_PT; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
		ASSERT_IRQ(&self->dev);
		ASSERT_EQ(0, edu_detach(&self->dev));
	}
}

/* Interrupts off, replace, on again */
TEST_F(msi, swap_while_off)
{
	int i;

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	for (i = 0; i != 4 * NUM_PT; i++) {
		ASSERT_EQ(0, edu_irq_off(&self->dev));
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i % NUM_PT]));
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ(&self->dev);
	}
}

/* Set-up between bind and attach works as soon as attached. [table] */
TEST_F(msi, irq_before_attach)
{
	int i;

	ASSERT_EQ(0, edu_irq_on(&self->dev));
	for (i = 0; i != NUM_PT; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
		ASSERT_IRQ_MSG("set-up before attach", &self->dev);
		ASSERT_EQ(0, edu_detach(&self->dev));
	}
}

/* The same, but the device was attached before. [table] */
TEST_F(msi, irq_while_detached)
{
	int i;

	for (i = 0; i != NUM_PT; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
		ASSERT_EQ(0, edu_detach(&self->dev));
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
		ASSERT_IRQ_MSG("set-up while detached", &self->dev);
		ASSERT_EQ(0, edu_irq_off(&self->dev));
		ASSERT_EQ(0, edu_detach(&self->dev));
	}
}

/* Nothing is used up by set-up and release */
TEST_F_TIMEOUT(msi, irq_on_off, 120)
{
	int rounds = edu_env("EDU_ROUNDS", 1000);
	int i;

	ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
	for (i = 0; i != rounds; i++) {
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		if (i % 10 == 0)
			ASSERT_IRQ(&self->dev);
		ASSERT_EQ(0, edu_irq_off(&self->dev));
	}
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ(&self->dev);
}

/* Let iommufd refuse what this process asks for; needs CONFIG_IOMMUFD_TEST */
static int iommufd_fails(bool on)
{
	static const struct {
		const char *name;
		const char *on;
		const char *off;
	} knobs[] = {
		{ "verbose", "0", "0" },
		{ "interval", "1", "1" },
		{ "times", "-1", "-1" },
		{ "task-filter", "Y", "N" },
		{ "probability", "100", "0" },
	};
	char path[128];
	unsigned int i;
	int rc;

	for (i = 0; i != ARRAY_SIZE(knobs); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/fail_iommufd/%s",
			 knobs[i].name);
		rc = edu_write_file(path, on ? knobs[i].on : knobs[i].off);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * The step that maps the doorbell fails each time. What was taken before it
 * (descriptors, LPIs or SPIs) must be given back: v2m has only 64 interrupts.
 * [unwind]
 */
TEST_F_TIMEOUT(msi, irq_refused, 300)
{
	int rounds = edu_env("EDU_ROUNDS", 1000);
	int refused = 0;
	int armed = 0;
	int rc;
	int i;

	if (iommufd_fails(true))
		SKIP(return, "no fault injection for iommufd in this kernel");
	ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
	for (i = 0; i != rounds; i++) {
		armed = edu_write_file("/proc/thread-self/make-it-fail", "1");
		if (armed)
			break;
		rc = edu_irq_on(&self->dev);
		edu_write_file("/proc/thread-self/make-it-fail", "0");
		if (!rc) {
			edu_irq_off(&self->dev);
			break;
		}
		refused++;
	}
	iommufd_fails(false);
	ASSERT_EQ(0, armed);
	ksft_print_msg("%d set-ups refused\n", refused);
	if (!refused)
		SKIP(return, "iommufd has no part in the set-up here");
	ASSERT_EQ(rounds, refused);

	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ_MSG("after the refused set-ups", &self->dev);
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT1_0], "after replace");
}

/* Many replaces, one interrupt after each. [table] */
TEST_F_TIMEOUT(msi, swap_often, 600)
{
	unsigned long n = edu_env("EDU_SWAPS", 1000);
	unsigned long lost = 0;
	unsigned long i;
	int rc;

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	/* A few losses are enough, each one costs a timeout */
	for (i = 0; i != n && lost < 5; i++) {
		ASSERT_EQ(0,
			  edu_attach(&self->dev, self->pt[(i + 1) % NUM_PT]));
		rc = edu_raise(&self->dev, EDU_TIMEOUT_MS);
		ASSERT_LE(0, rc);
		lost += !rc;
	}
	ksft_print_msg("%lu replaces: %lu lost\n", i, lost);
	ASSERT_EQ(0, lost);
}

/*
 * The two fds can be closed in either order, interrupts on or off.
 * [table]
 */
TEST_F(msi, close_order)
{
	int i;

	for (i = 0; i != 8; i++) {
		const struct edu_func *func = self->dev.func;
		bool iommufd_first = i & 1;
		bool irq_on = i & 2;
		bool swap = i & 4;

		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ(&self->dev);
		if (swap) {
			ASSERT_EQ(0,
				  edu_attach(&self->dev, self->pt[PT_HWPT1_0]));
			ASSERT_IRQ(&self->dev);
		}
		if (!irq_on)
			ASSERT_EQ(0, edu_irq_off(&self->dev));
		if (iommufd_first) {
			close(self->iommufd);
			if (irq_on)
				ASSERT_IRQ(&self->dev);
			edu_close(&self->dev);
		} else {
			edu_close(&self->dev);
			close(self->iommufd);
		}

		self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->iommufd);
		ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
		ASSERT_EQ(0,
			  edu_ioas_alloc(self->iommufd, &self->pt[PT_IOAS0]));
		ASSERT_EQ(0,
			  edu_ioas_alloc(self->iommufd, &self->pt[PT_IOAS1]));
		ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
					    self->pt[PT_IOAS1],
					    &self->pt[PT_HWPT1_0]));
	}
}

TEST_HARNESS_MAIN
