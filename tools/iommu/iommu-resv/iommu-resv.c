// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommu-resv: plan the memory of VMs around the reserved regions of a host.
 * The command line; see lib/resv.h for the notions and tool.h for the parts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

int complain(const char *fmt, ...)
{
	va_list args;

	fputs("iommu-resv: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_BAD;
}

void warn(const char *fmt, ...)
{
	va_list args;

	fputs("iommu-resv: warning: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

/* Which options a command takes */
#define OPT_DEVICE (1U << 0)
#define OPT_HOST (1U << 1)
#define OPT_SYSFS (1U << 2) /* --root, --source, --no-names */
#define OPT_PLAN (1U << 3)
#define OPT_SVG (1U << 4)
#define OPT_LAYOUT (1U << 5)
#define OPT_ADVISORY (1U << 6)
#define OPT_PID (1U << 7)
#define OPT_ROOT (1U << 8)
#define ARGS_DEVICES (1U << 9) /* what is no option is a device */
#define ARGS_FILES (1U << 10)

#define OPTS_HOST (OPT_DEVICE | OPT_HOST | OPT_SYSFS | OPT_ROOT)

static const struct command {
	const char *name;
	int (*run)(const struct options *opts, FILE *out);
	unsigned int opts;
	const char *usage;
	const char *help;
} commands[] = {
	{ "list", cmd_list, OPTS_HOST | ARGS_DEVICES, "[--device BDF...]",
	  "Show devices and their reserved regions. With --json the output is what\n"
	  "--host, intersect and diff read.\n" },
	{ "ranges", cmd_ranges, OPTS_HOST | ARGS_DEVICES,
	  "[--device BDF...|--all]",
	  "Show what is usable for DMA: for each device and for all of them together.\n" },
	{ "plan", cmd_plan, OPTS_HOST | OPT_PLAN | OPT_ADVISORY | ARGS_DEVICES,
	  "--ram SIZE [--base ADDR] [--align SIZE] [--device BDF...|--all]",
	  "Lay out guest RAM so that each of the devices can be plugged. Prints pieces as\n"
	  "SIZE@ADDRESS and the holes between, with the devices that cause them. Exit code\n"
	  "1: it does not fit.\n" },
	{ "check", cmd_check, OPTS_HOST | OPT_ADVISORY | ARGS_FILES,
	  "LAYOUT.json [--device BDF...|--all]",
	  "Does a layout fit? LAYOUT.json has {\"schema\":1,\"ram\":[{\"start\":\"0x0\",\n"
	  "\"size\":\"2G\"}, ...]}, which the output of plan --json is too. Exit code 0: yes,\n"
	  "1: no, with each region and device in the way, 2: bad input.\n" },
	{ "intersect", cmd_intersect,
	  OPT_DEVICE | OPT_LAYOUT | OPT_ADVISORY | ARGS_FILES,
	  "[--layout LAYOUT.json] HOST.json...",
	  "Show the ranges that all hosts have in common, and which host causes each hole.\n"
	  "With --layout: does it fit on all of them, and which host breaks it? Exit code 1:\n"
	  "it does not, or nothing is in common.\n" },
	{ "diff", cmd_diff, OPT_ADVISORY | ARGS_FILES, "A.json B.json",
	  "Show what differs between two hosts. Exit code 0: nothing, 1: something.\n" },
	{ "map", cmd_map, OPTS_HOST | OPT_SVG | OPT_ADVISORY | ARGS_DEVICES,
	  "[--svg FILE] [--device BDF...|--all]",
	  "Draw the address space, in the terminal or to an SVG file.\n" },
	{ "msi", cmd_msi, OPT_PID | OPT_ROOT, "[--pid PID]",
	  "Show the MSI pages of each open /dev/iommu: doorbell, IOVA, users, HWPTs. Other\n"
	  "users' processes and doorbells are for root.\n" },
};

#define NUM_COMMANDS ARRAY_SIZE(commands)

static const struct opt_help {
	unsigned int opts;
	const char *text;
} opt_helps[] = {
	{ ~0U, "  --json              print JSON, schema 1\n" },
	{ OPT_DEVICE,
	  "  --device BDF...     these devices, as 0000:00:05.0 or 00:05.0\n"
	  "  --all               all that can be assigned, the default\n" },
	{ OPT_HOST,
	  "  --host FILE         the output of list --json in the place of this host;\n"
	  "                      several times for a pool of hosts\n" },
	{ OPT_ROOT,
	  "  --root DIR          a captured tree: DIR/sys, or DIR is that of sysfs\n" },
	{ OPT_SYSFS,
	  "  --source SOURCE     auto, iova_regions, reserved_regions or ioctl; the last\n"
	  "                      binds and so resets devices that vfio-pci has\n"
	  "  --no-names          no names of the PCI ID database\n" },
	{ OPT_PLAN,
	  "  --ram SIZE          guest RAM, such as 512G\n"
	  "  --base ADDR         no RAM below, 0\n"
	  "  --align SIZE        of start and size of each piece, 2M\n"
	  "  --qemu[=q35|virt]   print it as options of QEMU\n" },
	{ OPT_ADVISORY,
	  "  --ignore-advisory   use what is only advised against\n" },
	{ OPT_SVG, "  --svg FILE          write an SVG picture\n" },
	{ OPT_LAYOUT, "  --layout FILE       a layout, see check\n" },
	{ OPT_PID, "  --pid PID           only this process\n" },
};

static void help_all(FILE *f)
{
	size_t i;

	fputs("usage: iommu-resv COMMAND [OPTION...]\n\n"
	      "Which IOVA regions are reserved here, by which device, and where can guest RAM be?\n\n",
	      f);
	for (i = 0; i != NUM_COMMANDS; i++)
		fprintf(f, "  %-9s %s\n", commands[i].name, commands[i].usage);
	fputs("\nSizes and addresses: 4096, 0x1000, 4K, 2M, 512G, 1T. Exit codes: 0 yes or done,\n"
	      "1 no, 2 bad input. iommu-resv COMMAND --help tells more.\n",
	      f);
}

static void help_command(FILE *f, const struct command *command)
{
	size_t i;

	fprintf(f, "usage: iommu-resv %s %s\n\n%s\n", command->name,
		command->usage, command->help);
	for (i = 0; i != ARRAY_SIZE(opt_helps); i++)
		if (opt_helps[i].opts & command->opts)
			fputs(opt_helps[i].text, f);
}

enum {
	O_JSON = 256,
	O_ROOT,
	O_SOURCE,
	O_HOST,
	O_DEVICE,
	O_ALL,
	O_ADVISORY,
	O_NO_NAMES,
	O_RAM,
	O_BASE,
	O_ALIGN,
	O_QEMU,
	O_LAYOUT,
	O_SVG,
	O_PID,
	O_HELP,
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, O_JSON },
	{ "root", required_argument, NULL, O_ROOT },
	{ "source", required_argument, NULL, O_SOURCE },
	{ "host", required_argument, NULL, O_HOST },
	{ "device", required_argument, NULL, O_DEVICE },
	{ "all", no_argument, NULL, O_ALL },
	{ "ignore-advisory", no_argument, NULL, O_ADVISORY },
	{ "no-names", no_argument, NULL, O_NO_NAMES },
	{ "ram", required_argument, NULL, O_RAM },
	{ "base", required_argument, NULL, O_BASE },
	{ "align", required_argument, NULL, O_ALIGN },
	{ "qemu", optional_argument, NULL, O_QEMU },
	{ "layout", required_argument, NULL, O_LAYOUT },
	{ "svg", required_argument, NULL, O_SVG },
	{ "pid", required_argument, NULL, O_PID },
	{ "help", no_argument, NULL, O_HELP },
	{}
};

/* 00:05.0 and 0000:00:05.0 are the same, and sysfs has small letters */
static int add_device(struct names *devices, const char *name)
{
	unsigned int domain, bus, slot, func;
	char full[32];
	int end = 0;

	if (sscanf(name, "%2x:%2x.%1x%n", &bus, &slot, &func, &end) == 3 &&
	    !name[end])
		domain = 0;
	else if (sscanf(name, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &func,
			&end) != 4 ||
		 name[end])
		return names_add(devices, name); /* no PCI function */
	snprintf(full, sizeof(full), "%04x:%02x:%02x.%x", domain, bus, slot,
		 func);
	return names_add(devices, full);
}

static int size_option(const char *name, uint64_t *val)
{
	if (resv_parse_size(optarg, val))
		return complain("--%s %s: not a size or an address", name,
				optarg);
	return 0;
}

static int source_option(struct options *opts)
{
	static const char *const names[] = {
		[SOURCE_AUTO] = "auto",
		[SOURCE_IOCTL] = "ioctl",
		[SOURCE_IOVA_REGIONS] = "iova_regions",
		[SOURCE_RESERVED_REGIONS] = "reserved_regions",
	};
	size_t i;

	for (i = 0; i != ARRAY_SIZE(names); i++)
		if (!strcmp(optarg, names[i])) {
			opts->source = i;
			return 0;
		}
	return complain(
		"--source %s: not one of auto, ioctl, iova_regions, reserved_regions",
		optarg);
}

static int qemu_option(struct options *opts)
{
#if defined(__aarch64__)
	opts->qemu = optarg ?: "virt";
#else
	opts->qemu = optarg ?: "q35";
#endif
	if (strcmp(opts->qemu, "q35") && strcmp(opts->qemu, "virt"))
		return complain("--qemu=%s: not one of q35, virt", opts->qemu);
	return 0;
}

static int pid_option(struct options *opts)
{
	char *end;

	errno = 0;
	opts->pid = strtol(optarg, &end, 10);
	if (errno || *end || end == optarg || opts->pid <= 0)
		return complain("--pid %s: not the number of a process",
				optarg);
	return 0;
}

/* Which commands know it; complains if this one does not */
static bool allowed(const struct command *command, unsigned int need, int index)
{
	if (command->opts & need)
		return true;
	complain("%s does not take --%s", command->name,
		 long_options[index].name);
	return false;
}

static const unsigned int needs[] = {
	[O_ROOT - O_JSON] = OPT_ROOT,
	[O_SOURCE - O_JSON] = OPT_SYSFS,
	[O_HOST - O_JSON] = OPT_HOST,
	[O_DEVICE - O_JSON] = OPT_DEVICE,
	[O_ALL - O_JSON] = OPT_DEVICE,
	[O_ADVISORY - O_JSON] = OPT_ADVISORY,
	[O_NO_NAMES - O_JSON] = OPT_SYSFS,
	[O_RAM - O_JSON] = OPT_PLAN,
	[O_BASE - O_JSON] = OPT_PLAN,
	[O_ALIGN - O_JSON] = OPT_PLAN,
	[O_QEMU - O_JSON] = OPT_PLAN,
	[O_LAYOUT - O_JSON] = OPT_LAYOUT,
	[O_SVG - O_JSON] = OPT_SVG,
	[O_PID - O_JSON] = OPT_PID,
	[O_HELP - O_JSON] = 0,
};

static int take_option(struct options *opts, int c)
{
	int rc;

	switch (c) {
	case O_JSON:
		opts->json = true;
		return 0;
	case O_ROOT:
		opts->root = optarg;
		return 0;
	case O_SOURCE:
		return source_option(opts);
	case O_HOST:
		return names_add(&opts->hosts, optarg);
	case O_DEVICE:
		return add_device(&opts->devices, optarg);
	case O_ALL:
		opts->all = true;
		return 0;
	case O_ADVISORY:
		opts->ignore_advisory = true;
		return 0;
	case O_NO_NAMES:
		opts->no_names = true;
		return 0;
	case O_RAM:
		opts->ram_given = true;
		return size_option("ram", &opts->ram);
	case O_BASE:
		return size_option("base", &opts->base);
	case O_ALIGN:
		rc = size_option("align", &opts->align);
		if (!rc && (!opts->align || (opts->align & (opts->align - 1))))
			rc = complain("--align %s: not a power of two", optarg);
		return rc;
	case O_QEMU:
		return qemu_option(opts);
	case O_LAYOUT:
		opts->layout = optarg;
		return 0;
	case O_SVG:
		opts->svg = optarg;
		return 0;
	case O_PID:
		return pid_option(opts);
	default:
		return EXIT_BAD;
	}
}

/* Does it make sense as a whole? */
static int check_options(const struct command *command, struct options *opts)
{
	if (opts->all && opts->devices.num)
		return complain("--all and --device do not go together");
	if (opts->json && opts->svg)
		return complain("--svg and --json do not go together");
	if (opts->hosts.num && opts->root)
		return complain("--host and --root do not go together");
	if (opts->hosts.num && opts->source != SOURCE_AUTO)
		return complain("--host and --source do not go together");
	if (opts->root && opts->source == SOURCE_IOCTL)
		return complain("--root and --source ioctl do not go together");
	if (opts->args.num && !(command->opts & (ARGS_DEVICES | ARGS_FILES)))
		return complain("%s takes no \"%s\"", command->name,
				opts->args.names[0]);
	return 0;
}

static int take_args(const struct command *command, struct options *opts,
		     int argc, char **argv)
{
	int rc = 0;

	for (; !rc && optind < argc; optind++) {
		/* --device A B C */
		if (command->opts & ARGS_DEVICES)
			rc = add_device(&opts->devices, argv[optind]);
		else
			rc = names_add(&opts->args, argv[optind]);
	}
	return rc < 0 ? complain("out of memory") : 0;
}

/* @out gets the help if it was asked for, which ends it all: -1 */
static int parse_options(const struct command *command, struct options *opts,
			 int argc, char **argv)
{
	int c, rc, index = 0;

	while ((c = getopt_long(argc, argv, "h", long_options, &index)) != -1) {
		if (c == 'h' || c == O_HELP) {
			help_command(stdout, command);
			return -1;
		}
		if (c < O_JSON) /* getopt has complained */
			return EXIT_BAD;
		if (c != O_JSON && !allowed(command, needs[c - O_JSON], index))
			return EXIT_BAD;
		rc = take_option(opts, c);
		if (rc < 0)
			return complain("out of memory");
		if (rc)
			return rc;
	}
	rc = take_args(command, opts, argc, argv);
	return rc ? rc : check_options(command, opts);
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i != NUM_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int run(const struct command *command, const struct options *opts)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int rc;

	if (!out)
		return complain("out of memory");
	rc = command->run(opts, out);
	if (fclose(out)) {
		free(text);
		return complain("out of memory");
	}
	/* "No" is an answer as well */
	if (rc != EXIT_BAD &&
	    (fwrite(text, 1, len, stdout) != len || fflush(stdout)))
		rc = complain("cannot write: %s", strerror(errno));
	free(text);
	return rc;
}

static void names_free(struct names *names)
{
	size_t i;

	for (i = 0; i != names->num; i++)
		free(names->names[i]);
	free(names->names);
}

int main(int argc, char **argv)
{
	struct options opts = { .align = 2 << 20, .pid = -1 };
	const struct command *command;
	int rc;

	/* A closed pipe is an error like a full disk */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		help_all(stderr);
		return EXIT_BAD;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		help_all(stdout);
		return EXIT_YES;
	}
	command = find_command(argv[1]);
	if (!command)
		return complain("%s: no such command, see iommu-resv --help",
				argv[1]);
	argv[1] = argv[0];
	rc = parse_options(command, &opts, argc - 1, argv + 1);
	if (!rc)
		rc = run(command, &opts);
	names_free(&opts.hosts);
	names_free(&opts.devices);
	names_free(&opts.args);
	return rc < 0 ? EXIT_YES : rc;
}
