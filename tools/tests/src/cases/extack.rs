// SPDX-License-Identifier: GPL-2.0

//! The text of a refusal for those who ask for it (`NETLINK_EXT_ACK`), and the offset of the
//! attribute that is at fault. C gives neither.

use std::{fs::File, os::fd::AsRawFd, sync::Arc};

use crate::request::{RawAttribute, Request};
use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use nix::{errno::Errno, libc};
use taskstats::{
    Client, Options,
    answer::{Body, ErrorReport},
    uapi::{
        CGROUPSTATS_CMD_GET, TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK,
        TASKSTATS_CMD_ATTR_REGISTER_CPUMASK,
    },
};

use crate::{context::Context, implementation::Implementation};

/// Where the first attribute of a request is: behind both headers.
const FIRST: u32 = 20;

const ABSENT: u32 = libc::c_int::MAX as u32;

/// A request that is refused.
struct Refused {
    what: &'static str,
    request: Request,
    errno: Errno,
    /// A part of the text.
    says: &'static str,
    /// Where the attribute at fault is.
    at: Option<u32>,
}

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        context.trial("extack::every_refusal_has_a_text", every_refusal),
        context.trial("extack::success_has_no_text", success),
    ]
}

fn refused(family: u16, file: u32) -> Vec<Refused> {
    let list = |kind, list: &str| Request::get(family).with(RawAttribute::text(kind, list));
    let register = |text: &str| list(TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, text);
    let deregister = |text: &str| list(TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, text);
    let entry = |what, request, errno, says, at| Refused {
        what,
        request,
        errno,
        says,
        at,
    };
    let first = Some(FIRST);
    vec![
        entry(
            "an absent pid",
            Request::pid(family, ABSENT),
            Errno::ESRCH,
            "no task has this id",
            first,
        ),
        entry(
            "an absent tgid",
            Request::tgid(family, ABSENT),
            Errno::ESRCH,
            "no task has this id",
            first,
        ),
        entry(
            "nothing",
            Request::get(family),
            Errno::EINVAL,
            "nothing is asked for",
            None,
        ),
        entry(
            "a long list",
            // Longer than any kernel takes: the limit grows with NR_CPUS.
            register(&"0,".repeat(32_000)),
            Errno::E2BIG,
            "too long",
            first,
        ),
        entry(
            "a list backwards",
            register("1-0"),
            Errno::EINVAL,
            "not a list",
            first,
        ),
        entry(
            "no list",
            deregister("CPUs"),
            Errno::EINVAL,
            "not a list",
            first,
        ),
        entry(
            "a CPU out of range",
            deregister("9999"),
            Errno::ERANGE,
            "not a list",
            first,
        ),
        entry(
            "no descriptor",
            Request::new(family, CGROUPSTATS_CMD_GET),
            Errno::EINVAL,
            "no file",
            None,
        ),
        entry(
            "a closed descriptor",
            Request::cgroup(family, 9999),
            Errno::EBADF,
            "no open file",
            first,
        ),
        entry(
            "no control group",
            Request::cgroup(family, file),
            Errno::EINVAL,
            "control group",
            first,
        ),
    ]
}

/// The refusal of a request.
fn report(client: &mut Client, request: &Request) -> anyhow::Result<ErrorReport> {
    let answers = client.exchange(&request.encode())?;
    let [answer] = &answers[..] else {
        anyhow::bail!("{} datagrams", answers.len());
    };
    match answer
        .messages()?
        .into_iter()
        .next()
        .map(|message| message.body)
    {
        Some(Body::Error(report)) => Ok(report),
        other => anyhow::bail!("no error: {other:?}"),
    }
}

fn every_refusal(context: &Context, _: &str) -> anyhow::Result<()> {
    let file = File::open("/proc/self/exe")?;
    for (implementation, extended_ack) in [
        (Implementation::C, true),
        (Implementation::Rust, true),
        (Implementation::Rust, false),
    ] {
        context.switch.to(implementation)?;
        let mut client = Client::connect(Options {
            extended_ack,
            ..Options::default()
        })?;
        for refused in refused(client.family(), file.as_raw_fd() as u32) {
            let what = refused.what;
            let report = report(&mut client, &refused.request).with_context(|| what)?;
            ensure!(report.code == -(refused.errno as i32), "{what}: {report:?}");
            if implementation == Implementation::Rust && extended_ack {
                let text = report.text.with_context(|| format!("{what}: no text"))?;
                ensure!(text.contains(refused.says), "{what}: {text:?}");
                ensure!(report.at == refused.at, "{what}: at {:?}", report.at);
            } else {
                ensure!(report.text.is_none(), "{what}: {report:?}");
                ensure!(report.at.is_none(), "{what}: {report:?}");
            }
        }
    }
    Ok(())
}

fn success(context: &Context, _: &str) -> anyhow::Result<()> {
    context.switch.to(Implementation::Rust)?;
    let mut client = Client::connect(Options {
        extended_ack: true,
        ..Options::default()
    })?;
    let request = Request::get(client.family())
        .with(RawAttribute::text(TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, "0"))
        .flags((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16);
    let report = report(&mut client, &request)?;
    ensure!(report.code == 0, "{report:?}");
    ensure!(report.text.is_none() && report.at.is_none(), "{report:?}");
    Ok(())
}
