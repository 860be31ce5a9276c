// SPDX-License-Identifier: GPL-2.0-only
/* sockops.c - what a tagged socket does in the kernel's place */
#include "sockops.h"

#include <linux/in6.h>
#include <linux/module.h>
#include <linux/sockptr.h>
#include <linux/version.h>
#include <net/inet_connection_sock.h>
#include <net/inet_sock.h>
#include <net/tcp.h>

#include "errors.h"
#include "event.h"
#include "host.h"
#include "options.h"
#include "tag.h"

/*
 * The operations of AF_INET or AF_INET6 sockets, and those that they have had before.
 * @base_ops:	NULL: there are no sockets of the family
 */
struct family {
	struct proto *base_prot;
	struct proto prot;
	const struct proto_ops *base_ops;
	struct proto_ops ops;
};

static struct family families[2];
static struct tcp_ulp_ops ulp;

static const struct family *family_of(const struct sock *sk)
{
	return &families[sk->sk_family == AF_INET6];
}

static const struct proto_ops *base_of(const struct socket *sock)
{
	return family_of(sock->sk)->base_ops;
}

bool sockops_is_ours(const struct sock *sk)
{
	if (sk->sk_type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP ||
	    (sk->sk_family != AF_INET && sk->sk_family != AF_INET6))
		return false;
	return READ_ONCE(inet_csk(sk)->icsk_ulp_ops) == &ulp;
}

bool sockops_have_ipv6(void)
{
	return families[1].base_ops;
}

/* Of a socket with our operations, which it has for as long as it has a tag: tag_of() without its questions */
static struct tag *own_tag(const struct sock *sk)
{
	return rcu_dereference_raw(inet_csk(sk)->icsk_ulp_data);
}

/* NULL: it is not sealed. */
static struct tag *sealed(const struct socket *sock)
{
	struct tag *tag = own_tag(sock->sk);

	return likely(tag && tag_is_sealed(tag)) ? tag : NULL;
}

/* --- names --- */

/* One that was dissolved, or shut down before it was established, has none any more. (IPv6's have LOOPBACK4_IPV6.) */
static bool has_address(const struct sock *sk)
{
	return READ_ONCE(inet_sk(sk)->inet_rcv_saddr);
}

static int put_name(const struct tag *tag, const struct slim_address *name, struct sockaddr *to)
{
	struct sockaddr_in *in = (struct sockaddr_in *)to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;

	if (tag->flags & SLIM_SEAL_IPV4) {
		*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(name->port) };
		memcpy(&in->sin_addr, name->addr + 12, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(name->port) };
	memcpy(&in6->sin6_addr, name->addr, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

/* @peer: 0: its own name; 1: getpeername(2), of a connection alone; 2: SO_PEERNAME */
static int slim_getname(struct socket *sock, struct sockaddr *to, int peer)
{
	const struct tag *tag = sealed(sock);
	const struct slim_address none = { .port = tag ? tag->local.port : 0 };
	const struct sock *sk = sock->sk;

	if (!tag)
		return base_of(sock)->getname(sock, to, peer);
	if (!peer)
		return put_name(tag, has_address(sk) ? &tag->local : &none, to);
	if (!inet_sk(sk)->inet_dport ||
	    (peer == 1 && (1 << READ_ONCE(sk->sk_state)) & (TCPF_CLOSE | TCPF_SYN_SENT)))
		return -ENOTCONN;
	return put_name(tag, &tag->peer, to);
}

/* --- what makes another connection of it --- */

static int slim_bind(struct socket *sock, struct sockaddr *addr, int len)
{
	struct tag *tag = sealed(sock);

	if (!tag)
		return base_of(sock)->bind(sock, addr, len);
	event_attack(tag, SLIM_OPERATION_BIND, 0, 0);
	return -EINVAL;
}

static int slim_listen(struct socket *sock, int backlog)
{
	struct tag *tag = sealed(sock);

	if (!tag)
		return base_of(sock)->listen(sock, backlog);
	event_attack(tag, SLIM_OPERATION_LISTEN, 0, 0);
	return -EINVAL;
}

/* Reached when the socket is not connected, nor connecting */
static int slim_connect(struct sock *sk, struct sockaddr *addr, int len)
{
	struct tag *tag = tag_of(sk);

	if (!tag || !tag_is_sealed(tag))
		return family_of(sk)->base_prot->connect(sk, addr, len);
	event_attack(tag, SLIM_OPERATION_CONNECT, 0, 0);
	return -EINVAL;
}

/* --- data --- */

static int slim_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)
{
	struct tag *tag = sealed(sock);
	int type;

	if (tag && unlikely(tag_is_revoked(tag)))
		return -ECONNABORTED;
	if (tag && unlikely(msg->msg_flags & MSG_FASTOPEN)) {
		event_attack(tag, SLIM_OPERATION_SENDMSG, 0, 0);
		return -EOPNOTSUPP;
	}
	if (tag && unlikely(msg->msg_controllen) && !control_may_be_sent(msg, &type)) {
		event_attack(tag, SLIM_OPERATION_SENDMSG, SOL_SOCKET, type);
		return -EINVAL;
	}
	return base_of(sock)->sendmsg(sock, msg, len);
}

static int slim_recvmsg(struct socket *sock, struct msghdr *msg, size_t len, int flags)
{
	struct tag *tag = sealed(sock);

	if (tag && unlikely(tag_is_revoked(tag)))
		return -ECONNABORTED;
	if (tag && unlikely(flags & MSG_ERRQUEUE))
		return errors_receive(sock->sk, msg, tag->flags & SLIM_SEAL_IPV4);
	return base_of(sock)->recvmsg(sock, msg, len, flags);
}

static ssize_t slim_splice_read(struct socket *sock, loff_t *at, struct pipe_inode_info *pipe,
				size_t len, unsigned int flags)
{
	struct tag *tag = sealed(sock);

	if (tag && unlikely(tag_is_revoked(tag)))
		return -ECONNABORTED;
	return base_of(sock)->splice_read(sock, at, pipe, len, flags);
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
static ssize_t slim_sendpage(struct socket *sock, struct page *page, int offset, size_t size,
			     int flags)
{
	struct tag *tag = sealed(sock);

	if (tag && unlikely(tag_is_revoked(tag)))
		return -ECONNABORTED;
	return base_of(sock)->sendpage(sock, page, offset, size, flags);
}
#endif

/* --- options and ioctls --- */

static int seal(struct socket *sock, sockptr_t value, unsigned int len)
{
	struct tag *tag = tag_of(sock->sk);
	struct slim_seal said;
	int err;

	if (!host_may_seal(sock_net(sock->sk)))
		return -EPERM;
	if (len != sizeof(said))
		return -EINVAL;
	if (copy_from_sockptr(&said, value, sizeof(said)))
		return -EFAULT;
	if (said.size != sizeof(said))
		return -EINVAL;
	lock_sock(sock->sk);
	err = tag_seal(tag, &said);
	release_sock(sock->sk);
	return err;
}

static int base_setsockopt(struct socket *sock, int level, int name, sockptr_t value,
			   unsigned int len)
{
	int err;

	if (level != SOL_SOCKET)
		return base_of(sock)->setsockopt(sock, level, name, value, len);
	err = sock_setsockopt(sock, level, name, value, len);
	/* No jump: hook.c knows by the return address that the call is ours. */
	barrier();
	return err;
}

/* An int of a limited range, as it was when it was looked at */
static int set_limited(struct socket *sock, int level, int name, sockptr_t value, unsigned int len,
		       int least, int most)
{
	int number;

	if (len < sizeof(number))
		return -EINVAL;
	if (copy_from_sockptr(&number, value, sizeof(number)))
		return -EFAULT;
	if (number < least || number > most)
		return -ENOPROTOOPT;
	return base_setsockopt(sock, level, name, KERNEL_SOCKPTR(&number), sizeof(number));
}

/* How many bytes of a value the kernel reads before it looks which option it is */
static unsigned int head_of(int level, int name)
{
	if (level == SOL_TCP && name == TCP_ULP)
		return 1;
	if (level == SOL_SOCKET ? name == SO_BINDTODEVICE :
				  level != SOL_TCP || name == TCP_FASTOPEN_KEY)
		return 0;
	return sizeof(int);
}

static int refuse_setsockopt(struct tag *tag, int level, int name, sockptr_t value,
			     unsigned int len)
{
	unsigned int head = head_of(level, name);
	char bytes[sizeof(int)];

	if (!option_is_harmless(level, name))
		event_attack(tag, SLIM_OPERATION_SETSOCKOPT, level, name);
	if (len < head)
		return -EINVAL;
	if (copy_from_sockptr(bytes, value, head))
		return -EFAULT;
	if (level != SOL_TCP || name != TCP_ULP)
		return -ENOPROTOOPT;
	/* A router that has it from one before it asks again. */
	return host_may_seal(sock_net(tag->sk)) ? -EEXIST : -ENOENT;
}

int sockops_setsockopt(struct socket *sock, int level, int name, sockptr_t value,
		       unsigned int len)
{
	struct tag *tag = tag_of(sock->sk);
	int least, most, err;

	if (unlikely(tag_is_ending(tag)))
		return -ECONNABORTED;
	if (!option_may_be_set(&tag->shape, level, name, &least, &most))
		return refuse_setsockopt(tag, level, name, value, len);
	if (least > INT_MIN || most < INT_MAX)
		err = set_limited(sock, level, name, value, len, least, most);
	else
		err = base_setsockopt(sock, level, name, value, len);
	return tag_reshape(tag, option_shape(level, name)) ? -ENOPROTOOPT : err;
}

static int slim_setsockopt(struct socket *sock, int level, int name, sockptr_t value,
			   unsigned int len)
{
	bool is_sealed = sealed(sock);

	if (level == SOL_SLIM && name == SLIM_SEAL &&
	    (!is_sealed || host_may_seal(sock_net(sock->sk))))
		return seal(sock, value, len);
	if (is_sealed)
		return sockops_setsockopt(sock, level, name, value, len);
	return base_setsockopt(sock, level, name, value, len);
}

/* As the kernel gives a name that is not there */
static int give_nothing(int __user *len)
{
	int room;

	if (get_user(room, len))
		return -EFAULT;
	return room < 0 ? -EINVAL : put_user(0, len);
}

static int slim_getsockopt(struct socket *sock, int level, int name, char __user *value,
			   int __user *len)
{
	struct tag *tag = sealed(sock);

	/* It copies to its caller's memory under the lock. */
	if (tag && unlikely(tag_is_revoked(tag)) && level == SOL_TCP &&
	    name == TCP_ZEROCOPY_RECEIVE)
		return -ECONNABORTED;
	if (!tag || option_reading(level, name) == OPTION_READ)
		return base_of(sock)->getsockopt(sock, level, name, value, len);
	if (option_reading(level, name) == OPTION_EMPTY)
		return give_nothing(len);
	event_attack(tag, SLIM_OPERATION_GETSOCKOPT, level, name);
	return -ENOPROTOOPT;
}

/* What sock_ioctl() serves itself does not come here: hook.c refuses it. */
static int slim_ioctl(struct socket *sock, unsigned int command, unsigned long arg)
{
	if (sealed(sock) && !ioctl_is_allowed(command))
		return -ENOTTY;
	return base_of(sock)->ioctl(sock, command, arg);
}

#ifdef CONFIG_COMPAT
/* Of 32-bit programs, all of it: compat_sock_ioctl() serves itself only what the socket does not know. */
static int slim_compat_ioctl(struct socket *sock, unsigned int command, unsigned long arg)
{
	struct tag *tag = sealed(sock);

	if (!tag || ioctl_is_allowed(command))
		return base_of(sock)->compat_ioctl(sock, command, arg);
	if (ioctl_is_of_sockets(command))
		event_attack(tag, SLIM_OPERATION_IOCTL, 0, command);
	return -ENOTTY;
}
#endif

/* --- the socket's life --- */

/*
 * The last close puts our module, whose operations these are; whose they were before is to be put, too. accept(2)
 * gives these to a socket that it has made, without a struct sock, and then fails: that one never had others.
 */
static int slim_release(struct socket *sock)
{
	const struct proto_ops *base;
	int err;

	if (!sock->sk)
		return 0;
	base = base_of(sock);
	err = base->release(sock);
	module_put(base->owner);
	return err;
}

/* Called before the state changes to closed, for whatever reason it does */
static void slim_unhash(struct sock *sk)
{
	struct tag *tag = tag_of(sk);

	if (tag && tag_is_sealed(tag))
		stream_end(&tag->stream, sk);
	family_of(sk)->base_prot->unhash(sk);
}

/*
 * Every call that takes the socket's lock comes here. Timers that have waited for it may destroy one that has been
 * closed, and its tag with it.
 */
static void slim_release_cb(struct sock *sk)
{
	struct tag *tag;

	family_of(sk)->base_prot->release_cb(sk);
	tag = own_tag(sk);
	if (tag)
		tag_unlocked(tag);
}

/* What is in a socket's user data keeps others from it that would read its packets (KCM). */
static void set_user_data(struct sock *sk, struct tag *tag)
{
	write_lock_bh(&sk->sk_callback_lock);
	rcu_assign_sk_user_data(sk, tag);
	write_unlock_bh(&sk->sk_callback_lock);
}

static void take(struct sock *sk)
{
	struct socket *sock = sk->sk_socket;
	struct family *family = &families[sk->sk_family == AF_INET6];

	__module_get(THIS_MODULE);
	WRITE_ONCE(sk->sk_prot, &family->prot);
	WRITE_ONCE(sock->ops, &family->ops);
	/* The core has cleared it, for ULPs that cannot do that. */
	set_bit(SOCK_SUPPORT_ZC, &sock->flags);
#ifdef SOCK_CUSTOM_SOCKOPT
	set_bit(SOCK_CUSTOM_SOCKOPT, &sock->flags);
#endif
}

/* TCP_ULP, under the socket's lock */
static int ulp_init(struct sock *sk)
{
	const struct family *family = family_of(sk);
	struct tag *tag;

	if (!host_may_seal(sock_net(sk)))
		return -EPERM;
	/* Earlier 6.1 lets listeners have any. */
	if (sk->sk_state == TCP_LISTEN || !sk->sk_socket)
		return -ENOTCONN;
	if (sk->sk_prot != family->base_prot || sk->sk_socket->ops != family->base_ops ||
	    sk->sk_user_data)
		return -EBUSY;
	tag = tag_create(sk);
	if (!tag)
		return -ENOMEM;
	rcu_assign_pointer(inet_csk(sk)->icsk_ulp_data, tag);
	set_user_data(sk, tag);
	take(sk);
	return 0;
}

/* The kernel destroys the socket; whoever held it has closed it. */
static void ulp_release(struct sock *sk)
{
	struct tag *tag = tag_of(sk);

	WRITE_ONCE(sk->sk_prot, family_of(sk)->base_prot);
	RCU_INIT_POINTER(inet_csk(sk)->icsk_ulp_data, NULL);
	set_user_data(sk, NULL);
	if (tag)
		tag_destroy(tag);
}

static struct tcp_ulp_ops ulp = {
	.name = SLIM_ULP_NAME,
	.owner = THIS_MODULE,
	.init = ulp_init,
	.release = ulp_release,
};

/* --- operations --- */

static void make_prot(struct family *family)
{
	family->prot = *family->base_prot;
	family->prot.connect = slim_connect;
	family->prot.unhash = slim_unhash;
	family->prot.release_cb = slim_release_cb;
#ifdef CONFIG_BPF_SYSCALL
	family->prot.psock_update_sk_prot = NULL;
#endif
}

static void make_ops(struct family *family)
{
	const struct proto_ops *base = family->base_ops;

	family->ops = (struct proto_ops){
		.family = base->family,
		.owner = THIS_MODULE,
		.release = slim_release,
		.bind = slim_bind,
		.connect = base->connect,
		.socketpair = base->socketpair,
		.accept = base->accept,
		.getname = slim_getname,
		.poll = base->poll,
		.ioctl = slim_ioctl,
#ifdef CONFIG_COMPAT
		.compat_ioctl = slim_compat_ioctl,
#endif
		.gettstamp = base->gettstamp,
		.listen = slim_listen,
		.shutdown = base->shutdown,
		.setsockopt = slim_setsockopt,
		.getsockopt = slim_getsockopt,
		.sendmsg = slim_sendmsg,
		.recvmsg = slim_recvmsg,
		.mmap = base->mmap,
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
		.sendpage = slim_sendpage,
		.sendpage_locked = base->sendpage_locked,
#endif
		.splice_read = slim_splice_read,
		.splice_eof = base->splice_eof,
		.set_peek_off = base->set_peek_off,
		.peek_len = base->peek_len,
		.read_sock = base->read_sock,
		.sendmsg_locked = base->sendmsg_locked,
		.set_rcvlowat = base->set_rcvlowat,
	};
}

/* A socket of the family knows what operations such have: those of AF_INET6 are not exported. */
static int family_init(struct family *family, int domain)
{
	struct socket *sock;
	int err = sock_create_kern(&init_net, domain, SOCK_STREAM, IPPROTO_TCP, &sock);

	if (err)
		return err;
	family->base_prot = sock->sk->sk_prot;
	family->base_ops = sock->ops;
	make_prot(family);
	make_ops(family);
	sock_release(sock);
	return 0;
}

int sockops_init(void)
{
	int err = family_init(&families[0], AF_INET);

	if (err)
		return err;
	err = family_init(&families[1], AF_INET6);
	if (err && err != -EAFNOSUPPORT)
		return err;
	return tcp_register_ulp(&ulp);
}

void sockops_exit(void)
{
	tcp_unregister_ulp(&ulp);
}
