# One line each for what there is to do; make help prints this list. The work is in scripts/.
export ARCH BASELINE DEBUG PAGES KSRC WORKTREE T V ACCEL MINUTES MACHINE
MAKEFLAGS += --no-print-directory --no-builtin-rules

help:          ## this list
	@awk -F': *## ' '/^[a-z-]+: *##/ { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@sed -nE 's/^#: ?//p' Makefile

run:           ## boot the patched arm64 kernel under QEMU, run the tests of the series
	@scripts/run run
compare:       ## the same device tests on plain 6.12 and on the patched kernel
	@scripts/run compare
check:         ## everything: series, style, unit tests, kselftests on all machines
	@scripts/run check
bench:         ## instructions for each operation, plain and patched
	@scripts/run bench
stress:        ## the stress tests for MINUTES= (default 1) under KASAN
	@scripts/run stress
kernel:        ## build build/arm64/Image or build/x86_64/bzImage
	@scripts/build kernel
shell:         ## boot and give a shell in the guest
	@scripts/run shell
gdb:           ## boot, stopped, and attach gdb
	@scripts/run gdb

check-series:  ## patches apply, give the recorded tree, equal the copies (seconds)
	@scripts/series check
check-style:   ## checkpatch, kernel-doc, sparse, W=1, codespell, shellcheck
	@scripts/style
check-bisect:  ## every step of the series builds for arm64 and x86_64
	@scripts/bisect
docs:          ## build the touched documents with sphinx, no warnings
	@scripts/docs
selftest:      ## the harness reports a crash, a hang, a splat, a missing plan
	@scripts/run selftest

worktree:      ## patches -> build/linux, a kernel git tree with a branch for each topic
	@scripts/series worktree
export:        ## branches of build/linux (or WORKTREE=) -> patches/, copies, BASE
	@scripts/series export
absorb:        ## an edit in drivers/, include/, ... -> a fixup of the patch that owns the file
	@scripts/series absorb
clean:         ## remove builds and results; keep sources, ccache and build/linux
	@scripts/build clean

#:
#: ARCH=arm64|x86_64   BASELINE=1 no patches     DEBUG=kasan with kmemleak and lockdep
#: PAGES=64k (arm64)   T=glob which tests        V=1 show all output
#: KSRC=path           your own 6.12 tree or git clone, only read
#: WORKTREE=path       build this patched git tree as it is; export from it
#: MACHINE=name        run, compare, shell, gdb: one of scripts/machines.ini
#: ACCEL=kvm           QEMU accelerator (tcg)    MINUTES=n how long to stress
#: Exit codes: 0 pass, 1 test failure, 2 harness error, 4 skip, 124 timeout

.PHONY: help run compare check bench stress kernel shell gdb check-series check-style \
	check-bisect docs selftest worktree export absorb clean
