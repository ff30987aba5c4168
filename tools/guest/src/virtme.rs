// SPDX-License-Identifier: GPL-2.0
//! virtme-ng's command line for one guest.

use std::{ffi::OsString, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{qemu::Accelerator, tsc};

/// A guest, as virtme-ng sees it.
pub(crate) struct Machine<'a> {
    /// The kernel's image.
    pub(crate) image: &'a Path,
    /// Whether it finds its root only with modules, which lie beside it.
    pub(crate) is_modular: bool,
    /// The file that takes the kernel's console.
    pub(crate) log: &'a Path,
    /// The script to run as root.
    pub(crate) script: &'a Path,
    /// Programs that virtme-ng's init finds before the machine's own.
    pub(crate) programs: &'a Path,
    pub(crate) cpus: u32,
    pub(crate) memory: &'a str,
    pub(crate) accelerator: Accelerator,
    /// Further arguments for the kernel.
    pub(crate) append: &'a [String],
    /// Further arguments for QEMU.
    pub(crate) qemu: &'a [String],
}

/// Where the guest may write: what it writes goes to memory and is lost with it.
const OVERLAYS: &[&str] = &[
    "/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/usr", "/var",
];

/// Arguments for the kernel, on top of virtme-ng's own. Of two that contradict each other the later
/// wins.
const KERNEL_ARGUMENTS: &[&str] = &[
    // Without it the kernel does not collect delays, and taskstats answers zeros.
    "delayacct",
    // The whole log goes to the console, with times, and nothing that user space writes there is
    // dropped.
    "ignore_loglevel",
    "printk.time=1",
    "printk.devkmsg=on",
    // The console is there from the first line on, even if the kernel never comes to set up its
    // drivers.
    "earlycon=uart8250,io,0x3f8,115200",
    // A kernel that has faulted is of no further use: virtme-ng makes a panic end the guest at
    // once.
    "oops=panic",
    // An emulated CPU that has to wait for a busy machine must not look like one with bad clocks.
    "tsc=reliable",
    "no_timer_check",
    // While it identifies the boot CPU, the kernel forgets for a moment which features that has
    // (identify_cpu() in arch/x86/kernel/cpu/common.c). With five levels of page tables, KASAN then
    // takes any address that an interrupt uses for a wild one.
    "no5lvl",
    // The guest's root does not change under it: what was read once need not be read again.
    // virtme-ng's own options, and the cache.
    "rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose",
];

impl Machine<'_> {
    /// The command that boots the guest and ends when it powers off.
    pub(crate) fn command(&self) -> Result<Command> {
        // `vng` builds a shell command line for this program and reads a configuration of the
        // user's. Neither is wanted here.
        let mut command = Command::new("virtme-run");
        command.arg("--kimg").arg(self.image);
        // An initramfs takes longer: only where it must be.
        command.args(["--mods", if self.is_modular { "use" } else { "none" }]);
        command.args(["--user", "root", "--name", "guest", "--force-9p"]);
        command.args(["--cpus", &self.cpus.to_string(), "--memory", self.memory]);
        if self.accelerator != Accelerator::Kvm {
            command.arg("--disable-kvm");
        }
        for directory in OVERLAYS
            .iter()
            .filter(|directory| Path::new(directory).is_dir())
        {
            command.args(["--overlay-rwdir", directory]);
        }
        // virtme-ng's init puts its own directories behind those that it is given; what is in an
        // initramfs finds its programs there alone.
        let mut path = assignment("PATH=", self.programs);
        if self.is_modular {
            path.push(":/bin");
        }
        command.arg("--kopt").arg(path);
        let own = [KERNEL_ARGUMENTS, self.accelerator.kernel_arguments()].concat();
        if self.accelerator.shares_counter() {
            let khz = tsc::khz();
            command.args(["--kopt", &format!("tsc_early_khz={khz}")]);
        }
        for argument in own
            .into_iter()
            .chain(self.append.iter().map(String::as_str))
        {
            command.args(["--kopt", argument]);
        }
        command
            .arg("--script-sh")
            .arg(format!("/bin/sh {}", quoted(self.script)?));
        // Last: virtme-ng takes all that follows.
        command.arg("--qemu-opts");
        // virtme-ng sends the serial console nowhere while it runs a script; this gives it a place.
        command
            .arg("-set")
            .arg(assignment("chardev.console.path=", self.log));
        command.args(self.accelerator.qemu_arguments());
        command.args(self.qemu);
        Ok(command)
    }
}

fn quoted(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("the path {} is not UTF-8", path.display()))?;
    Ok(shell_words::quote(text).into_owned())
}

fn assignment(name: &str, path: &Path) -> OsString {
    let mut text = OsString::from(name);
    text.push(path);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(accelerator: Accelerator) -> Vec<String> {
        words_of(accelerator, false)
    }

    fn words_of(accelerator: Accelerator, is_modular: bool) -> Vec<String> {
        let machine = Machine {
            image: Path::new("/k/bzImage"),
            is_modular,
            log: Path::new("/l/a log"),
            script: Path::new("/s/it's"),
            programs: Path::new("/p"),
            cpus: 2,
            memory: "1G",
            accelerator,
            append: &["a=b".to_owned()],
            qemu: &["-snapshot".to_owned()],
        };
        let command = machine.command().unwrap();
        assert_eq!(command.get_program(), "virtme-run");
        command
            .get_args()
            .map(|word| word.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_kernel_gets_its_arguments_and_the_script_its_path() {
        let words = words(Accelerator::Kvm);
        for pair in [
            ["--kopt", "delayacct"],
            ["--kopt", "a=b"],
            ["--kopt", "PATH=/p"],
            ["--cpus", "2"],
        ] {
            assert!(words.windows(2).any(|window| window == pair), "{pair:?}");
        }
        assert!(
            words
                .windows(2)
                .any(|window| window == ["--script-sh", "/bin/sh '/s/it'\\''s'"])
        );
    }

    #[test]
    fn a_modular_kernel_gets_an_initramfs_that_finds_its_programs() {
        for (is_modular, mods, path) in [(false, "none", "PATH=/p"), (true, "use", "PATH=/p:/bin")]
        {
            let words = words_of(Accelerator::Emulation, is_modular);
            for pair in [["--mods", mods], ["--kopt", path]] {
                assert!(words.windows(2).any(|window| window == pair), "{pair:?}");
            }
        }
    }

    #[test]
    fn qemus_options_come_last() {
        let after = |accelerator| {
            let words = words(accelerator);
            let at = words.iter().position(|word| word == "--qemu-opts").unwrap();
            words[at + 1..].to_vec()
        };
        let log = ["-set", "chardev.console.path=/l/a log"];
        let own = ["-snapshot"];
        assert_eq!(after(Accelerator::Kvm), [log.as_slice(), &own].concat());
        assert_eq!(
            after(Accelerator::Emulation),
            [&log[..], &["-accel", "tcg,thread=multi"], &own].concat()
        );
        assert_eq!(
            after(Accelerator::Turns),
            [&log[..], &["-accel", "tcg,thread=single"], &own].concat()
        );
        assert_eq!(
            after(Accelerator::Instructions),
            [
                &log[..],
                &[
                    "-accel",
                    "tcg,thread=single",
                    "-icount",
                    "shift=0,sleep=off"
                ],
                &own
            ]
            .concat()
        );
    }

    #[test]
    fn a_guest_that_shares_the_counter_is_told_how_fast_it_runs() {
        for (accelerator, told) in [
            (Accelerator::Kvm, false),
            (Accelerator::Emulation, true),
            (Accelerator::Turns, true),
            (Accelerator::Instructions, false),
        ] {
            let words = words(accelerator);
            let is_told = words.iter().any(|word| word.starts_with("tsc_early_khz="));
            assert_eq!(is_told, told, "{accelerator}");
        }
    }

    #[test]
    fn kvm_is_out_of_reach_of_an_emulated_guest() {
        let disabled = |accelerator| words(accelerator).contains(&"--disable-kvm".to_owned());
        assert!(!disabled(Accelerator::Kvm));
        assert!(disabled(Accelerator::Emulation));
        assert!(disabled(Accelerator::Turns));
        assert!(disabled(Accelerator::Instructions));
    }
}
