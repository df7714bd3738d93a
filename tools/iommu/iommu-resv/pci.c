// SPDX-License-Identifier: GPL-2.0-only
/* Names of PCI devices, if the library for that was there at build time. */
#define _GNU_SOURCE
#include "tool.h"

#ifdef HAVE_LIBPCI

#include <ctype.h>
#include <pci/pci.h>
#include <string.h>

void pci_label_host(struct resv_host *host)
{
	struct pci_access *access = pci_alloc();
	struct pci_dev *pdev;
	char label[160];
	size_t i;

	pci_init(access);
	for (i = 0; i != host->num_devices; i++) {
		struct resv_device *dev = &host->devices[i];
		unsigned int domain, bus, slot, func;
		char *p;

		if (sscanf(dev->name, "%x:%x:%x.%x", &domain, &bus, &slot,
			   &func) != 4)
			continue;
		pdev = pci_get_dev(access, domain, bus, slot, func);
		if (!pdev)
			continue;
		if (pci_fill_info(pdev, PCI_FILL_IDENT) & PCI_FILL_IDENT &&
		    pdev->vendor_id != 0xffff &&
		    pci_lookup_name(access, label, sizeof(label),
				    PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE,
				    pdev->vendor_id, pdev->device_id)) {
			for (p = label; *p; p++)
				if (!isprint((unsigned char)*p))
					*p = '?';
			dev->label = strdup(label);
		}
		pci_free_dev(pdev);
	}
	pci_cleanup(access);
}

#else

void pci_label_host(struct resv_host *host)
{
	(void)host;
}

#endif
