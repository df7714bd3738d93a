// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that has an interrupt and does no DMA, as that of a PCIe port. It may
 * be bound beside the DMA owner of its group, set up its interrupt under it and
 * keep it for longer. For QEMU's edu device, a test binds it by driver_override
 * and writes to its attribute "raise": ETIMEDOUT if the interrupt is lost.
 */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/pci.h>

#include "selftest_irq.h"

/* Registers in BAR 0 */
#define EDU_REG_STATUS	0x24
#define EDU_REG_RAISE	0x60
#define EDU_REG_ACK	0x64

struct test_irq {
	void __iomem *bar;
	struct completion done;
};

static irqreturn_t test_irq_handler(int irq, void *data)
{
	struct test_irq *ti = data;

	writel(readl(ti->bar + EDU_REG_STATUS), ti->bar + EDU_REG_ACK);
	complete(&ti->done);
	return IRQ_HANDLED;
}

static ssize_t raise_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t count)
{
	struct test_irq *ti = dev_get_drvdata(dev);

	reinit_completion(&ti->done);
	writel(1, ti->bar + EDU_REG_RAISE);
	if (!wait_for_completion_timeout(&ti->done, HZ)) {
		writel(1, ti->bar + EDU_REG_ACK);
		return -ETIMEDOUT;
	}
	return count;
}
static DEVICE_ATTR_WO(raise);

static struct attribute *test_irq_attrs[] = {
	&dev_attr_raise.attr,
	NULL
};
ATTRIBUTE_GROUPS(test_irq);

static int test_irq_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct test_irq *ti;
	int rc;

	ti = devm_kzalloc(&pdev->dev, sizeof(*ti), GFP_KERNEL);
	if (!ti)
		return -ENOMEM;
	init_completion(&ti->done);
	pci_set_drvdata(pdev, ti);

	rc = pcim_enable_device(pdev);
	if (rc)
		return rc;
	ti->bar = pcim_iomap(pdev, 0, 0);
	if (!ti->bar)
		return -ENOMEM;
	/* An MSI is a write of the device */
	pci_set_master(pdev);
	rc = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
	if (rc < 0)
		return rc;
	rc = request_irq(pci_irq_vector(pdev, 0), test_irq_handler, 0,
			 "iommufd_test_irq", ti);
	if (rc)
		pci_free_irq_vectors(pdev);
	return rc;
}

static void test_irq_remove(struct pci_dev *pdev)
{
	free_irq(pci_irq_vector(pdev, 0), pci_get_drvdata(pdev));
	pci_free_irq_vectors(pdev);
	pci_clear_master(pdev);
}

static struct pci_driver test_irq_driver = {
	.name = "iommufd_test_irq",
	.probe = test_irq_probe,
	.remove = test_irq_remove,
	.driver_managed_dma = true,
	.dev_groups = test_irq_groups,
};

int __init iommufd_test_irq_init(void)
{
	return pci_register_driver(&test_irq_driver);
}

void iommufd_test_irq_exit(void)
{
	pci_unregister_driver(&test_irq_driver);
}
