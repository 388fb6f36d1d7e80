/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_SPEC_H
#define DEVICES_NVME_SPEC_H

/* Numbers of the NVM Express Base Specification 1.4. Section numbers refer to it. */

/* 3.1: controller registers */
#define NVME_REG_CAP		0x00
#define NVME_REG_VS		0x08
#define NVME_REG_INTMS		0x0c
#define NVME_REG_INTMC		0x10
#define NVME_REG_CC		0x14
#define NVME_REG_CSTS		0x1c
#define NVME_REG_AQA		0x24
#define NVME_REG_ASQ		0x28
#define NVME_REG_ACQ		0x30
#define NVME_REG_CMBLOC		0x38
#define NVME_REG_CMBSZ		0x3c
#define NVME_REG_CMBMSC		0x50
#define NVME_REG_DOORBELLS	0x1000

#define NVME_VERSION		0x00010400u

/* 3.1.1: CAP */
#define NVME_CAP_MQES(v)	((uint64_t)(v))
#define NVME_CAP_CQR		(1ull << 16)
#define NVME_CAP_TO(v)		((uint64_t)(v) << 24)
#define NVME_CAP_CSS_NVM	(1ull << 37)
#define NVME_CAP_MPSMIN(v)	((uint64_t)(v) << 48)
#define NVME_CAP_MPSMAX(v)	((uint64_t)(v) << 52)

#define NVME_CAP_CMBS		(1ull << 57)

/* 3.1.11, 3.1.12, 3.1.16: the controller memory buffer, of data; sizes in units of 4 KiB */
#define NVME_CMBSZ_RDS		(1u << 3)
#define NVME_CMBSZ_WDS		(1u << 4)
#define NVME_CMBSZ_SZ(v)	((uint32_t)(v) << 12)
#define NVME_CMBMSC_CRE		(1u << 0)
#define NVME_CMBMSC_CMSE	(1u << 1)

/* 3.1.5: CC */
#define NVME_CC_EN		(1u << 0)
#define NVME_CC_CSS(cc)		((cc) >> 4 & 7)
#define NVME_CC_MPS(cc)		((cc) >> 7 & 15)
#define NVME_CC_AMS(cc)		((cc) >> 11 & 7)
#define NVME_CC_SHN(cc)		((cc) >> 14 & 3)
#define NVME_CC_IOSQES(cc)	((cc) >> 16 & 15)
#define NVME_CC_IOCQES(cc)	((cc) >> 20 & 15)
#define NVME_CC_WRITABLE	0x00fffff1u

/* 3.1.6: CSTS */
#define NVME_CSTS_RDY		(1u << 0)
#define NVME_CSTS_CFS		(1u << 1)
#define NVME_CSTS_SHST_MASK	(3u << 2)
#define NVME_CSTS_SHST_BUSY	(1u << 2)
#define NVME_CSTS_SHST_DONE	(2u << 2)

/* 5: admin commands */
enum nvme_admin_opcode {
	NVME_ADM_DELETE_SQ = 0x00,
	NVME_ADM_CREATE_SQ = 0x01,
	NVME_ADM_GET_LOG_PAGE = 0x02,
	NVME_ADM_DELETE_CQ = 0x04,
	NVME_ADM_CREATE_CQ = 0x05,
	NVME_ADM_IDENTIFY = 0x06,
	NVME_ADM_ABORT = 0x08,
	NVME_ADM_SET_FEATURES = 0x09,
	NVME_ADM_GET_FEATURES = 0x0a,
	NVME_ADM_ASYNC_EVENT = 0x0c,
	NVME_ADM_DOORBELL_BUFFER = 0x7c,
};

/* 6: NVM commands */
enum nvme_io_opcode {
	NVME_IO_FLUSH = 0x00,
	NVME_IO_WRITE = 0x01,
	NVME_IO_READ = 0x02,
	NVME_IO_COMPARE = 0x05,
	NVME_IO_WRITE_ZEROES = 0x08,
	NVME_IO_DSM = 0x09,
};

/* 4.6.1: status, as in bits 15:1 of completion dword 3 */
#define NVME_SCT_COMMAND	0x100
#define NVME_SCT_MEDIA		0x200
#define NVME_MORE		0x2000
#define NVME_DNR		0x4000

enum nvme_status {
	NVME_OK = 0x00,
	NVME_INVALID_OPCODE = NVME_DNR | 0x01,
	NVME_INVALID_FIELD = NVME_DNR | 0x02,
	NVME_DATA_TRANSFER = 0x04,
	NVME_INTERNAL = 0x06,
	NVME_ABORT_REQUESTED = 0x07,
	NVME_ABORT_SQ_DELETED = 0x08,
	NVME_INVALID_NAMESPACE = NVME_DNR | 0x0b,
	NVME_SEQUENCE = NVME_DNR | 0x0c,
	NVME_SGL_SEGMENT = NVME_DNR | 0x0d,
	NVME_SGL_COUNT = NVME_DNR | 0x0e,
	NVME_SGL_LENGTH = NVME_DNR | 0x0f,
	NVME_SGL_TYPE = NVME_DNR | 0x11,
	NVME_PRP_OFFSET = NVME_DNR | 0x13,
	NVME_LBA_RANGE = NVME_DNR | 0x80,

	NVME_CQ_INVALID = NVME_DNR | NVME_SCT_COMMAND | 0x00,
	NVME_QID_INVALID = NVME_DNR | NVME_SCT_COMMAND | 0x01,
	NVME_QSIZE_INVALID = NVME_DNR | NVME_SCT_COMMAND | 0x02,
	NVME_ABORT_LIMIT = NVME_SCT_COMMAND | 0x03,
	NVME_EVENT_LIMIT = NVME_DNR | NVME_SCT_COMMAND | 0x05,
	NVME_VECTOR_INVALID = NVME_DNR | NVME_SCT_COMMAND | 0x08,
	NVME_LOG_INVALID = NVME_DNR | NVME_SCT_COMMAND | 0x09,
	NVME_Q_DELETION = NVME_DNR | NVME_SCT_COMMAND | 0x0c,
	NVME_NOT_SAVEABLE = NVME_DNR | NVME_SCT_COMMAND | 0x0d,
	NVME_NOT_NAMESPACE = NVME_DNR | NVME_SCT_COMMAND | 0x0f,

	NVME_WRITE_FAULT = NVME_SCT_MEDIA | 0x80,
	NVME_READ_ERROR = NVME_SCT_MEDIA | 0x81,
	NVME_COMPARE_FAILURE = NVME_DNR | NVME_SCT_MEDIA | 0x85,
};

/* 4.4: SGL descriptor types (bits 7:4 of byte 15) */
enum nvme_sgl_type {
	NVME_SGL_DATA = 0,
	NVME_SGL_BIT_BUCKET = 1,
	NVME_SGL_NEXT = 2,
	NVME_SGL_LAST = 3,
};

/* 5.21.1: features */
enum nvme_feature {
	NVME_FEAT_ARBITRATION = 0x01,
	NVME_FEAT_POWER = 0x02,
	NVME_FEAT_TEMPERATURE = 0x04,
	NVME_FEAT_ERROR_RECOVERY = 0x05,
	NVME_FEAT_WRITE_CACHE = 0x06,
	NVME_FEAT_QUEUES = 0x07,
	NVME_FEAT_COALESCING = 0x08,
	NVME_FEAT_VECTOR = 0x09,
	NVME_FEAT_ATOMICITY = 0x0a,
	NVME_FEAT_EVENTS = 0x0b,
	NVME_FEAT_TIMESTAMP = 0x0e,
};

/* 5.14.1: log pages */
enum nvme_log_page {
	NVME_LOG_ERROR = 0x01,
	NVME_LOG_HEALTH = 0x02,
	NVME_LOG_FIRMWARE = 0x03,
	NVME_LOG_EFFECTS = 0x05,
};

/* 5.2.1: asynchronous events */
enum nvme_event_type { NVME_EVENT_ERROR = 0, NVME_EVENT_HEALTH = 1 };

enum nvme_event_error {
	NVME_EVENT_BAD_DOORBELL = 0,
	NVME_EVENT_BAD_VALUE = 1,
};

enum nvme_event_health {
	NVME_EVENT_RELIABILITY = 0,
	NVME_EVENT_TEMPERATURE = 1,
};

/* 5.14.1.2: critical warning */
#define NVME_WARN_TEMPERATURE	(1u << 1)
#define NVME_WARN_RELIABILITY	(1u << 2)

#define NVME_SQE_SIZE		64u
#define NVME_CQE_SIZE		16u
#define NVME_ALL_NAMESPACES	0xffffffffu

#endif
