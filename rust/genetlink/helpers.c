// SPDX-License-Identifier: GPL-2.0
/* As ../abstractions/helpers.c, for generic netlink. Sorted alphabetically. */

#include "../../include/bindings_helper.h"

__rust_helper bool rust_helper_genl_has_listeners(const struct genl_family *family,
						  struct net *net, unsigned int group)
{
	return genl_has_listeners(family, net, group);
}

__rust_helper void rust_helper_skb_reserve(struct sk_buff *skb, int len)
{
	skb_reserve(skb, len);
}

__rust_helper unsigned char *rust_helper_skb_tail_pointer(const struct sk_buff *skb)
{
	return skb_tail_pointer(skb);
}

__rust_helper struct file *rust_helper_sock_file(struct sock *sk)
{
	return sk->sk_socket ? sk->sk_socket->file : NULL;
}

__rust_helper void rust_helper_sock_hold(struct sock *sk)
{
	sock_hold(sk);
}

__rust_helper void rust_helper_sock_put(struct sock *sk)
{
	sock_put(sk);
}
