// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! The generic-netlink controller: what a family is and which attributes it takes.

use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_generic::{
    constants::{
        CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, CTRL_CMD_GETPOLICY,
        GENL_ID_CTRL,
    },
    ctrl::nlas::{GenlCtrlAttrs, OpAttrs, OppolicyAttr, PolicyAttr},
};

use crate::{
    answer::{Body, Datagram},
    request::Request,
};

/// What `CTRL_CMD_GETFAMILY` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Family {
    /// The message type of its requests.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Size of its own header.
    pub hdrsize: u32,
    /// The highest attribute, where it is the same for all commands; else 0.
    pub maxattr: u32,
    /// Commands and their flags.
    pub operations: Vec<(u32, u32)>,
    /// Number of multicast groups.
    pub groups: usize,
}

/// What `CTRL_CMD_GETPOLICY` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// For each command, which policy holds.
    pub operations: Vec<OppolicyAttr>,
    /// For each attribute of each policy, what holds.
    pub attributes: Vec<PolicyAttr>,
}

/// Asks what the family of that name is.
pub fn family_request(name: &str) -> Request {
    Request::new(GENL_ID_CTRL, CTRL_CMD_GETFAMILY).with(|it| it.text(CTRL_ATTR_FAMILY_NAME, name))
}

/// Asks which attributes the family with that id takes: a dump.
pub fn policy_request(family: u16) -> Request {
    Request::new(GENL_ID_CTRL, CTRL_CMD_GETPOLICY)
        .dump()
        .with(|it| it.bytes(CTRL_ATTR_FAMILY_ID, &family.to_ne_bytes()))
}

impl Family {
    /// Reads the answer to [`family_request`].
    pub fn parse(answer: &[Datagram]) -> Result<Self, DecodeError> {
        let mut family = Self::default();
        for attribute in controller_attributes(answer)? {
            match attribute {
                GenlCtrlAttrs::FamilyId(id) => family.id = id,
                GenlCtrlAttrs::FamilyName(name) => family.name = name,
                GenlCtrlAttrs::Version(version) => family.version = version,
                GenlCtrlAttrs::HdrSize(size) => family.hdrsize = size,
                GenlCtrlAttrs::MaxAttr(max) => family.maxattr = max,
                GenlCtrlAttrs::Ops(operations) => {
                    family.operations = operations.iter().map(|op| operation(op)).collect();
                }
                GenlCtrlAttrs::McastGroups(groups) => family.groups = groups.len(),
                _ => {}
            }
        }
        if family.id == 0 {
            return Err("no family id".into());
        }
        Ok(family)
    }
}

impl Policy {
    /// Reads the answer to [`policy_request`].
    pub fn parse(answer: &[Datagram]) -> Result<Self, DecodeError> {
        let mut policy = Self::default();
        for attribute in controller_attributes(answer)? {
            match attribute {
                GenlCtrlAttrs::OpPolicy(operation) => policy.operations.push(operation),
                GenlCtrlAttrs::Policy(attribute) => policy.attributes.push(attribute),
                _ => {}
            }
        }
        Ok(policy)
    }
}

fn operation(attributes: &[OpAttrs]) -> (u32, u32) {
    let mut operation = (0, 0);
    for attribute in attributes {
        match attribute {
            OpAttrs::Id(id) => operation.0 = *id,
            OpAttrs::Flags(flags) => operation.1 = *flags,
        }
    }
    operation
}

fn controller_attributes(answer: &[Datagram]) -> Result<Vec<GenlCtrlAttrs>, DecodeError> {
    let mut found = Vec::new();
    for datagram in answer {
        for message in datagram.messages()? {
            match message.body {
                Body::Generic { attributes, .. } => {
                    for attribute in attributes {
                        let start = attribute.offset - netlink_packet_core::NLA_HEADER_SIZE;
                        let bytes = &datagram.0[start..attribute.offset + attribute.value.len()];
                        let buffer = netlink_packet_core::NlaBuffer::new_checked(bytes)?;
                        found.push(GenlCtrlAttrs::parse(&buffer)?);
                    }
                }
                Body::Error(report) if report.code != 0 => {
                    return Err(format!("refused: {report}").into());
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_read() {
        let operations = [20, 0, 1, 0, 8, 0, 1, 0, 1, 0, 0, 0, 8, 0, 2, 0, 11, 0, 0, 0];
        let answer = Request::new(GENL_ID_CTRL, 1).with(|it| {
            it.text(CTRL_ATTR_FAMILY_NAME, "TASKSTATS")
                .bytes(CTRL_ATTR_FAMILY_ID, &0x1du16.to_ne_bytes())
                .u32(3, 1)
                .bytes(6, &operations)
        });
        let family = Family::parse(&[Datagram(answer.encode())]).unwrap();
        assert_eq!(family.name, "TASKSTATS");
        assert_eq!((family.id, family.version), (0x1d, 1));
        assert_eq!(family.operations, [(1, 11)]);
    }

    #[test]
    fn an_answer_without_id_is_none() {
        let answer = Request::new(GENL_ID_CTRL, 1).with(|it| it.text(CTRL_ATTR_FAMILY_NAME, "X"));
        assert!(Family::parse(&[Datagram(answer.encode())]).is_err());
        assert!(Family::parse(&[]).is_err());
    }
}
