# SPDX-License-Identifier: GPL-2.0-only
# One line each for what there is to do; make help prints this list. The work is in scripts/.
export NAME ARCH BASELINE DEBUG PAGES KSRC WORKTREE T V ACCEL MINUTES MACHINE MACHINES KERNELS FORCE FROM TO DESTDIR CONFIG
MAKEFLAGS += --no-print-directory --no-builtin-rules

help:          ## this list
	@scripts/help

## Run it
run:           ## boot the patched arm64 kernel under QEMU, run the tests of the series
	@scripts/run run
compare:       ## the same device tests on plain 6.12 and on the patched kernel
	@scripts/run compare
bench:         ## instructions for each operation, plain and patched
	@scripts/run bench
stress:        ## the stress tests for MINUTES= (default 1) under KASAN
	@scripts/run stress
random:        ## 10 million random operations of an allocator of IOVAs against its model (10 minutes)
	@scripts/run random
peers:         ## mainline's own tests of VFIO, on plain 6.12 and on the patched kernel
	@scripts/peers
vmm:           ## Debian's QEMU in a guest passes devices to a VM with KVM, T= which scenario, T='*' all
	@scripts/vmm
shell:         ## boot and give a shell in the guest
	@scripts/run shell
gdb:           ## boot, stopped, and attach gdb
	@scripts/run gdb
kernel:        ## build build/arm64/Image or build/x86_64/bzImage
	@scripts/build kernel
deb:           ## Debian packages of the patched kernel, CONFIG= your config, in build/dist/
	@scripts/dist deb
dist-tests:    ## the kselftests as a pack for other machines, tried out in a guest
	@scripts/dist tests
lava:          ## write jobs for LAVA, QEMU and a board, and run the QEMU one with its dispatcher
	@scripts/lava run
fleet:         ## a LAVA server and two workers on this machine, a job for each of MACHINES=
	@scripts/lava fleet
headers:       ## install the series' linux/iommufd.h and linux/vfio.h to DESTDIR=
	@scripts/build headers

## Check it
check:         ## everything CI runs: series, style, unit tests, kselftests on all machines
	@scripts/run check
check-series:  ## patches apply, give the recorded tree, equal the copies (seconds)
	@scripts/series check
check-style:   ## checkpatch, kernel-doc, sparse, W=1, codespell, shellcheck
	@scripts/style
check-front:   ## the scripts lose no edit, touch nothing outside, answer wrong arguments
	@scripts/front
model:         ## the SPIN model of the MSI table, and that it notices what is left out
	@scripts/model
check-tool:    ## the tests of iommu-resv that need no guest
	@scripts/tool check
capture:       ## what iommu-resv reads on MACHINE=, for its tests/captures/NAME.tree
	@scripts/run capture
fuzz:          ## the parsers of iommu-resv for MINUTES= (default 1)
	@scripts/tool fuzz
check-bisect:  ## every step of the series builds for arm64 and x86_64
	@scripts/bisect
proof:         ## a kernel without each fix of 0-fixes: does its test fail? (an hour)
	@scripts/proof
mutants:       ## edits of the kernel break the claims of 3-iova: do the tests fail? (MINUTES=, and again)
	@scripts/proof mutants
coverage:      ## which lines of the series the tests reach, by gcov (an hour); MACHINES= again
	@scripts/run coverage
selftest:      ## the harness reports a crash, a hang, a splat, a missing plan
	@scripts/run selftest
docs:          ## build the touched documents with sphinx, no warnings
	@scripts/docs

## Change it
worktree:      ## patches/ -> build/linux, a kernel git tree with a branch for each topic
	@scripts/branches worktree
export:        ## branches of build/linux (or WORKTREE=) -> patches/, copies, BASE
	@scripts/branches export
absorb:        ## edits in drivers/, include/, ... -> fixups of the patches that wrote the lines
	@scripts/branches absorb
range-diff:    ## what changed in patches/ since FROM= (default HEAD) of this repository
	@scripts/series range-diff
compile-commands: ## build/linux/compile_commands.json for clangd
	@WORKTREE=build/linux scripts/build compile-commands
report:        ## write the figures of README.md and TESTING.md from the last runs
	@scripts/report.py build/report README.md TESTING.md
send:          ## write each topic as mails with recipients into build/send/, send nothing
	@scripts/send
list:          ## write patches/README.md, the table of the patches
	@scripts/series list
clean:         ## remove builds and results; keep sources, ccache and build/linux
	@scripts/build clean

.PHONY: help run compare bench stress random peers vmm shell gdb kernel deb dist-tests lava fleet headers check \
	check-series check-style check-front model check-tool capture fuzz check-bisect proof mutants coverage selftest docs \
	worktree export absorb range-diff compile-commands report send list clean
