// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a plan means for QEMU, which does not take a memory map. It has its own:
 *
 *   q35   RAM from 0 to at most 2G (2.75G if the VM has less than that), its end
 *         can be lowered with max-ram-below-4g; the rest from 4G upwards, or
 *         from 1T if it is an AMD CPU and what follows would reach
 *         HyperTransport's range: RAM, memory devices, and 32G for PCI
 *   virt  RAM from 1G upwards
 *
 * in one piece each, and then memory devices. Their area starts at the next GiB,
 * and a DIMM can be put at an address. So a hole behind the first piece can be
 * kept by DIMMs behind it; one in front of where QEMU's own RAM starts is none of
 * its business, and one where that starts cannot be kept.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tool.h"

#define MiB (1ULL << 20)
#define GiB (1ULL << 30)

/* Linux adds memory that is hotplugged, as a DIMM is, in blocks of this */
#define DIMM_ALIGN (128 * MiB)

/* The HyperTransport range of AMD */
#define HT_START 0xfd00000000ULL
#define HT_LAST 0xffffffffffULL

/* pci-hole64-size of q35 unless the user says otherwise. It starts at a GiB */
#define PCI_HOLE (32 * GiB)

/* Between base memory and 1 MiB: VGA and ROMs */
#define LEGACY_START 0xa0000
#define LEGACY_LAST 0xfffff

struct qemu_map {
	uint64_t low; /* q35: bytes of RAM from 0 */
	uint64_t high_start;
	uint64_t high; /* bytes of RAM from high_start */
	bool behind_ht;
	struct resv_set dimms;
};

/* It is an answer: QEMU cannot do that */
static int no(const char *why)
{
	complain("%s", why);
	return EXIT_NO;
}

/* How much RAM there can be from @start on, at most @want */
static uint64_t room(const struct resv_set *common, uint64_t start,
		     uint64_t want, uint64_t align)
{
	const struct resv_range *range;
	uint64_t size;

	range = resv_set_find(common, (struct resv_range){ start, start });
	if (!range)
		return 0;
	size = range->last - start + 1;
	if (!size || size > want)
		size = want;
	return size & ~(align - 1);
}

/* Where QEMU puts memory devices: from the GiB behind its RAM on. 0: there is none */
static uint64_t device_area(const struct qemu_map *map)
{
	if (map->high > UINT64_MAX - GiB - map->high_start)
		return 0;
	return (map->high_start + map->high + GiB - 1) & ~(GiB - 1);
}

static uint64_t map_last(const struct qemu_map *map)
{
	if (map->dimms.num)
		return map->dimms.ranges[map->dimms.num - 1].last;
	if (map->high)
		return map->high_start + map->high - 1;
	return map->low - 1;
}

/* Bytes of the area up to the last DIMM: holes take from it as well */
static uint64_t dimm_area(const struct qemu_map *map)
{
	return map->dimms.num ? map_last(map) - device_area(map) + 1 : 0;
}

/* Would QEMU reach HyperTransport's range? For each DIMM it adds a GiB to the area */
static bool reaches_ht(const struct qemu_map *map)
{
	uint64_t end = device_area(map) + dimm_area(map) + map->dimms.num * GiB;

	/* 0 is the end of the address space */
	return end - 1 >= HT_START - PCI_HOLE;
}

static const struct resv_hole *hole_at(const struct resv_holes *holes,
				       uint64_t addr)
{
	size_t i;

	for (i = 0; i != holes->num; i++)
		if (holes->holes[i].start <= addr &&
		    holes->holes[i].last >= addr)
			return &holes->holes[i];
	return NULL;
}

/* Other IOMMUs have the range in no region of its own */
static bool is_amd(const struct resv_holes *holes)
{
	size_t i;

	for (i = 0; i != holes->num_blocks; i++)
		if (holes->blocks[i].start == HT_START &&
		    holes->blocks[i].last == HT_LAST &&
		    holes->blocks[i].why == RESV_RESERVED)
			return true;
	return false;
}

/* What is behind @map->high_start: RAM, and the rest of @want in DIMMs */
static int place_high(struct qemu_map *map, const struct options *opts,
		      const struct resv_holes *holes,
		      const struct resv_set *common, uint64_t want)
{
	struct resv_plan rest = { .align = DIMM_ALIGN };
	struct resv_err err;
	int rc;

	if (opts->align > rest.align)
		rest.align = opts->align;
	map->high = room(common, map->high_start, want, opts->align);
	want -= map->high;
	if (!want)
		return 0;
	if (want & (rest.align - 1)) {
		/* DIMMs are of whole blocks: what is odd must be in front */
		uint64_t odd = rest.align - (want & (rest.align - 1));

		if (map->high < odd)
			return no(
				"QEMU needs DIMMs for this, so a multiple of 128M of RAM");
		map->high -= odd;
		want += odd;
	}
	rest.ram = want;
	rest.base = device_area(map);
	rc = rest.base ? resv_make_plan(&rest, holes, &err) : -ENOSPC;
	map->dimms = rest.pieces;
	if (rc == -ENOSPC)
		return no(
			"does not fit with QEMU: no room for all of it in DIMMs");
	return rc ? complain("%s", err.text) : 0;
}

static int place_q35(struct qemu_map *map, const struct options *opts,
		     const struct resv_holes *holes,
		     const struct resv_set *common)
{
	uint64_t most = opts->ram >= 0xb0000000 ? 0x80000000 : 0xb0000000;
	uint64_t want = opts->ram;
	int rc;

	map->low = room(common, 0, want < most ? want : most, opts->align);
	if (!map->low)
		return no(
			"QEMU's q35 has RAM at 0, where these devices should not do DMA");
	want -= map->low;
	map->high_start = 4 * GiB;
	map->high = want;
	if (!is_amd(holes) || !reaches_ht(map)) {
		rc = place_high(map, opts, holes, common, want);
		if (rc || !is_amd(holes) || !reaches_ht(map))
			return rc;
		resv_set_free(&map->dimms);
	}
	/* QEMU 7.1 and later, with an AMD CPU model, keep it free */
	map->behind_ht = true;
	map->high_start = HT_LAST + 1;
	return place_high(map, opts, holes, common, want);
}

static int place(struct qemu_map *map, const struct options *opts,
		 const struct resv_holes *holes, const struct resv_set *common)
{
	if (!strcmp(opts->qemu, "q35"))
		return place_q35(map, opts, holes, common);
	map->high_start = GiB;
	if (hole_at(holes, GiB))
		return no(
			"QEMU's virt has RAM at 1G, where these devices should not do DMA");
	return place_high(map, opts, holes, common, opts->ram);
}

static const char *size_text(char *buf, uint64_t size)
{
	return resv_exact_size(buf, (struct resv_range){ 0, size - 1 });
}

static void print_options(FILE *out, const char *machine,
			  const struct qemu_map *map)
{
	uint64_t boot = map->low + map->high;
	char size[RESV_SIZE_LEN], max[RESV_SIZE_LEN];
	size_t i;

	fprintf(out, "-machine %s", machine);
	if (map->low && boot > map->low)
		fprintf(out, ",max-ram-below-4g=%s", size_text(size, map->low));
	fprintf(out, " \\\n-m %s", size_text(size, boot));
	if (map->dimms.num)
		fprintf(out, ",slots=%zu,maxmem=%s", map->dimms.num,
			size_text(max, boot + dimm_area(map)));
	for (i = 0; i != map->dimms.num; i++) {
		struct resv_range dimm = map->dimms.ranges[i];

		fprintf(out,
			" \\\n-object memory-backend-ram,id=ram%zu,size=%s", i,
			resv_exact_size(size, dimm));
		fprintf(out, " \\\n-device pc-dimm,id=dimm%zu,memdev=ram%zu", i,
			i);
		fprintf(out, ",addr=0x%" PRIx64, dimm.start);
	}
	fputc('\n', out);
}

static void print_pieces(FILE *out, const struct qemu_map *map)
{
	char size[RESV_SIZE_LEN];
	size_t i;

	if (map->low)
		fprintf(out, "# %s@0x0\n", size_text(size, map->low));
	if (map->high)
		fprintf(out, "# %s@0x%" PRIx64 "\n", size_text(size, map->high),
			map->high_start);
	for (i = 0; i != map->dimms.num; i++)
		fprintf(out, "# %s@0x%" PRIx64 " (DIMM)\n",
			resv_exact_size(size, map->dimms.ranges[i]),
			map->dimms.ranges[i].start);
}

static void print_notes(FILE *out, const struct options *opts,
			const struct qemu_map *map)
{
	uint64_t last = map_last(map);
	unsigned int bits = 64 - __builtin_clzll(last);

	if (opts->base)
		fputs("# --base means nothing here: where RAM starts is up to QEMU.\n",
		      out);
	if (map->dimms.num)
		fputs("# The guest finds DIMMs by ACPI and uses them once it has booted.\n",
		      out);
	if (bits > 40)
		fprintf(out,
			"# The CPU must have %u address bits, see host-phys-bits.\n",
			bits);
	if (map->dimms.num && strcmp(opts->qemu, "q35"))
		fputs("# QEMU takes DIMMs there only with UEFI as -bios or pflash.\n",
		      out);
	if (map->behind_ht)
		fputs("# An AMD CPU model makes QEMU 7.1 and later put RAM at 1T.\n",
		      out);
}

/*
 * A PC has no RAM there, so it does no harm that a host bridge has its VGA window
 * there, as most do. It becomes part of what is common.
 */
static int fill_legacy(const struct resv_holes *holes, struct resv_set *common)
{
	size_t i;
	int rc;

	for (i = 0; i != holes->num_blocks; i++) {
		const struct resv_block *block = &holes->blocks[i];

		if (block->start > LEGACY_LAST || block->last < LEGACY_START)
			continue;
		if (block->start < LEGACY_START || block->last > LEGACY_LAST ||
		    !resv_type_advisory(block->why))
			return 0;
	}
	rc = resv_set_add(common, LEGACY_START, LEGACY_LAST);
	resv_set_normalize(common);
	return rc;
}

int print_qemu(FILE *out, const struct options *opts,
	       const struct resv_holes *holes)
{
	struct resv_set common = {};
	struct qemu_map map = {};
	int rc;

	if (!opts->ram || opts->ram & (opts->align - 1))
		return complain(
			"the size of RAM is 0 or no multiple of the alignment");
	if (opts->align < MiB)
		return complain("--qemu needs --align 1M or more");
	if (resv_common_ranges(holes, &common) ||
	    (!strcmp(opts->qemu, "q35") && fill_legacy(holes, &common)))
		rc = complain("out of memory");
	else
		rc = place(&map, opts, holes, &common);
	if (!rc) {
		print_options(out, opts->qemu, &map);
		print_pieces(out, &map);
		print_notes(out, opts, &map);
	}
	resv_set_free(&common);
	resv_set_free(&map.dimms);
	return rc;
}
