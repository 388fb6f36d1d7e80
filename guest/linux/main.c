// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA for functions that gangway passes through to this guest: the module and its parameters.
 * pair.h says how it works.
 */

#include <linux/module.h>

#include "attach.h"
#include "debug.h"
#include "pair.h"
#include "share.h"

bool gw_strict;
module_param_named(strict, gw_strict, bool, 0444);
MODULE_PARM_DESC(strict, "let a device reach memory only while it is mapped by its driver");

enum gw_mode gw_mode;

static char *mode = "auto";
module_param(mode, charp, 0444);
MODULE_PARM_DESC(mode, "auto; ranges: map RAM once; windows: map blocks of it as needed");

static const char * const mode_names[] = {
	[GW_MODE_AUTO] = "auto", [GW_MODE_RANGES] = "ranges", [GW_MODE_WINDOWS] = "windows",
};

static int __init drivers_register(void)
{
	int ret = pci_register_driver(&gw_bars_driver);

	if (ret)
		return ret;
	ret = pci_register_driver(&gw_ivshmem_driver);
	if (ret)
		goto unregister_bars;
#if IS_ENABLED(CONFIG_VIRTIO)
	ret = register_virtio_driver(&gw_port_driver);
	if (ret)
		goto unregister_ivshmem;
#endif
	return 0;
#if IS_ENABLED(CONFIG_VIRTIO)
unregister_ivshmem:
	pci_unregister_driver(&gw_ivshmem_driver);
#endif
unregister_bars:
	pci_unregister_driver(&gw_bars_driver);
	return ret;
}

static int __init gangway_init(void)
{
	int ret = match_string(mode_names, ARRAY_SIZE(mode_names), mode);

	if (ret < 0)
		return ret;
	gw_mode = ret;
	ret = gw_pairs_init();
	if (ret)
		return ret;
	gw_debug_init();
	ret = gw_share_init();
	if (ret)
		goto fini;
	ret = drivers_register();
	if (ret)
		goto unshare;
	/* so that functions are there when modprobe returns */
	gw_pairs_flush();
	return 0;
unshare:
	gw_share_fini();
fini:
	gw_debug_fini();
	gw_pairs_fini();
	return ret;
}
module_init(gangway_init);

static void __exit gangway_exit(void)
{
#if IS_ENABLED(CONFIG_VIRTIO)
	unregister_virtio_driver(&gw_port_driver);
#endif
	pci_unregister_driver(&gw_ivshmem_driver);
	pci_unregister_driver(&gw_bars_driver);
	gw_pairs_fini();
	gw_share_fini();
	gw_debug_fini();
}
module_exit(gangway_exit);

MODULE_DESCRIPTION("DMA for functions passed through by gangway");
MODULE_AUTHOR("The gangway authors");
MODULE_LICENSE("GPL");
