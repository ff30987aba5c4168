// SPDX-License-Identifier: GPL-2.0
/* Sending to a netlink socket rather than to a port id. */

#include "../../include/bindings_helper.h"

/* The port id that a netlink socket is connected to: no header tells. */
static noinline u32 netlink_peer(struct sock *sk)
{
	struct sockaddr_nl peer = {};

	/* A socket that is being closed loses its struct socket under this lock. */
	read_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_socket)
		READ_ONCE(sk->sk_socket->ops)->getname(sk->sk_socket,
						       (struct sockaddr *)&peer, 1);
	read_unlock_bh(&sk->sk_callback_lock);
	return peer.nl_pid;
}

/*
 * What netlink_unicast() does with a message of the kernel's, without waiting,
 * but to a socket instead of whoever has a port id. The caller holds a reference
 * to @sk. @skb is consumed in any case; a socket that is being closed frees it.
 *
 * Return: the length of the message, also if a filter of the socket dropped it;
 * -EAGAIN if the socket's buffer is full, which the socket is told; or
 * -ECONNREFUSED if it is connected to a peer that is not the kernel.
 */
int netlink_unicast_sock(struct sock *sk, struct sk_buff *skb)
{
	int unused = skb->end - skb->tail;
	long timeo = 0;
	int err;

	/* The socket is charged for all of it. */
	if (!is_vmalloc_addr(skb->head) && unused * 2 >= skb->truesize)
		pskb_expand_head(skb, 0, -unused,
				 (GFP_KERNEL & ~__GFP_DIRECT_RECLAIM) |
				 __GFP_NOWARN | __GFP_NORETRY);

	if (unlikely(READ_ONCE(sk->sk_state) == NETLINK_CONNECTED) &&
	    netlink_peer(sk)) {
		kfree_skb(skb);
		return -ECONNREFUSED;
	}

	skb_reset_network_header(skb);
	skb_reset_mac_header(skb);
	if (sk_filter(sk, skb)) {
		err = skb->len;
		kfree_skb(skb);
		return err;
	}

	/* Both of these drop it. */
	sock_hold(sk);
	err = netlink_attachskb(sk, skb, &timeo, NULL);
	if (err)
		return err;

	return netlink_sendskb(sk, skb);
}
