/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <gangway/topology.h>

/* 1 to @digits hex digits. Return: where they end, or NULL. */
static const char *take_hex(const char *at, unsigned int digits, uint32_t *val)
{
	const char *begin = at;

	for (*val = 0; isxdigit((unsigned char)*at); at++) {
		if ((unsigned int)(at - begin) == digits)
			return NULL;
		*val = *val << 4 | (uint32_t)(isdigit((unsigned char)*at) ?
					      *at - '0' : (*at | 0x20) - 'a' + 10);
	}
	return at == begin ? NULL : at;
}

int gw_pci_addr_parse(const char *text, struct gw_pci_addr *addr)
{
	uint32_t part[3], fn;
	unsigned int nr = 0;
	const char *at = text;

	for (;;) {
		at = take_hex(at, 8, &part[nr++]);
		if (!at || (*at != ':' && *at != '.') || (*at == ':' && nr == 3))
			return -EINVAL;
		if (*at++ == '.')
			break;
	}
	at = take_hex(at, 1, &fn);
	if (!at || *at || nr < 2 || fn > 7 || part[nr - 1] > 31 || part[nr - 2] > 255)
		return -EINVAL;
	*addr = (struct gw_pci_addr){ .domain = nr == 3 ? part[0] : 0,
				      .bus = (uint8_t)part[nr - 2], .dev = (uint8_t)part[nr - 1],
				      .fn = (uint8_t)fn };
	return 0;
}

const char *gw_pci_addr_format(const struct gw_pci_addr *addr, char text[GW_PCI_ADDR_SIZE])
{
	snprintf(text, GW_PCI_ADDR_SIZE, "%04" PRIx32 ":%02x:%02x.%x", addr->domain, addr->bus,
		 addr->dev & 31, addr->fn & 7);
	return text;
}
