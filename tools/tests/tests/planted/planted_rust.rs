// SPDX-License-Identifier: GPL-2.0

//! Faults of Rust code, one for each load: what the debug kernel has to find in rust_taskstats.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        rcu,
        Mutex, //
    },
    task::might_sleep, //
};

module! {
    type: Planted,
    name: "planted_rust",
    authors: ["The authors of rust-taskstats"],
    description: "Faults of Rust code",
    license: "GPL",
    params: {
        fault: u32 {
            default: 0,
            description: "1: use after free, 2: leak, 3: sleep in atomic context, 4: lock order",
        },
    },
}

struct Planted;

impl kernel::Module for Planted {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        match module_parameters::fault.value() {
            1 => use_after_free()?,
            2 => leak()?,
            3 => sleep_in_atomic_context(),
            4 => lock_order()?,
            _ => return Err(EINVAL),
        }
        Ok(Self)
    }
}

#[inline(never)]
fn use_after_free() -> Result {
    let value = KBox::into_raw(KBox::new([7_u64; 8], GFP_KERNEL)?);
    // SAFETY: The pointer comes from `into_raw()`.
    drop(unsafe { KBox::from_raw(value) });
    // SAFETY: None: this is the fault.
    let read = unsafe { value.cast::<u64>().read_volatile() };
    pr_info!("read {read}\n");
    Ok(())
}

#[inline(never)]
fn leak() -> Result {
    for _ in 0..10 {
        core::mem::forget(KBox::new([7_u64; 100], GFP_KERNEL)?);
    }
    Ok(())
}

#[inline(never)]
fn sleep_in_atomic_context() {
    let _guard = rcu::read_lock();
    might_sleep();
}

#[inline(never)]
fn lock_order() -> Result {
    let one = KBox::pin_init(new_mutex!((), "planted::one"), GFP_KERNEL)?;
    let two = KBox::pin_init(new_mutex!((), "planted::two"), GFP_KERNEL)?;
    let both = |first: &Mutex<()>, second: &Mutex<()>| {
        let _first = first.lock();
        let _second = second.lock();
    };
    both(&one, &two);
    both(&two, &one);
    Ok(())
}
