/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of the MSI table of iommufd, for the model checker SPIN.
 *
 * Two groups of two devices each are attached, replaced and detached, and set
 * up and end interrupts, in every order; all that can fail fails at any time. It
 * follows drivers/iommu/iommufd/msi.c and its callers in device.c: an inline
 * here has the name of the function there, less the prefix.
 *
 * IOAS 0 has the HWPTs 1 and 2, IOAS 1 has HWPT 3. The windows of the groups
 * have NSLOTS slots; they overlap in one page, or are the same one if
 * SAME_WINDOW is defined. An IOVA is a page number.
 *
 * Checked after each change of a page table, of the one that a device uses, of
 * what is attached and of what is set up:
 *
 * - An interrupt arrives that is raised now: while the group is attached, the
 *   page table that a device of it uses leads from the IOVA in the device to the
 *   doorbell of this interrupt. See raise_all().
 * - An IOVA of an IOAS leads to one doorbell only, in all of its HWPTs. See
 *   iommu_map().
 *
 * and whenever the table is unlocked:
 *
 * - A HWPT maps what the groups need that are attached to it or on their way to
 *   it, and nothing else. A slot is in use as long as a group needs it. See
 *   check_table().
 *
 * What is done with iommufd_msi_table::lock held is one step for the other
 * processes: the lock keeps them out of the table, and what they do without it
 * finds each page as it was before or as it is afterwards. iommu_group::mutex,
 * which is held while interrupts are set up and while the devices of a group are
 * switched over, is not needed for any of this and not modelled.
 *
 * Each MUTANT_ leaves a step of the protocol out, or does it in another order,
 * to see that the model notices. With INTERRUPTS_ONLY the first check alone has to
 * do so. run.sh runs them all.
 */

#define NGROUPS 2 /* check_table() and page_put() name them both */
#define NDEVS 2
#define NHWPTS 3
#ifndef NSLOTS
#define NSLOTS 2
#endif
/* Interrupts that a group can have at a time */
#ifndef NIRQS
#define NIRQS 2
#endif
#define NPAGES (2 * NSLOTS - 1)

#define IOAS(h) ((h) / 3)

#ifdef SAME_WINDOW
#define WINDOW(g) 0
#else
#define WINDOW(g) (g)
#endif
#define BASE(w) ((w) * (NSLOTS - 1))
#define OVERLAP(g, other) (WINDOW(g) != WINDOW(other))

/* Index of an array with more than one dimension; HWPTs count from 1 */
#define SLOT(w, s) ((w) * NSLOTS + (s))
#define NEED(g, s) ((g) * NSLOTS + (s))
#define HOLD(w, s, h) (SLOT(w, s) * NHWPTS + (h) - 1)
#define PTE(h, iova) (((h) - 1) * NPAGES + (iova))
#define DEV(g, d) ((g) * NDEVS + (d))

/* The table. A doorbell of 0 is none, a HWPT of 0 is none. */
byte slot_doorbell[2 * NSLOTS];
byte holds[2 * NSLOTS * NHWPTS];
byte needs[NGROUPS * NSLOTS];
byte hwpt[NGROUPS];
byte next[NGROUPS];

/* The hardware: page tables, and which one a device uses */
byte pte[NHWPTS * NPAGES];
byte live[NGROUPS * NDEVS];

/*
 * What user space was told: the group is attached, so many interrupts are set
 * up with the address of this slot, for this doorbell.
 */
bit attached[NGROUPS];
byte num_irqs[NGROUPS];
byte irqs[NGROUPS * NSLOTS];
byte irq_doorbell[NGROUPS * NSLOTS];

/*
 * One step of a process: nobody else sees the middle of it. In try() things may
 * fail. As with fail_nth of the fault injection, fail says which: the first one,
 * the second one, ..., or none if it is 0.
 */
byte fail;

#define step(what) atomic { d_step { what } }
#define try(what) atomic { any_fail(); d_step { what; fail = 0 } }
#define try_or(what, label) \
	atomic { try(what); if :: rc -> goto label :: else fi }

inline any_fail()
{
	if
	:: fail = 0
	:: fail = 1
	:: fail = 2
	:: fail = 3
	fi
}

inline may_fail(rc)
{
	rc = (fail == 1 -> 1 : 0);
	fail = (fail > 0 -> fail - 1 : 0)
}

/* Variables of loops; 0 outside of them, so that they add no states */
byte x_g, x_h, x_s, x_w, x_i, x_d, x_want;

/* At any moment any interrupt may be raised by any device of its group */
inline raise_all()
{
	x_g = 0;
	do
	:: x_g < NGROUPS ->
		x_s = 0;
		do
		:: x_s < NSLOTS ->
			x_d = 0;
			do
			:: x_d < NDEVS ->
				assert(!attached[x_g] ||
				       !irqs[NEED(x_g, x_s)] ||
				       pte[PTE(live[DEV(x_g, x_d)],
					       BASE(WINDOW(x_g)) +
					       x_s)] ==
				       irq_doorbell[NEED(x_g, x_s)]);
				x_d++
			:: else -> break
			od;
			x_s++
		:: else -> break
		od;
		x_g++
	:: else -> break
	od;
	x_g = 0; x_s = 0; x_d = 0
}

/* No page table of the IOAS may have another doorbell at this IOVA */
inline iommu_map(h, iova, doorbell)
{
	assert(pte[PTE(h, iova)] == 0);
	x_h = 1;
	do
	:: x_h <= NHWPTS ->
		assert(IOAS(x_h) != IOAS(h) ||
		       pte[PTE(x_h, iova)] == 0 ||
		       pte[PTE(x_h, iova)] == doorbell);
		x_h++
	:: else -> break
	od;
	pte[PTE(h, iova)] = doorbell;
	x_h = 0;
	raise_all()
}

inline iommu_unmap(h, iova)
{
	assert(pte[PTE(h, iova)] != 0);
	pte[PTE(h, iova)] = 0;
	raise_all()
}

/* With the table locked: each HWPT has the union of what its groups need */
inline check_table()
{
#ifndef INTERRUPTS_ONLY
	x_h = 1;
	do
	:: x_h <= NHWPTS ->
		x_i = 0;
		do
		:: x_i < NPAGES ->
			x_want = 0;
			x_g = 0;
			do
			:: x_g < NGROUPS ->
				x_s = 0;
				do
				:: x_s < NSLOTS ->
					if
					:: BASE(WINDOW(x_g)) + x_s ==
					   x_i &&
					   needs[NEED(x_g, x_s)] &&
					   (hwpt[x_g] == x_h ||
					    next[x_g] == x_h) ->
						x_want = slot_doorbell[
							SLOT(WINDOW(x_g), x_s)];
						assert(x_want)
					:: else
					fi;
					x_s++
				:: else -> break
				od;
				x_g++
			:: else -> break
			od;
			assert(pte[PTE(x_h, x_i)] == x_want);
			x_i++
		:: else -> break
		od;
		x_h++
	:: else -> break
	od;
	x_w = 0;
	do
	:: x_w < 2 ->
		x_s = 0;
		do
		:: x_s < NSLOTS ->
			assert((slot_doorbell[SLOT(x_w, x_s)] != 0) ==
			       ((WINDOW(0) == x_w &&
				 needs[NEED(0, x_s)]) ||
				(WINDOW(1) == x_w &&
				 needs[NEED(1, x_s)])));
			x_s++
		:: else -> break
		od;
		x_w++
	:: else -> break
	od;
	x_h = 0; x_i = 0; x_g = 0; x_s = 0; x_w = 0; x_want = 0
#else
	skip
#endif
}

/* Can a window that overlaps that of the group be in use in the IOAS? */
inline window_conflict(g, h, rc)
{
	if
	:: OVERLAP(g, 1 - g) &&
	   ((hwpt[1 - g] && IOAS(hwpt[1 - g]) == IOAS(h))
#ifndef MUTANT_CONFLICT_IGNORES_NEXT
	    || (next[1 - g] && IOAS(next[1 - g]) == IOAS(h))
#endif
	   ) -> rc = 1
	:: else -> rc = 0
	fi
}

inline hold(h, w, s, rc)
{
	if
	:: holds[HOLD(w, s, h)] == 0 ->
		may_fail(rc);
		if
		:: rc == 0 ->
			iommu_map(h, BASE(w) + s, slot_doorbell[SLOT(w, s)]);
			holds[HOLD(w, s, h)] = 1
		:: else
		fi
	:: else ->
		holds[HOLD(w, s, h)]++;
		rc = 0
	fi
}

inline release(h, w, s)
{
	assert(holds[HOLD(w, s, h)]);
	holds[HOLD(w, s, h)]--;
	if
	:: holds[HOLD(w, s, h)] == 0 -> iommu_unmap(h, BASE(w) + s)
	:: else
	fi
}

/* What the group needs in the slots below end */
inline release_below(g, h, end, n)
{
	n = 0;
	do
	:: n < end ->
		if
		:: needs[NEED(g, n)] -> release(h, WINDOW(g), n)
		:: else
		fi;
		n++
	:: else -> break
	od
}

inline hold_all(g, h, s, t, rc)
{
	s = 0;
	rc = 0;
	do
	:: s < NSLOTS && rc == 0 ->
		if
		:: needs[NEED(g, s)] ->
			hold(h, WINDOW(g), s, rc);
			if
#ifndef MUTANT_BEGIN_DOES_NOT_UNDO
			:: rc -> release_below(g, h, s, t)
#endif
			:: else
			fi
		:: else
		fi;
		s++
	:: else -> break
	od
}

inline swap_begin(g, h, s, t, rc)
{
	window_conflict(g, h, rc);
	if
	:: rc == 0 -> hold_all(g, h, s, t, rc)
	:: else
	fi;
	if
	:: rc == 0 -> next[g] = h
	:: else
	fi;
	check_table();
	s = 0; t = 0
}

inline swap_commit(g, s)
{
	if
	:: hwpt[g] -> release_below(g, hwpt[g], NSLOTS, s)
	:: else
	fi;
	hwpt[g] = next[g];
	next[g] = 0;
	check_table();
	s = 0
}

inline swap_abort(g, s)
{
#ifndef MUTANT_ABORT_KEEPS_PAGES
	release_below(g, next[g], NSLOTS, s);
#endif
	next[g] = 0;
	check_table();
	s = 0
}

/*
 * The IOMMU driver: one device after the other, so a switch takes two steps. If
 * the second device fails then the first one goes back, which cannot fail;
 * neither can the way to no domain.
 */
inline set_domain_first(g, to, rc)
{
	rc = 0;
	if
	:: to -> may_fail(rc)
	:: else
	fi;
	if
	:: rc == 0 -> live[DEV(g, 0)] = to
	:: else
	fi;
	raise_all()
}

inline set_domain_second(g, to, rc)
{
	if
	:: rc == 0 && to -> may_fail(rc)
	:: else
	fi;
	if
	:: rc == 0 -> live[DEV(g, 1)] = to
	:: else -> live[DEV(g, 0)] = live[DEV(g, 1)]
	fi;
	raise_all()
}

inline any_hwpt(h)
{
	if
	:: h = 1
	:: h = 2
	:: h = 3
	fi
}

/*
 * One change at a time: iommufd_group::lock is held over the whole of it. What
 * is between two steps is visible to the other group and to the interrupts.
 */
proctype attach_ioctls(byte g)
{
	byte h, s, t, rc;

idle:
	atomic {
		d_step { h = 0; s = 0; t = 0; rc = 0 }
		if
		:: hwpt[g] == 0 -> any_hwpt(h); goto attach
		/* To the old one too: two nested HWPTs may have one parent */
		:: hwpt[g] -> any_hwpt(h); goto replace
		:: hwpt[g] -> goto detach
		fi
	}

	/*
	 * A new domain is switched to before its pages are there: interrupts are
	 * not promised before the attach has ended.
	 */
attach:
	try(set_domain_first(g, h, rc));
	try_or(set_domain_second(g, h, rc), idle);
	try_or(swap_begin(g, h, s, t, rc), detach);
	step(swap_commit(g, s));
	step(attached[g] = 1; raise_all());
	goto idle;

replace:
#ifdef MUTANT_SWITCH_BEFORE_BEGIN
	try(set_domain_first(g, h, rc));
	try_or(set_domain_second(g, h, rc), idle);
	try_or(swap_begin(g, h, s, t, rc), idle);
	step(swap_commit(g, s));
	goto idle;
#endif
	try_or(swap_begin(g, h, s, t, rc), idle);
#ifdef MUTANT_RELEASE_BEFORE_SWITCH
	step(swap_commit(g, s));
	try(set_domain_first(g, h, rc));
	try(set_domain_second(g, h, rc));
	goto idle;
#endif
	try(set_domain_first(g, h, rc));
	try_or(set_domain_second(g, h, rc), abort);
	step(swap_commit(g, s));
	goto idle;

abort:
	step(swap_abort(g, s));
	goto idle;

detach:
	step(attached[g] = 0; h = 0; set_domain_first(g, h, rc));
	step(set_domain_second(g, h, rc));
	step(swap_commit(g, s));
	goto idle
}

/* The slot that has the doorbell or can have it, NSLOTS if the window is full */
inline page_get(w, doorbell, s)
{
	s = 0;
	do
	:: s < NSLOTS && slot_doorbell[SLOT(w, s)] != doorbell -> s++
	:: else -> break
	od;
	if
	:: s == NSLOTS ->
		s = 0;
		do
		:: s < NSLOTS && slot_doorbell[SLOT(w, s)] -> s++
		:: else -> break
		od
	:: else
	fi;
	if
	:: s < NSLOTS -> slot_doorbell[SLOT(w, s)] = doorbell
	:: else
	fi
}

/* The slot is free again if no group needs it */
inline page_put(w, s)
{
	if
	:: !(WINDOW(0) == w && needs[NEED(0, s)]) &&
	   !(WINDOW(1) == w && needs[NEED(1, s)]) ->
		slot_doorbell[SLOT(w, s)] = 0
	:: else
	fi
}

inline need(g, s, rc)
{
	if
	:: needs[NEED(g, s)] -> needs[NEED(g, s)]++; rc = 0
	:: else ->
		may_fail(rc);
		if
		:: rc == 0 && hwpt[g] -> hold(hwpt[g], WINDOW(g), s, rc)
		:: else
		fi;
#ifndef MUTANT_NO_HOLD_IN_NEXT
		if
		:: rc == 0 && next[g] ->
			hold(next[g], WINDOW(g), s, rc);
			if
			:: rc && hwpt[g] -> release(hwpt[g], WINDOW(g), s)
			:: else
			fi
		:: else
		fi;
#endif
		needs[NEED(g, s)] = 1 - rc
	fi
}

inline unneed(g, s)
{
	if
	:: needs[NEED(g, s)] == 1 ->
		if
		:: hwpt[g] -> release(hwpt[g], WINDOW(g), s)
		:: else
		fi;
		if
#ifdef MUTANT_UNNEED_IGNORES_NEXT
		:: 0
#else
		:: next[g] -> release(next[g], WINDOW(g), s)
#endif
		:: else
		fi
	:: else
	fi;
	needs[NEED(g, s)]--
}

inline msi_prepare(g, doorbell, s, rc)
{
	page_get(WINDOW(g), doorbell, s);
	if
	:: s < NSLOTS ->
		need(g, s, rc);
		page_put(WINDOW(g), s);
		if
		:: rc == 0 ->
			/* Within a window a doorbell has one IOVA, and the reverse */
			assert(irqs[NEED(g, s)] == 0 ||
			       irq_doorbell[NEED(g, s)] == doorbell);
			num_irqs[g]++;
			irqs[NEED(g, s)]++;
			irq_doorbell[NEED(g, s)] = doorbell;
			raise_all()
		:: else
		fi
	:: else /* ENOSPC */
	fi;
	check_table()
}

inline msi_unprepare(g, s)
{
	num_irqs[g]--;
	irqs[NEED(g, s)]--;
	if
	:: irqs[NEED(g, s)] == 0 -> irq_doorbell[NEED(g, s)] = 0
	:: else
	fi;
	unneed(g, s);
#ifndef MUTANT_SLOT_STAYS
	page_put(WINDOW(g), s);
#endif
	check_table()
}

inline any_slot(s)
{
	if
	:: s = 0
	:: s = NSLOTS - 1
	fi
}

inline any_doorbell(doorbell)
{
	if
	:: doorbell = 1
	:: doorbell = 2
	fi
}

/* The irqchip and genirq */
proctype interrupts(byte g)
{
	byte doorbell, s, rc;

	do
	:: atomic {
		num_irqs[g] < NIRQS ->
		any_doorbell(doorbell);
		try(msi_prepare(g, doorbell, s, rc));
		d_step { doorbell = 0; s = 0; rc = 0 }
	   }
	:: atomic {
		num_irqs[g] ->
		any_slot(s);
		if
		:: irqs[NEED(g, s)] -> step(msi_unprepare(g, s))
		:: else
		fi;
		s = 0
	   }
	od
}

init {
	atomic {
		run attach_ioctls(0);
		run attach_ioctls(1);
		run interrupts(0);
		run interrupts(1)
	}
}
