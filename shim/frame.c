/* SPDX-License-Identifier: MIT */
/*
 * frame.c - frames that go over a channel, and descriptors that come with them
 */
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include "frame.h"
#include "mem.h"
#include "question.h"
#include "slot.h"
#include "sys.h"

#define STALE_MAX	64	/* descriptors that came too late, at a time */

int frame_send(int channel, const struct question *question, uint32_t id)
{
	struct slim_frame *frame = question->request;

	*frame = (struct slim_frame){
		.magic = SLIM_CHANNEL_MAGIC, .version = SLIM_CHANNEL_VERSION,
		.type = question->type, .length = question->len, .id = id,
	};
	return sys_send(channel, frame, question->len, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       (long)question->len ? 0 : -EPIPE;
}

static bool is_reply(const struct question *question, uint32_t id, long len)
{
	const struct slim_frame *frame = question->reply;

	return len == (long)question->reply_len && frame->magic == SLIM_CHANNEL_MAGIC &&
	       frame->version == SLIM_CHANNEL_VERSION && frame->type == question->reply_type &&
	       frame->length == question->reply_len && frame->id == id;
}

int frame_receive(int channel, uint32_t id, const struct question *question, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = question->reply, .iov_len = question->reply_len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		/* Of one descriptor exactly: CMSG_SPACE() has room for two. */
		.msg_control = control.bytes, .msg_controllen = CMSG_LEN(sizeof(int)),
	};
	int got = -1;
	long ret;

	/* Signals are blocked, but stopping and going on interrupts all the same. */
	do
		ret = sys_recvmsg(channel, &msg, flags | MSG_CMSG_CLOEXEC);
	while (ret == -EINTR);
	if (ret < 0)
		return (int)ret;
	if (msg.msg_controllen >= CMSG_LEN(sizeof(int)) &&
	    control.align.cmsg_level == SOL_SOCKET && control.align.cmsg_type == SCM_RIGHTS)
		memcpy(&got, control.bytes + CMSG_LEN(0), sizeof(got));
	if (is_reply(question, id, ret) && !(msg.msg_flags & MSG_TRUNC) && (got < 0 || question->fd)) {
		if (question->fd)
			*question->fd = got;
		return 0;
	}
	if (got >= 0)
		sys_close(got);
	return -EPROTO;
}

static bool gives_socket(const void *reply)
{
	const struct slim_claim_reply *claim = reply;
	const struct slim_connect_reply *connect = reply;

	switch (claim->frame.type) {
	case SLIM_FRAME_CLAIM_REPLY:
		return claim->verdict == SLIM_VERDICT_SLIM;
	case SLIM_FRAME_CONNECT_REPLY:
		return connect->verdict == SLIM_VERDICT_SLIM;
	default:
		return false;
	}
}

bool frame_has_passed(const struct slot *slot, const struct question *question)
{
	return slot->passing_cookie && question->fd && *question->fd < 0 && gives_socket(question->reply);
}

int frame_receive_passed(const struct slot *slot, uint32_t id, const struct question *question)
{
	char frame[SLIM_FRAME_MAX];
	struct question copy = *question;
	int got = -1, err;

	if (!slot_has_passing(slot))
		return -ENOTCONN;
	copy.reply = frame;
	copy.fd = &got;
	for (int i = 0; i < STALE_MAX; i++) {
		err = frame_receive(slot->passing_fd, id, &copy, MSG_DONTWAIT);
		if (!err) {
			memcpy(question->reply, frame, question->reply_len);
			*question->fd = got;
			return 0;
		}
		if (err != -EPROTO)
			return err;
	}
	return -EPROTO;
}

int frame_receive_last(const struct slot *slot, uint32_t id, const struct question *question)
{
	if (slot_has_passing(slot))
		sys_shutdown(slot->passing_fd, SHUT_RDWR);
	return frame_receive_passed(slot, id, question);
}
