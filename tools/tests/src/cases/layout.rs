// SPDX-License-Identifier: GPL-2.0

//! The client's table of `struct taskstats` against the header of the kernel's tree: the C compiler
//! checks each field.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use process_control::{ChildExt, Control};
use taskstats::{
    record::{FIELDS, RECORD_SIZE},
    uapi::TASKSTATS_VERSION,
};

use crate::{context::Context, peer::limit};

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        context.trial("layout::is_the_headers", |context, _| {
            compile(&context.headers, &assertions(0))
        }),
        context.trial("layout::check_can_fail", |context, _| {
            let wrong = compile(&context.headers, &assertions(1));
            ensure!(wrong.is_err(), "offsets that are off by one compile");
            Ok(())
        }),
    ]
}

/// C code that compiles if each field is where the table says, `off` bytes further on.
fn assertions(off: usize) -> String {
    let mut code = String::from("#include <stddef.h>\n#include <linux/taskstats.h>\n");
    let mut check = |condition: String| {
        writeln!(code, "_Static_assert({condition}, \"\");").expect("strings take all");
    };
    check(format!("TASKSTATS_VERSION == {TASKSTATS_VERSION}"));
    check(format!("sizeof(struct taskstats) == {RECORD_SIZE}"));
    for field in FIELDS
        .iter()
        .filter(|field| !field.name.starts_with("pad_"))
    {
        let (name, offset, size) = (field.name, field.offset + off, field.size);
        check(format!("offsetof(struct taskstats, {name}) == {offset}"));
        check(format!("sizeof(((struct taskstats *)0)->{name}) == {size}"));
    }
    code
}

fn compile(headers: &Path, code: &str) -> anyhow::Result<()> {
    let mut child = Command::new("cc")
        .arg("-I")
        .arg(headers)
        .args(["-fsyntax-only", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting cc")?;
    // Dropped, the pipe is closed.
    let mut stdin = child.stdin.take().context("no stdin")?;
    stdin.write_all(code.as_bytes())?;
    drop(stdin);
    let output = child
        .controlled_with_output()
        .time_limit(limit())
        .terminate_for_timeout()
        .wait()?
        .context("cc did not end")?;
    ensure!(
        output.status.success(),
        "cc: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
