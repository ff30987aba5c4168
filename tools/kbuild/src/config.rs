// SPDX-License-Identifier: GPL-2.0
//! The kernel's configurations, and whether a kernel got what was asked for.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::Project;

/// One of the kernels that the project builds, or that is there for everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, ValueEnum)]
pub enum Config {
    /// What a guest needs to run the module, its tests and its benchmarks.
    #[default]
    Lean,
    /// The lean kernel with all that finds mistakes: slow, and with a log that tells.
    Debug,
    /// The options of the lean kernel without the project's patches: what the patched kernel has to
    /// behave like.
    Pristine,
    /// Debian's own image, as its packages have it: no patch, nothing compiled.
    Debian,
}

impl Config {
    /// The fragments under `tools/kbuild` that make it up; a later one wins.
    fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::Lean | Self::Pristine => &["lean.config"],
            Self::Debug => &["lean.config", "debug.config"],
            // Its options are in a package.
            Self::Debian => &[],
        }
    }

    /// Whether the project's patches are applied.
    pub fn is_patched(self) -> bool {
        matches!(self, Self::Lean | Self::Debug)
    }

    /// The command that builds it.
    pub(crate) fn make_command(self) -> String {
        match self {
            Self::Lean => "make kernel".into(),
            other => format!("make kernel KERNEL={other}"),
        }
    }

    /// Reads what it asks for.
    pub(crate) fn options(self, project: &Project) -> Result<Options> {
        let fragments = self.fragments().iter().map(|name| project.fragment(name));
        fragments
            .map(|path| Options::read(&path))
            .try_fold(Options::default(), |all, next| Ok(all.overlaid_with(next?)))
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No variant is skipped, so each has its name.
        f.write_str(
            self.to_possible_value()
                .as_ref()
                .map_or("", |value| value.get_name()),
        )
    }
}

/// Options of a kernel with their values, from a fragment or a `.config`. What is "not set" has the
/// value `n`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options(BTreeMap<String, String>);

impl Options {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut options = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            if let Some((name, value)) = line
                .strip_prefix("CONFIG_")
                .and_then(|rest| rest.split_once('='))
            {
                options.insert(format!("CONFIG_{name}"), value.to_owned());
            } else if let Some(name) = line
                .strip_prefix("# ")
                .and_then(|rest| rest.strip_suffix(" is not set"))
            {
                options.insert(name.to_owned(), "n".to_owned());
            } else if !line.is_empty() && !line.starts_with('#') {
                bail!("not a line of a kernel configuration: {line:?}");
            }
        }
        Ok(Self(options))
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// With the values of `others` where both name an option.
    pub(crate) fn overlaid_with(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The value of an option, `n` where it is not named.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("n", String::as_str)
    }

    /// What is asked for here and is otherwise in `actual`, a line each.
    pub(crate) fn missing_from(&self, actual: &Self) -> Vec<String> {
        self.0
            .iter()
            .filter(|(name, value)| actual.get(name) != value.as_str())
            .map(|(name, value)| {
                format!("{name}: {value} was asked for, it is {}", actual.get(name))
            })
            .collect()
    }
}

/// As a fragment: one line an option, in alphabetic order.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(name, value)| match value.as_str() {
                "n" => writeln!(f, "# {name} is not set"),
                value => writeln!(f, "{name}={value}"),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAGMENT: &str =
        "# A comment.\n\nCONFIG_SMP=y\nCONFIG_NR_CPUS=64\n# CONFIG_SWAP is not set\n";

    #[test]
    fn parses_values_and_unset_options() {
        let options = Options::parse(FRAGMENT).unwrap();
        assert_eq!(options.get("CONFIG_SMP"), "y");
        assert_eq!(options.get("CONFIG_NR_CPUS"), "64");
        assert_eq!(options.get("CONFIG_SWAP"), "n");
        assert_eq!(Options::parse(&options.to_string()).unwrap(), options);
    }

    #[test]
    fn refuses_what_is_no_option() {
        assert!(Options::parse("CONFIG_SMP\n").is_err());
        assert!(Options::parse("SMP=y\n").is_err());
    }

    #[test]
    fn lists_what_the_kernel_did_not_take() {
        let wanted = Options::parse(FRAGMENT).unwrap();
        let actual =
            Options::parse("CONFIG_SMP=y\nCONFIG_NR_CPUS=8\nCONFIG_SWAP=y\nCONFIG_OTHER=y\n")
                .unwrap();
        assert_eq!(
            wanted.missing_from(&actual),
            [
                "CONFIG_NR_CPUS: 64 was asked for, it is 8",
                "CONFIG_SWAP: n was asked for, it is y"
            ]
        );
        assert!(wanted.missing_from(&wanted).is_empty());
    }

    #[test]
    fn a_later_fragment_wins() {
        let first = Options::parse(FRAGMENT).unwrap();
        let second = Options::parse("# CONFIG_SMP is not set\nCONFIG_SWAP=y\n").unwrap();
        assert_eq!(
            first.overlaid_with(second).to_string(),
            "CONFIG_NR_CPUS=64\n# CONFIG_SMP is not set\nCONFIG_SWAP=y\n"
        );
    }

    #[test]
    fn an_absent_option_is_off() {
        let wanted = Options::parse("# CONFIG_SWAP is not set\n").unwrap();
        assert!(wanted.missing_from(&Options::default()).is_empty());
    }

    #[test]
    fn every_configuration_of_the_project_can_be_read() {
        let project = Project::find().unwrap();
        for config in [Config::Lean, Config::Debug, Config::Pristine] {
            let options = config.options(&project).unwrap();
            assert_eq!(options.get("CONFIG_RUST"), "y", "{config}");
        }
    }
}
