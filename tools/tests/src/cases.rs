// SPDX-License-Identifier: GPL-2.0

//! The tests. A test is named after the file that it is in: `masks::answers` is in `masks.rs`.

mod attribute_combinations;
mod callers;
mod cgroups;
mod client_modes;
mod exit_records;
mod exit_storm;
mod extack;
mod family;
pub mod faults;
mod handover;
mod hotplug;
mod layout;
pub mod leaks;
mod listeners;
pub mod livepatch;
mod masks;
mod module;
mod namespaces;
mod privilege;
mod processes;
mod records;
mod registrations;
mod requests;
mod selfcheck;
mod sockets;
mod stock_clients;
mod suspended;
mod tracing;

use std::sync::Arc;

use libtest_mimic::Trial;

use crate::{
    context::Context,
    exchange::{Answer, Ask},
    requests::Labelled,
};

pub(crate) use self::family::{Pristine, describe as describe_family, requests as family_requests};

/// The tests of every run, by their files.
fn by_file(context: &Arc<Context>) -> Vec<(&'static str, Vec<Trial>)> {
    macro_rules! files {
        ($($file:ident)*) => { vec![$((stringify!($file), $file::trials(context))),*] };
    }
    files! {
        selfcheck
        layout
        family
        module
        stock_clients
        records
        requests
        privilege
        extack
        namespaces
        processes
        attribute_combinations
        masks
        callers
        cgroups
        client_modes
        handover
        exit_records
        listeners
        registrations
        sockets
        suspended
        tracing
        hotplug
        exit_storm
    }
}

/// All tests, but for those that the kernel has to be made for: [`faults`], [`leaks`] and
/// [`livepatch`].
pub fn all(context: &Arc<Context>) -> Vec<Trial> {
    let files = by_file(context).into_iter();
    files.flat_map(|(_, trials)| trials).collect()
}

/// Puts these requests one after the other.
fn ask_all(who: &mut impl Ask, requests: &[Labelled]) -> anyhow::Result<Vec<Answer>> {
    requests
        .iter()
        .map(|(label, request)| who.ask(label, request))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// All tests by their files, also those that not every run has.
    fn all_by_file() -> Vec<(&'static str, Vec<Trial>)> {
        let context = Arc::new(Context::for_names());
        let mut files = by_file(&context);
        files.push(("faults", faults::trials(&context)));
        files.push(("leaks", vec![leaks::trial(&context)]));
        files.push(("livepatch", livepatch::trials(&context, Path::new(""))));
        files
    }

    #[test]
    fn a_test_is_named_after_its_file() {
        for (file, trials) in all_by_file() {
            assert!(!trials.is_empty(), "{file}");
            for trial in trials {
                let prefix = trial.name().split_once("::").map(|(prefix, _)| prefix);
                assert_eq!(prefix, Some(file), "{}", trial.name());
            }
        }
    }

    #[test]
    fn no_two_tests_have_the_same_name() {
        let mut names = BTreeSet::new();
        for trial in all_by_file().into_iter().flat_map(|(_, trials)| trials) {
            assert!(names.insert(trial.name().to_owned()), "{}", trial.name());
        }
    }

    #[test]
    fn what_cannot_pass_is_there() {
        let all = all(&Arc::new(Context::for_names()));
        let number = all.len();
        let rest = livepatch::without_what_cannot_pass(all);
        assert_eq!(rest.len(), number - livepatch::CANNOT_PASS.len());
    }

    #[test]
    fn no_file_is_left_out() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cases");
        let files = fs::read_dir(folder).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        });
        let listed = all_by_file().into_iter().map(|(file, _)| file.to_owned());
        assert_eq!(files.collect::<BTreeSet<_>>(), listed.collect());
    }
}
