// SPDX-License-Identifier: GPL-2.0
//! The shell script that runs in the guest: brings the implementation up, runs CMD, and leaves
//! marks in the kernel's log, so that the log alone says how far the guest came.

use std::path::Path;

use anyhow::{Context, Result};
use shell_words::{join, quote};

use crate::log::{ENDED, FAILED, MARK, STARTS};

/// What the script does.
pub(crate) struct Script<'a> {
    /// The module to load before CMD, if any.
    pub(crate) module: Option<&'a Path>,
    /// The program that loads it.
    pub(crate) control: &'a Path,
    /// CMD's working directory.
    pub(crate) directory: &'a Path,
    /// CMD's environment, complete.
    pub(crate) environment: &'a [(String, String)],
    /// CMD and its arguments.
    pub(crate) command: &'a [String],
}

/// Connects standard output and error with virtme-ng's ports. Without udev, virtme-ng leaves them
/// at the console.
///
/// A port can be open once only: whoever opens `/dev/stdout` needs one of its own.
const CONNECT: &str = r#"
if ! [ -e /dev/virtio-ports ]; then
    for port in /sys/class/virtio-ports/*; do
        read -r name <"$port/name"
        device=/dev/${port##*/}
        case $name in
        virtme.stdout) exec >"$device" ;;
        virtme.stderr) exec 2>"$device" ;;
        virtme.dev_stdout) ln -sf "$device" /dev/stdout ;;
        virtme.dev_stderr) ln -sf "$device" /dev/stderr ;;
        esac
    done
fi
"#;

impl Script<'_> {
    /// The script's text.
    pub(crate) fn text(&self) -> Result<String> {
        Ok([
            "#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\n",
            CONNECT,
            &self.body()?,
        ]
        .concat())
    }

    /// The part that does not depend on the guest's ports.
    fn body(&self) -> Result<String> {
        let path = |path: &Path| -> Result<String> {
            let text = path
                .to_str()
                .with_context(|| format!("the path {} is not UTF-8", path.display()))?;
            Ok(quote(text).into_owned())
        };
        let mut text = format!(
            "mark() {{ echo \"<5>{MARK}$*\" >/dev/kmsg; }}\n\
             fail() {{ echo \"guest: $*\" >&2; mark \"{FAILED}$*\"; exit 1; }}\n\
             exec </dev/null 3>&-\n"
        );
        if let Some(module) = self.module {
            text += &format!(
                "{} load {} || fail 'the module cannot be loaded'\n",
                path(self.control)?,
                path(module)?
            );
        }
        text += &format!(
            "cd {} || fail 'the working directory is not there in the guest'\n",
            path(self.directory)?
        );
        text += &format!("mark '{STARTS}'\n");
        let environment = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        text += &format!("env -i {} {}\n", join(environment), join(self.command));
        text += &format!("status=$?\nmark \"{ENDED}$status\"\nexit $status\n");
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    /// A program that fails.
    const CONTROL: &str = "false";

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    /// Runs a script here, with the marks on its standard error.
    fn run(script: &Script<'_>) -> Output {
        let text = script.body().unwrap().replace(">/dev/kmsg", ">&2");
        Command::new("sh").args(["-c", &text]).output().unwrap()
    }

    #[test]
    fn arguments_come_through_unharmed() {
        let arguments = [
            "a b",
            "it's",
            "\"q\"",
            "$HOME",
            "`x`",
            "",
            "\\",
            "*",
            "new\nline",
            "-n",
        ];
        let mut command = words(&["printf", "[%s]"]);
        command.extend(words(&arguments));
        let script = Script {
            module: None,
            control: Path::new(CONTROL),
            directory: Path::new("/"),
            environment: &[],
            command: &command,
        };
        let mut expected = String::new();
        for argument in arguments {
            expected.push('[');
            expected.push_str(argument);
            expected.push(']');
        }
        assert_eq!(String::from_utf8(run(&script).stdout).unwrap(), expected);
    }

    #[test]
    fn the_environment_is_exactly_the_given_one() {
        let environment = [
            ("A".to_owned(), "1 '2'".to_owned()),
            ("B".to_owned(), String::new()),
        ];
        let command = words(&["/usr/bin/env"]);
        let script = Script {
            module: None,
            control: Path::new(CONTROL),
            directory: Path::new("/"),
            environment: &environment,
            command: &command,
        };
        assert_eq!(
            String::from_utf8(run(&script).stdout).unwrap(),
            "A=1 '2'\nB=\n"
        );
    }

    #[test]
    fn the_status_is_the_commands_and_marked() {
        let command = words(&["sh", "-c", "exit 7"]);
        let script = Script {
            module: None,
            control: Path::new(CONTROL),
            directory: Path::new("/tmp"),
            environment: &[],
            command: &command,
        };
        let output = run(&script);
        assert_eq!(output.status.code(), Some(7));
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .ends_with("<5>guest: the command ended with 7\n")
        );
    }

    #[test]
    fn without_its_module_the_command_is_not_started() {
        let command = words(&["echo", "started"]);
        let module = Some(Path::new("/nonexistent.ko"));
        let script = Script {
            module,
            control: Path::new(CONTROL),
            directory: Path::new("/"),
            environment: &[],
            command: &command,
        };
        let output = run(&script);
        assert_ne!(output.status.code(), Some(0));
        assert_eq!(output.stdout, b"");
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains("set-up failed: the module cannot be loaded")
        );
    }
}
