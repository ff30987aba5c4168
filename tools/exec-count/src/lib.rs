// SPDX-License-Identifier: GPL-2.0

//! A plugin for QEMU: counts how often each instruction of the guest is executed, between two
//! marks.
//!
//! The marks are two addresses, which the guest executes to begin and to end; see `marks.rs` of
//! `bench`. What was counted between them goes to the file that the argument `out` names: a line
//! with address and number for each instruction, and an empty line.
//!
//! What is declared here of `qemu-plugin.h` is the same in all versions of the interface.

use std::{
    collections::HashMap,
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    fs::File,
    io::{BufWriter, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI32, Ordering::Relaxed},
    },
};

/// Where to begin.
const BEGIN: u64 = 0x7461_7000;
/// Where to end.
const END: u64 = 0x7461_7010;

#[repr(C)]
struct Block {
    _opaque: [u8; 0],
}

#[repr(C)]
struct Instruction {
    _opaque: [u8; 0],
}

type Id = u64;
type Translated = extern "C" fn(Id, *mut Block);
type Executed = extern "C" fn(c_uint, *mut c_void);
const QEMU_PLUGIN_CB_NO_REGS: c_int = 0;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: Translated);
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: Executed,
        flags: c_int,
        data: *mut c_void,
    );
}

/// The version of the interface, which QEMU reads before it calls anything.
#[unsafe(export_name = "qemu_plugin_version")]
static VERSION: AtomicI32 = AtomicI32::new(1);

#[used]
#[unsafe(link_section = ".init_array")]
static CHOOSE_VERSION: extern "C" fn() = choose_version;

/// QEMU 9.0 refuses version 1, and those before it know no other.
extern "C" fn choose_version() {
    // SAFETY: A name that ends in NUL; the address is not used.
    let new = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"qemu_plugin_scoreboard_new".as_ptr()) };
    if !new.is_null() {
        VERSION.store(2, Relaxed);
    }
}

static COUNTING: AtomicBool = AtomicBool::new(false);
static COUNTS: Mutex<Option<Counts>> = Mutex::new(None);

struct Counts {
    times: HashMap<u64, u64>,
    file: BufWriter<File>,
}

impl Counts {
    fn write(&mut self) -> std::io::Result<()> {
        for (address, times) in self.times.drain() {
            writeln!(self.file, "{address:x} {times}")?;
        }
        writeln!(self.file)?;
        // QEMU may be killed at any time.
        self.file.flush()
    }
}

fn with_counts(act: impl FnMut(&mut Counts)) {
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    counts.as_mut().into_iter().for_each(act);
}

extern "C" fn translated(_id: Id, block: *mut Block) {
    // SAFETY: QEMU passes a block that is valid during this call, as are its instructions.
    let number = unsafe { qemu_plugin_tb_n_insns(block) };
    for index in 0..number {
        // SAFETY: As above; the block has so many.
        let instruction = unsafe { qemu_plugin_tb_get_insn(block, index) };
        // SAFETY: As above.
        let address = unsafe { qemu_plugin_insn_vaddr(instruction) };
        // SAFETY: As above. What is passed is a number, and the callback takes it for one.
        unsafe {
            qemu_plugin_register_vcpu_insn_exec_cb(
                instruction,
                executed,
                QEMU_PLUGIN_CB_NO_REGS,
                address as *mut c_void,
            );
        }
    }
}

extern "C" fn executed(_cpu: c_uint, address: *mut c_void) {
    match address as u64 {
        BEGIN => COUNTING.store(true, Relaxed),
        END if COUNTING.swap(false, Relaxed) => with_counts(|counts| {
            if let Err(error) = counts.write() {
                eprintln!("exec-count: {error}");
            }
        }),
        address if COUNTING.load(Relaxed) => {
            with_counts(|counts| *counts.times.entry(address).or_default() += 1);
        }
        _ => {}
    }
}

/// Called by QEMU once.
///
/// # Safety
///
/// `arguments` must have `number` texts that end in NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: Id,
    _info: *const c_void,
    number: c_int,
    arguments: *const *const c_char,
) -> c_int {
    let named = (0..number as usize).find_map(|index| {
        // SAFETY: By the safety requirements.
        let argument = unsafe { CStr::from_ptr(*arguments.add(index)) };
        argument.to_str().ok()?.strip_prefix("out=")
    });
    let Some(Ok(file)) = named.map(File::create) else {
        eprintln!("exec-count: out= names no file that can be written");
        return 1;
    };
    *COUNTS.lock().unwrap_or_else(PoisonError::into_inner) = Some(Counts {
        times: HashMap::new(),
        file: BufWriter::new(file),
    });
    // SAFETY: QEMU passed the id.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    0
}
