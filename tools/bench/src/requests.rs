// SPDX-License-Identifier: GPL-2.0

//! The requests, and the sizes of their answers.

use taskstats::{
    Request, controller,
    uapi::{
        NLMSG_HDRLEN, TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK,
        TASKSTATS_GENL_NAME,
    },
};

const NLM_F_ACK: u16 = 4;
const NLMSG_NOOP: u16 = 1;
const GENL_HDRLEN: usize = 4;
const NLA_HDRLEN: usize = 4;
/// `struct taskstats`.
const RECORD: usize = 688;
/// `struct cgroupstats`.
const CGROUP: usize = 40;
/// A message type that no family has.
const NO_FAMILY: u16 = u16::MAX;
/// The CPUs to listen on: there is one.
const CPUS: &str = "0";

/// The size of an answer with a record: headers, a nest, an id, a record.
pub(crate) const RECORD_ANSWER: usize =
    NLMSG_HDRLEN + GENL_HDRLEN + NLA_HDRLEN + NLA_HDRLEN + 4 + NLA_HDRLEN + RECORD;
/// The size of an answer with a cgroup's counts.
pub(crate) const CGROUP_ANSWER: usize = NLMSG_HDRLEN + GENL_HDRLEN + NLA_HDRLEN + CGROUP;
/// The size of an acknowledgement.
pub(crate) const ACK: usize = refusal(NLMSG_HDRLEN);
/// The size of an acknowledgement of an error repeats the request.
pub(crate) const fn refusal(request: usize) -> usize {
    NLMSG_HDRLEN + 4 + request
}

/// Nothing that there is a handler for: netlink passes it over in silence.
pub(crate) fn passed_over(size: usize) -> Vec<u8> {
    padded(NLMSG_NOOP, size)
}

/// For a family that does not exist: generic netlink refuses it before it looks further.
pub(crate) fn refused(size: usize) -> Vec<u8> {
    padded(NO_FAMILY, size)
}

fn padded(kind: u16, size: usize) -> Vec<u8> {
    let mut request = Request::new(kind, 0).encode();
    request.resize(size, 0);
    request[..4].copy_from_slice(&(size as u32).to_ne_bytes());
    request
}

/// Asks the controller for the family.
pub(crate) fn family() -> Vec<u8> {
    controller::family_request(TASKSTATS_GENL_NAME).encode()
}

/// Registers, and asks for an acknowledgement.
pub(crate) fn register(family: u16) -> Vec<u8> {
    listen(family, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK)
}

/// Deregisters, and asks for an acknowledgement.
pub(crate) fn deregister(family: u16) -> Vec<u8> {
    listen(family, TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK)
}

fn listen(family: u16, attribute: u16) -> Vec<u8> {
    Request::get(family)
        .with(|it| it.text(attribute, CPUS))
        .flags(NLM_F_ACK)
        .encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_are_those_of_the_interface() {
        assert_eq!(Request::pid(0x1c, 1).encode().len(), 28);
        assert_eq!(RECORD_ANSWER, 724);
        assert_eq!(refused(704).len(), 704);
        assert_eq!(refusal(704), 724);
        assert_eq!(passed_over(28).len(), 28);
        assert_eq!(ACK, 36);
    }
}
