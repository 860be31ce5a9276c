/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * slim.h - what a router says to the guard (slim.ko), and what that says to it
 *
 * Two ways in. A connection's socket is sealed by setsockopt(2) on itself, in the thread that made it; all
 * else is generic netlink, family "slim". Sealing is no netlink message because it belongs to every set-up: a
 * message would take two system calls more, a look-up of the descriptor in another place than where it was made,
 * and a queue that all threads share; and who may seal is a question about the caller, whose credentials and
 * namespace a message does not carry.
 *
 *	setsockopt(fd, IPPROTO_TCP, TCP_ULP, "slim", 4)
 *	setsockopt(fd, SOL_SLIM, SLIM_SEAL, &seal, sizeof(seal))
 *
 * Both need CAP_NET_ADMIN in the initial user namespace, and a caller whose network namespace is the socket's
 * and a host's (see SLIM_CMD_OWN). After the first one the socket does what it did before; after the second one it
 * is the container's, whoever holds it (docs/security.md). It must not listen, and is known by its cookie
 * (SO_COOKIE), which must have been asked for before. Errors of TCP_ULP: EEXIST: it has been set; EBUSY: something else
 * has operations or data of its own there; EPERM, ENOTCONN, ENOMEM. Errors of sealing: EACCES: the policy denies it (the
 * socket is to be closed: it is not sealed); EALREADY: it is sealed; ESHUTDOWN: the guard is being drained;
 * EPERM: not allowed to the caller; EINVAL: of what struct slim_seal says; ENODATA: it has no cookie; ENOMEM.
 *
 * The family is in the initial network namespace alone; every command needs CAP_NET_ADMIN in the initial user
 * namespace. A host is a network namespace in which a router works, most often the initial one; HOST_FD
 * is a descriptor of it (/proc/PID/ns/net), without it the initial one is meant. Each has a policy, an owner and sockets
 * of its own. Attributes are checked strictly: lengths are exact, ranges hold, what a command does not
 * know it refuses. Commands with (o) are the owner's alone: EPERM for others, ESTALE where there is none.
 *
 * Message tree:
 *
 *	GET			HOST_FD?
 *	  reply			VERSION, FEATURES, MISSING, REASON*, OWNED, DRAINING, GENERATION, LIVE
 *	OWN			HOST_FD?, VERSION
 *				The sending socket owns the host until it is closed. EBUSY: another one does;
 *				EPROTONOSUPPORT: of a guard that is too new for that VERSION. No reply
 *	SOCKET (dump)		HOST_FD?
 *	  reply			one message for each sealed socket: SOCKET { all that is marked (s) below }
 *	SOCKET			HOST_FD?, COOKIE
 *	  reply			SOCKET { ... }; ENOENT
 *	REVOKE (o)		HOST_FD?, COOKIE or CONTAINER
 *				Ends them: their holders get ECONNABORTED, their peers a reset. ENOENT: there is none.
 *				It does not wait for who holds a socket's lock
 *	  reply			CUT
 *	SHAPE (o)		HOST_FD?, COOKIE, SHAPE
 *				What SLIM_SEAL's shape would have said; a rule's comes before it. ENOENT
 *	DRAIN			HOST_FD?, DRAIN. Of the owner, or of anybody where there is none
 *	  reply			LIVE, CUT
 *	STATS			HOST_FD?
 *	  reply			LIVE, SEALED, DENIED, ATTACKS, CUT, MEMORY
 *	TENANT (dump)		HOST_FD?
 *	  reply			one for each tenant: TENANT { VNI, LIVE, SEALED, DENIED, ATTACKS, RX_BYTES, TX_BYTES }
 *				bytes are those of connections that are closed
 *	RULE (dump)		HOST_FD?
 *	  reply			one for each rule that was ever first: RULE { RULE_ID, HITS }, in their order
 *	STAGE (o)		HOST_FD?, STAGE, and
 *	  BEGIN			  GENERATION, COUNTS, FLAGS?: forgets what was staged
 *	  PART			  PART, DATA: whole structs of one kind (struct slim_policy_*), behind those that
 *				  came before
 *	  END			  no more: all that COUNTS says has come. Builds what is to be in force: all that can
 *				  fail. ENODATA: too little has come; EINVAL, E2BIG, ENOMEM
 *	COMMIT (o)		HOST_FD?, GENERATION
 *				What was staged and built under that number is in force, all at once; shapes follow, and
 *				what it denies is cut. ENODATA: there is none
 *	  reply			LIVE, CUT
 *	ABORT (o)		HOST_FD?
 *	QUERY			HOST_FD?, QUESTIONS: struct slim_question, up to SLIM_QUESTIONS_MAX
 *				What the policy in force says, without counting. Of the owner
 *	  reply			GENERATION, VERDICTS: a struct slim_decision for each
 *
 *	EVENT (multicast)	EVENT, and of all but GONE: HOST_INO, SOCKET { ... }, and
 *				  Group "sockets":
 *	  OPEN			  a socket was sealed
 *	  CLOSE			  it is gone, with all that it sent acknowledged, or given up: DURATION, RX_BYTES,
 *				  TX_BYTES, RETRANSMITS, RTT
 *				  Group "gone", for who follows them all and needs to know no more:
 *	  GONE			  COOKIES: of sockets of any host that are gone, SLIM_GONE_MS later at the most, and two
 *				  ticks of the kernel's clock. Like all events, not told where there is no memory, nor
 *				  when the module is unloaded meanwhile
 *				  Group "events":
 *	  DENIED		  sealing was refused, or a commit cut it: RULE_ID?
 *	  ATTACK		  its holder tried what is refused, and what programs do not try that mean no harm:
 *				  OPERATION, LEVEL?, NUMBER?, PID, MISSED. At most one a second of a socket, and
 *				  SLIM_ATTACKS_MAX a second in all: MISSED were not told
 *
 * A policy is a list of domains: what one tenant's rules say of connections from one tenant to another. Sets,
 * ranges, rules and services are told in the order in which domains use them. Within a tenant the domain
 * (VNI, VNI, VNI) decides, and where there is none, all is allowed; between two, (source, source,
 * destination) and (destination, source, destination) both have to allow, and a missing one does not.
 * The first SETS_DYNAMIC sets of a domain can be told again while the rest stays, by BEGIN with SLIM_STAGE_MEMBERS: then
 * COUNTS has the dynamic sets of all domains and their ranges alone, and GENERATION is a new one.
 *
 * Append only: numbers keep their meaning, structs grow at their end (their size is told by attribute length or by
 * @size). A router that needs what a guard may not have looks at FEATURES.
 */
#ifndef _UAPI_LINUX_SLIM_H
#define _UAPI_LINUX_SLIM_H

#include <linux/types.h>

#define SLIM_GENL_NAME		"slim"
#define SLIM_GENL_VERSION	1
#define SLIM_GENL_EVENTS	"events"
#define SLIM_GENL_SOCKETS	"sockets"
#define SLIM_GENL_GONE		"gone"

#define SLIM_GUARD_VERSION		1	/* SLIM_A_VERSION */

#define SLIM_ULP_NAME		"slim"
#define SOL_SLIM		0x534c	/* level of sealing */
#define SLIM_SEAL		1	/* option: struct slim_seal */

#define SLIM_VNI_MAX		0xffffff
#define SLIM_PRIORITY_MAX	6	/* what programs may set without privileges */

/* SLIM_A_FEATURES */
#define SLIM_FEATURE_SEAL	(1 << 0)
#define SLIM_FEATURE_POLICY	(1 << 1)
#define SLIM_FEATURE_EVENTS	(1 << 2)
#define SLIM_FEATURE_IPV6	(1 << 3)	/* AF_INET6 sockets can be sealed */

/* SLIM_A_MISSING: why guarded mode would be incomplete; 0: it is complete. SLIM_A_REASON has each in words. */
#define SLIM_MISSING_IOCTL	(1 << 0)	/* SIOCGSKNS and others are not refused */
#define SLIM_MISSING_GETSOCKOPT	(1 << 2)	/* options of SOL_SOCKET can be read */
#define SLIM_MISSING_SETSOCKOPT	(1 << 3)	/* and set */
#define SLIM_MISSING_SETATTR	(1 << 4)	/* fchown(2) is not refused: rules of routing choose by it */

/* --- sealing --- */

/*
 * A virtual address. @addr: IPv4 mapped into IPv6; @port: host byte order. Of a connecting socket's own, 0 is the port
 * that it has.
 */
struct slim_address {
	__u8 addr[16];
	__u16 port;
	__u16 reserved;			/* 0 */
};

/* What of a shape counts: the value holds, and the container cannot change it. What is not set, it may. */
#define SLIM_SHAPE_RATE		(1 << 0)
#define SLIM_SHAPE_TOS		(1 << 1)
#define SLIM_SHAPE_PRIORITY	(1 << 2)
#define SLIM_SHAPE_ALL		(SLIM_SHAPE_RATE | SLIM_SHAPE_TOS | SLIM_SHAPE_PRIORITY)

/* @rate: bytes a second, of what this end sends; @tos: the whole octet; @priority: 0 to SLIM_PRIORITY_MAX */
struct slim_shape {
	__aligned_u64 rate;
	__u32 flags;
	__u8 tos;
	__u8 priority;
	__u16 reserved;			/* 0 */
};

#define SLIM_SEAL_ACCEPTED	(1 << 0)	/* the peer has connected, not this end */
#define SLIM_SEAL_IPV4		(1 << 1)	/* the application's socket is AF_INET: so are names */

/*
 * @size:	of this struct
 * @container:	the router's number of the container that gets the socket
 * @vni, @peer_vni:	its tenant and the peer's
 */
struct slim_seal {
	__u32 size;
	__u32 flags;
	__u32 container;
	__u32 vni;
	__u32 peer_vni;
	__u32 reserved;			/* 0 */
	struct slim_address local;
	struct slim_address peer;
	struct slim_shape shape;
};

/* --- policy --- */

enum slim_part {
	SLIM_PART_UNSPEC,
	SLIM_PART_DOMAINS,		/* struct slim_policy_domain */
	SLIM_PART_SETS,			/* struct slim_policy_set */
	SLIM_PART_RANGES,		/* struct slim_policy_range */
	SLIM_PART_RULES,		/* struct slim_policy_rule */
	SLIM_PART_SERVICES,		/* struct slim_policy_service */
	__SLIM_PART_MAX,
#define SLIM_PART_MAX	(__SLIM_PART_MAX - 1)
};

#define SLIM_DOMAINS_MAX	65536
#define SLIM_SETS_MAX		(1 << 21)
#define SLIM_RANGES_MAX		(1 << 22)
#define SLIM_RULES_MAX		(1 << 20)
#define SLIM_SERVICES_MAX	(1 << 22)

/* How many of each kind will come */
struct slim_policy_counts {
	__u32 domains;
	__u32 sets;
	__u32 ranges;
	__u32 rules;
	__u32 services;
};

#define SLIM_POLICY_ALLOW	(1 << 0)	/* a rule allows; a domain does where no rule matches */

/* @sets_num, @sets_dynamic, @rules_num: of its own. Domains are sorted by owner, source, destination. */
struct slim_policy_domain {
	__u32 owner;
	__u32 source;
	__u32 destination;
	__u32 flags;
	__u32 sets_num;
	__u32 sets_dynamic;
	__u32 rules_num;
};

struct slim_policy_set {
	__u32 ranges_num;
};

/* As struct classifier_range (core/classifier.h) */
struct slim_policy_range {
	__u8 first[16];
	__u8 last[16];
};

/* @id: told where it decides; @source, @destination: sets, counted from the domain's first */
struct slim_policy_rule {
	struct slim_shape shape;
	__u32 id;
	__u32 source;
	__u32 destination;
	__u32 services_num;
	__u32 flags;
	__u32 reserved;			/* 0 */
};

/* As struct classifier_interval: protocol << 16 | port, TCP being 0 */
struct slim_policy_service {
	__u32 first;
	__u32 last;
};

#define SLIM_NO_RULE		0xffffffff

struct slim_question {
	__u32 source_vni;
	__u32 destination_vni;
	__u32 service;
	__u8 source[16];
	__u8 destination[16];
};

/* @rule: that has decided, or SLIM_NO_RULE; between tenants that of the one who denies, or else the source's */
struct slim_decision {
	__u32 allowed;
	__u32 rule;
};

#define SLIM_QUESTIONS_MAX	512
#define SLIM_ATTACKS_MAX	100
#define SLIM_GONE_MS		10

/* --- netlink --- */

enum slim_cmd {
	SLIM_CMD_UNSPEC,
	SLIM_CMD_GET,
	SLIM_CMD_OWN,
	SLIM_CMD_SOCKET,
	SLIM_CMD_REVOKE,
	SLIM_CMD_SHAPE,
	SLIM_CMD_DRAIN,
	SLIM_CMD_STATS,
	SLIM_CMD_TENANT,
	SLIM_CMD_RULE,
	SLIM_CMD_STAGE,
	SLIM_CMD_COMMIT,
	SLIM_CMD_ABORT,
	SLIM_CMD_QUERY,
	SLIM_CMD_EVENT,
	__SLIM_CMD_MAX,
#define SLIM_CMD_MAX	(__SLIM_CMD_MAX - 1)
};

/* What a STAGE does */
enum slim_stage {
	SLIM_STAGE_UNSPEC,
	SLIM_STAGE_BEGIN,
	SLIM_STAGE_PART,
	SLIM_STAGE_END,
	__SLIM_STAGE_MAX,
#define SLIM_STAGE_MAX	(__SLIM_STAGE_MAX - 1)
};

/* SLIM_A_FLAGS of BEGIN */
#define SLIM_STAGE_MEMBERS	(1 << 0)	/* the dynamic sets of the policy in force alone */
#define SLIM_STAGE_CLOSED	(1 << 1)	/* nothing at all is allowed; all COUNTS are 0 */
#define SLIM_STAGE_NONE		(1 << 2)	/* there is no policy; all COUNTS are 0 */

/* SLIM_A_DRAIN */
enum slim_drain {
	SLIM_DRAIN_UNSPEC,
	SLIM_DRAIN_STOP,		/* sockets are sealed again */
	SLIM_DRAIN_START,		/* no more are */
	SLIM_DRAIN_CUT,			/* nor do those stay that are */
	__SLIM_DRAIN_MAX,
#define SLIM_DRAIN_MAX	(__SLIM_DRAIN_MAX - 1)
};

enum slim_event {
	SLIM_EVENT_UNSPEC,
	SLIM_EVENT_OPEN,
	SLIM_EVENT_CLOSE,
	SLIM_EVENT_DENIED,
	SLIM_EVENT_ATTACK,
	SLIM_EVENT_GONE,
	__SLIM_EVENT_MAX,
#define SLIM_EVENT_MAX	(__SLIM_EVENT_MAX - 1)
};

/* What was refused; LEVEL and NUMBER are of the option or control message, NUMBER of the ioctl */
enum slim_operation {
	SLIM_OPERATION_UNSPEC,
	SLIM_OPERATION_BIND,
	SLIM_OPERATION_LISTEN,
	SLIM_OPERATION_CONNECT,
	SLIM_OPERATION_SETSOCKOPT,
	SLIM_OPERATION_GETSOCKOPT,
	SLIM_OPERATION_IOCTL,
	SLIM_OPERATION_SENDMSG,
	SLIM_OPERATION_CHOWN,
	__SLIM_OPERATION_MAX,
#define SLIM_OPERATION_MAX	(__SLIM_OPERATION_MAX - 1)
};

enum slim_attr {
	SLIM_A_UNSPEC,
	SLIM_A_PAD,
	SLIM_A_HOST_FD,		/* s32 */
	SLIM_A_VERSION,		/* u32: SLIM_GUARD_VERSION of the sender */
	SLIM_A_FEATURES,	/* u32: SLIM_FEATURE_* */
	SLIM_A_MISSING,		/* u32: SLIM_MISSING_* */
	SLIM_A_REASON,		/* string */
	SLIM_A_OWNED,		/* u8: 0, 1, or 2: by the asking socket */
	SLIM_A_DRAINING,	/* u8 */
	SLIM_A_GENERATION,	/* u64: the router's number of a policy; 0: there is none */
	SLIM_A_LIVE,		/* u64: sealed sockets that are there */
	SLIM_A_SEALED,		/* u64: that ever were */
	SLIM_A_DENIED,		/* u64: sealings and live ones that policy denied */
	SLIM_A_ATTACKS,		/* u64: those, told or not */
	SLIM_A_CUT,		/* u64: sockets that were ended by this command; by any, in STATS */
	SLIM_A_MEMORY,		/* u64: bytes of all tags and of the policy */
	SLIM_A_SOCKET,		/* nest */
	SLIM_A_TENANT,		/* nest */
	SLIM_A_RULE,		/* nest */
	SLIM_A_COOKIE,		/* u64 (s) */
	SLIM_A_CONTAINER,	/* u32 (s) */
	SLIM_A_VNI,		/* u32 (s) */
	SLIM_A_PEER_VNI,	/* u32 (s) */
	SLIM_A_LOCAL,		/* struct slim_address (s) */
	SLIM_A_PEER,		/* struct slim_address (s) */
	SLIM_A_SEAL_FLAGS,	/* u32 (s): SLIM_SEAL_* */
	SLIM_A_SHAPE,		/* struct slim_shape (s): what holds */
	SLIM_A_RULE_ID,		/* u32 (s) where a rule has allowed it */
	SLIM_A_STATE,		/* u8 (s): TCP's, as in TCP_INFO */
	SLIM_A_RX_BYTES,	/* u64 (s): of the stream, received and not read before it was sealed */
	SLIM_A_TX_BYTES,	/* u64 (s): sent since it was sealed, and acknowledged by the peer */
	SLIM_A_OPENED,		/* u64 (s): ns of CLOCK_BOOTTIME when it was sealed */
	SLIM_A_HITS,		/* u64 */
	SLIM_A_STAGE,		/* u32: enum slim_stage */
	SLIM_A_COUNTS,		/* struct slim_policy_counts */
	SLIM_A_FLAGS,		/* u32 */
	SLIM_A_PART,		/* u32: enum slim_part */
	SLIM_A_DATA,		/* binary */
	SLIM_A_DRAIN,		/* u32: enum slim_drain */
	SLIM_A_QUESTIONS,	/* binary */
	SLIM_A_VERDICTS,	/* binary */
	SLIM_A_EVENT,		/* u32: enum slim_event */
	SLIM_A_HOST_INO,	/* u64: inode number of the host's network namespace */
	SLIM_A_DURATION,	/* u64: ns from sealing to the end */
	SLIM_A_RETRANSMITS,	/* u32: segments */
	SLIM_A_RTT,		/* u32: us, smoothed */
	SLIM_A_OPERATION,	/* u32: enum slim_operation */
	SLIM_A_LEVEL,		/* u32 */
	SLIM_A_NUMBER,		/* u32 */
	SLIM_A_PID,		/* u32: in the initial pid namespace */
	SLIM_A_MISSED,		/* u32 */
	SLIM_A_COOKIES,		/* u64 each */
	__SLIM_A_MAX,
#define SLIM_A_MAX	(__SLIM_A_MAX - 1)
};

#endif
