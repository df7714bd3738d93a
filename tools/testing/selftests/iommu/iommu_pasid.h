/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mock devices of drivers/iommu/iommu-pasid-mock.c, and what debugfs says of
 * PASIDs. Functions return 0, or what they say, or a negative errno.
 */
#ifndef __SELFTEST_IOMMU_PASID_H
#define __SELFTEST_IOMMU_PASID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PASID_MOCK "/sys/kernel/debug/iommu_pasid_mock"
#define PASID_LIST "/sys/kernel/debug/iommu/pasids"

/* The devices that each test has */
enum {
	WIDE0,
	WIDE1,
	/* 4 bits: PASIDs 1 to 15 */
	NARROW,
	NUM_MOCKS,
};

#define NARROW_LIMIT 16

extern const char *const mock_names[NUM_MOCKS];

/* All of them, after those of a test that was killed are gone */
int mocks_create(void);
void mocks_remove(void);
int mock_create(const char *name, unsigned int bits);
int mock_remove(const char *name);
/* Broken promises that the IOMMU of the mock devices has seen */
int mock_violations(void);

/* Opens a queue of a device: a file descriptor, which an exec() keeps */
int queue_open(const char *mock);
/* "bind" and so on */
int queue_do(int fd, const char *cmd);
/* Its PASID */
int queue_pasid(int fd);
/* The first number in the page of a queue that is not bound to a process */
int queue_number(int fd, uint64_t *number);

/* The device writes a number */
int mock_dma(const char *mock, int pasid, const uint64_t *addr,
	     uint64_t number);
/* The device sends page requests for an address */
int mock_request(const char *mock, int pasid, const void *addr,
		 unsigned int num);

struct mock_requests {
	int sent;
	int answered;
	int successful;
};

int mock_read_requests(const char *mock, struct mock_requests *requests);
/* A page that does not come while the devices' memory stalls, or NULL */
void *mock_stall_map(size_t length);
int mock_set_stall(bool stall);
/* The driver says that a PASID was drained */
int mock_drained(const char *mock, int pasid);
/* What its driver does when it is asked: "none", "ok", "fail", "hang" */
int mock_set_drain(const char *mock, const char *what);
/* How often it was asked, and for which PASID the last time */
int mock_read_drain(const char *mock, int *pasid);

int set_grace_ms(unsigned int ms);

struct pasid_counts {
	unsigned long grace_ms;
	unsigned long allocated;
	unsigned long exhausted;
	unsigned long unused;
	unsigned long drained;
	unsigned long expired;
	unsigned long reclaimed;
	unsigned long live_mm;
	unsigned long live_driver;
	unsigned long resting;
};

/* Of PASID_LIST */
int read_counts(struct pasid_counts *counts);
/* Reads all of PASID_LIST, and checks each line: number of PASIDs, -EBADMSG */
int check_list(void);
/* Waits until so many are live and rest; the last known counts in any case */
bool wait_counts(struct pasid_counts *counts, unsigned long live_mm,
		 unsigned long live_driver, unsigned long resting);

/* A process that does what it is told */
struct child {
	pid_t pid;
	int fd;
};

/* What all processes have at the same address, each for itself */
extern uint64_t child_target;

int child_start(struct child *child);
/* It opens a queue of the device, if it has none, and has it do something */
int child_do(struct child *child, int mock, const char *cmd);
/* What a device has written to its memory */
int child_value(struct child *child, uint64_t *value);
/* It starts another program, or rather this one again, with its open queues */
int child_exec(struct child *child);
/* PASID of "bind" on that device */
int child_bind(struct child *child, int mock);
/* Ends it with a signal, or if that is 0 by exit(), and waits for it */
int child_end(struct child *child, int sig);
/* For main(): what the program that a child starts does */
int child_main(int fd);

/* Milliseconds of a clock that does not stop */
unsigned long now_ms(void);

#endif
