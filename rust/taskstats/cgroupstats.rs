// SPDX-License-Identifier: GPL-2.0

//! `CGROUPSTATS_CMD_GET`: the tasks of a control group, counted by state.

use super::{
    state::Taskstats,
    uapi::*, //
};
use crate::{
    abstractions::cgroup::CgroupStats,
    genetlink::{
        AttributeHeader,
        Command,
        Permission,
        Policy,
        Refusal,
        Request,
        Room,
        Validation, //
    },
};
use kernel::{
    fs::LocalFile,
    prelude::*, //
};

use zerocopy_derive::KnownLayout;

/// `CGROUPSTATS_CMD_GET`.
pub(crate) struct Get;

#[vtable]
impl Command for Get {
    type Family = Taskstats;
    type Cursor = ();

    const CMD: u8 = CGROUPSTATS_CMD_GET as u8;
    const VALIDATION: Validation = Validation::Liberal;
    const PERMISSION: Permission = Permission::Any;
    const POLICY: &'static [Policy] = &[
        Policy::UNSPEC,
        Policy::U32, // CGROUPSTATS_CMD_ATTR_FD
    ];

    /// Mirrors `cgroupstats_user_cmd()`.
    #[inline]
    fn doit<'a>(
        _taskstats: &Taskstats,
        request: Request<'a, Taskstats>,
    ) -> Result<(), Refusal<'a>> {
        let fd = request
            .attribute(CGROUPSTATS_CMD_ATTR_FD)
            .ok_or_else(|| Refusal::new(EINVAL, c"no file descriptor of a control group"))?;
        let file = LocalFile::fget(fd.u32()?)
            .map_err(|error| Refusal::new(error.into(), c"no open file descriptor").at(fd))?;
        let stats = CgroupStats::of(&file).map_err(|errno| {
            let words = match errno {
                ENOENT => c"the control group has been removed",
                _ => c"not the directory of a control group of version 1",
            };
            Refusal::new(errno, words).at(fd)
        })?;

        let mut reply =
            request.reply(CGROUPSTATS_CMD_NEW as u8, Room::of::<Counts>(), GFP_KERNEL)?;
        let counts = reply.append::<Counts>()?;
        counts.header =
            AttributeHeader::of::<CGROUPSTATS_TYPE_CGROUP_STATS, { size_of::<CgroupStats>() }>();
        counts.stats = stats.into_bytes();
        Ok(reply.send_to_socket()?)
    }
}

/// The attribute of the answer.
#[derive(FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
struct Counts {
    /// `CGROUPSTATS_TYPE_CGROUP_STATS`.
    header: AttributeHeader,
    /// A `struct cgroupstats`.
    stats: [u8; size_of::<CgroupStats>()],
}
