// SPDX-License-Identifier: GPL-2.0

//! What every test shares, and how a test is run: with a certain implementation in charge, if it
//! needs one, and nothing new in the kernel's log that the kernel says only when something is wrong.

use std::{
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use anyhow::{Context as _, ensure};
use libtest_mimic::{Failed, Trial};

use crate::{
    cases::Pristine,
    implementation::{Implementation, Switch},
    kernel_log::{KernelLog, no_complaints},
    report::Report,
    stock::StockClients,
};

/// What every test shares.
pub struct Context {
    /// Who answers.
    pub switch: Switch,
    /// The stock clients.
    pub clients: StockClients,
    /// The folder of the kernel's user-space headers.
    pub headers: PathBuf,
    pristine: Mutex<Option<Pristine>>,
    report: OnceLock<Mutex<Report>>,
}

impl Context {
    /// Takes what is to be compared with before the module is loaded for the first time.
    pub fn new(switch: Switch, clients: StockClients, headers: PathBuf) -> anyhow::Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "the tests load a module: they run as root, in a guest"
        );
        ensure!(
            Implementation::in_charge()? == Implementation::C,
            "the module is loaded already"
        );
        Ok(Self {
            switch,
            clients,
            headers,
            pristine: Mutex::new(Some(Pristine::take()?)),
            report: OnceLock::new(),
        })
    }

    /// What was answered before the module was loaded for the first time.
    pub(crate) fn pristine<T>(
        &self,
        with: impl FnOnce(&mut Pristine) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut pristine = self.pristine.lock().unwrap_or_else(PoisonError::into_inner);
        with(pristine.as_mut().context("no answers were taken")?)
    }

    /// A context in which no test can run, to know the names of all.
    #[cfg(test)]
    pub(crate) fn for_names() -> Self {
        Self {
            switch: Switch::new(PathBuf::new(), true),
            clients: StockClients::new(&PathBuf::new()),
            headers: PathBuf::new(),
            pristine: Mutex::new(None),
            report: OnceLock::new(),
        }
    }

    /// From now on, writes the result of each test to this report as well.
    pub fn report_to(&self, report: Report) {
        // The first one stays.
        let _: Result<(), _> = self.report.set(Mutex::new(report));
    }

    /// Does something with the report, if there is one.
    pub fn report(
        &self,
        with: impl FnOnce(&mut Report) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let report = self.report.get();
        report.map_or(Ok(()), |report| {
            with(&mut report.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// A test by that name, with C in charge before it and after it.
    pub fn trial<T>(self: &Arc<Self>, name: impl Into<String>, test: T) -> Trial
    where
        T: FnOnce(&Self, &str) -> anyhow::Result<()> + Send + 'static,
    {
        self.trial_under_either(name, |context, name| {
            let held = context.switch.hold(Implementation::C)?;
            let result = test(context, name);
            drop(held);
            result
        })
    }

    /// A test by that name that may find C or Rust in charge and leave it to either: a comparison
    /// of both, which has the module loaded or unloaded once.
    pub fn trial_under_either<T>(self: &Arc<Self>, name: impl Into<String>, test: T) -> Trial
    where
        T: FnOnce(&Self, &str) -> anyhow::Result<()> + Send + 'static,
    {
        let context = Arc::clone(self);
        let name = name.into();
        Trial::test(name.clone(), move || {
            let run = AssertUnwindSafe(|| context.run(&name, test));
            let result =
                panic::catch_unwind(run).map(|it| it.map_err(|error| format!("{error:#}")));
            let failed = match &result {
                Ok(result) => result.as_ref().err().map(String::as_str),
                Err(_) => Some("panicked"),
            };
            context.report(|report| report.test(&name, failed))?;
            match result {
                Ok(result) => result.map_err(Failed::from),
                Err(panic) => panic::resume_unwind(panic),
            }
        })
    }

    fn run(
        &self,
        name: &str,
        test: impl FnOnce(&Self, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut log = KernelLog::from_now()?;
        let result = test(self, name);
        no_complaints(&mut log)?;
        result
    }
}
