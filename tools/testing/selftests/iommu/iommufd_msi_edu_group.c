// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two functions that share a group. They share the page table too: who attaches
 * first brings the group there, who detaches last takes it out.
 *
 * Each function runs a program of its own; the test runs every way to interleave
 * the two programs. After each step, every function that has interrupts and is
 * attached must be able to raise one.
 *
 * See iommufd_msi_edu.c for the words, and for what stands in brackets.
 */
#include "iommufd_msi_edu_group.h"

enum group_op { OP_ATTACH, OP_IRQ, OP_DETACH, OP_CLOSE };

static const enum group_op attach_first[NUM_OPS] = { OP_ATTACH, OP_IRQ,
						     OP_DETACH, OP_CLOSE };

static const enum group_op irq_first[NUM_OPS] = { OP_IRQ, OP_ATTACH, OP_DETACH,
						  OP_CLOSE };

/* No detach: the second close finds it closed and does nothing */
static const enum group_op no_detach[NUM_OPS] = { OP_ATTACH, OP_IRQ, OP_CLOSE,
						  OP_CLOSE };

FIXTURE(msi_group)
{
	struct group group;
};

FIXTURE_SETUP(msi_group)
{
	if (!group_open(_metadata, &self->group))
		SKIP(return, "no two edu devices in one group");
}

FIXTURE_TEARDOWN(msi_group)
{
	group_close(&self->group);
}

static void group_check(struct __test_metadata *_metadata, struct group *group)
{
	int i;

	for (i = 0; i != 2; i++)
		if (group->attached[i] && group->irq[i])
			ASSERT_EQ(1, edu_raise(&group->dev[i], EDU_TIMEOUT_MS)) {
				TH_LOG("function %d, order %s", i,
				       group->order);
			}
}

static void group_step(struct __test_metadata *_metadata, struct group *group,
		       int i, enum group_op op, __u32 ioas)
{
	switch (op) {
	case OP_ATTACH:
		ASSERT_EQ(0, edu_attach(&group->dev[i], ioas)) {
			TH_LOG("function %d, order %s", i, group->order);
		}
		group->attached[i] = true;
		break;
	case OP_IRQ:
		ASSERT_EQ(0, edu_irq_on(&group->dev[i])) {
			TH_LOG("function %d, order %s", i, group->order);
		}
		group->irq[i] = true;
		break;
	case OP_DETACH:
		ASSERT_EQ(0, edu_detach(&group->dev[i]));
		group->attached[i] = false;
		break;
	case OP_CLOSE:
		edu_close(&group->dev[i]);
		group->attached[i] = false;
		group->irq[i] = false;
		break;
	}
}

static void every_order(struct __test_metadata *_metadata, struct group *group,
			const enum group_op *program0,
			const enum group_op *program1, bool swap)
{
	const enum group_op *program[2] = { program0, program1 };
	int num_orders = 0;
	unsigned int mask;
	int i;

	/* Bit n says whose turn step n is */
	for (mask = 0; mask != 1 << (2 * NUM_OPS); mask++) {
		__u32 ioas = group->ioas[0];
		int pc[2] = {};

		if (__builtin_popcount(mask) != NUM_OPS)
			continue;
		for (i = 0; i != 2 * NUM_OPS; i++)
			group->order[i] = '0' + ((mask >> i) & 1);
		for (i = 0; i != 2; i++) {
			ASSERT_EQ(0,
				  edu_open_bind(&group->dev[i], group->func[i],
						group->iommufd));
			group->attached[i] = false;
			group->irq[i] = false;
		}
		for (i = 0; i != 2 * NUM_OPS; i++) {
			int who = (mask >> i) & 1;

			group_step(_metadata, group, who,
				   program[who][pc[who]++], ioas);
			group_check(_metadata, group);
			if (!swap)
				continue;
			/* The group moves as one, either function may ask */
			if (!group->attached[who])
				who = !who;
			if (!group->attached[who])
				continue;
			ioas = group->ioas[ioas == group->ioas[0]];
			ASSERT_EQ(0, edu_attach(&group->dev[who], ioas)) {
				TH_LOG("order %s", group->order);
			}
			group_check(_metadata, group);
		}
		num_orders++;
	}
	/* 8 choose 4 */
	ASSERT_EQ(70, num_orders);
}

TEST_F_TIMEOUT(msi_group, attach_first, 300)
{
	every_order(_metadata, &self->group, attach_first, attach_first, false);
}

/* [table] */
TEST_F_TIMEOUT(msi_group, irq_first, 300)
{
	every_order(_metadata, &self->group, irq_first, irq_first, false);
}

/* [table] */
TEST_F_TIMEOUT(msi_group, one_irq_first, 300)
{
	every_order(_metadata, &self->group, attach_first, irq_first, false);
}

TEST_F_TIMEOUT(msi_group, close_attached, 300)
{
	every_order(_metadata, &self->group, no_detach, no_detach, false);
}

/* [table] */
TEST_F_TIMEOUT(msi_group, close_or_detach, 300)
{
	every_order(_metadata, &self->group, no_detach, irq_first, false);
}

/* With a replace after each step. [table] */
TEST_F_TIMEOUT(msi_group, swap, 300)
{
	every_order(_metadata, &self->group, attach_first, irq_first, true);
}

/* [table] */
TEST_F_TIMEOUT(msi_group, swap_close_attached, 300)
{
	every_order(_metadata, &self->group, no_detach, attach_first, true);
}

/*
 * The function that attached first leaves, the other sets up interrupts.
 * The attach handle must not point to the first one any more. [table]
 */
TEST_F(msi_group, first_leaves)
{
	struct group *group = &self->group;
	int i;

	for (i = 0; i != 20; i++) {
		int first = i & 1;
		int second = !first;

		ASSERT_EQ(0, edu_open_bind(&group->dev[first],
					   group->func[first], group->iommufd));
		ASSERT_EQ(0, edu_attach(&group->dev[first], group->ioas[0]));
		ASSERT_EQ(0,
			  edu_open_bind(&group->dev[second],
					group->func[second], group->iommufd));
		ASSERT_EQ(0, edu_attach(&group->dev[second], group->ioas[0]));
		edu_close(&group->dev[first]);

		ASSERT_EQ(0, edu_irq_on(&group->dev[second]));
		ASSERT_IRQ(&group->dev[second]);
		ASSERT_EQ(0, edu_attach(&group->dev[second], group->ioas[1]));
		ASSERT_IRQ(&group->dev[second]);
		edu_close(&group->dev[second]);
	}
}
