//! When kernels begin.
//!
//! A pass is a row of kernels that each need the last one's numbers, but not for everything: weights do not change. So a kernel's cubes may
//! come while the last kernel still runs, ask for weights, and wait only then. Every kernel lets the next one come at once
//! ([`let_next_begin()`]) and waits before it reads or writes anything that a kernel wrote ([`wait_for_last()`]): the one before has then ended and
//! its numbers are there, and so have all before that, since it waited too. Source: CUDA programming guide, programmatic dependent launch;
//! PTX ISA, `griddepcontrol`.

use cubecl::prelude::*;

/// Lets the next kernel's cubes come once all of this one's have.
#[cube]
pub fn let_next_begin() {
    gpu_asm!("griddepcontrol.launch_dependents;");
}

/// Waits until the kernel before has ended.
#[cube]
pub fn wait_for_last() {
    gpu_asm!("griddepcontrol.wait;");
}

/// Ends a group of copies to shared memory.
#[cube]
pub fn commit_copies() {
    gpu_asm!("cp.async.commit_group;");
}

/// Waits for this unit's copies, but those of the last group.
#[cube]
pub fn wait_for_copies() {
    gpu_asm!("cp.async.wait_group 1;");
}

/// The compute capability that has these instructions.
const SINCE: u32 = 90;

/// How CUDA C++ has them, up to their ends.
const STATEMENTS: &str = "asm volatile(\"griddepcontrol.";

/// cubecl says how many units a cube has, not how many cubes are to be there at once; without that NVIDIA's compiler keeps to half of the
/// registers and spills the rest. Source: CUDA C++ programming guide, launch bounds.
const BOUNDS: &str = "__launch_bounds__(";

/// A kernel's source for a card: with registers for `together` cubes at once, and for cards without the instructions above so that kernels
/// begin when the last one has ended.
#[must_use]
pub fn for_card(source: &str, capability: u32, together: usize) -> String {
    let bounded = match source.split_once(BOUNDS).map(|(before, rest)| (before, rest.split_once(')'))) {
        Some((before, Some((units, rest)))) => format!("{before}{BOUNDS}{units}, {together}){rest}"),
        _ => source.to_owned(),
    };
    if capability >= SINCE {
        // What a kernel reads may still be written when it begins. Behind pointers said to be its own, loads would become those of memory
        // that nobody writes while a kernel runs (`ld.global.nc`), which may find what was there before. Source: PTX ISA, `ld.global.nc`.
        return bounded.replace(" __restrict__", "");
    }
    let mut parts = bounded.split(STATEMENTS);
    let mut without = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        without.push_str(part.split_once(");").map_or(part, |(_, rest)| rest));
    }
    without
}

/// Whether kernels may begin early.
#[must_use]
pub fn early(capability: u32) -> bool {
    capability >= SINCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_cards_get_the_source_without_the_instructions_that_they_lack() {
        let source = "int a;asm volatile(\"griddepcontrol.wait;\" :  :  : \"memory\");int b = f(1);\n\
            asm volatile(\"cp.async.commit_group;\" :  :  : \"memory\");asm volatile(\"griddepcontrol.launch_dependents;\" :  :  : \"memory\");c";
        let without = "int a;int b = f(1);\nasm volatile(\"cp.async.commit_group;\" :  :  : \"memory\");c";
        assert_eq!(for_card(source, 80, 1), without);
        assert_eq!(for_card(source, 90, 1), source);
    }

    #[test]
    fn what_is_written_while_a_kernel_begins_is_not_said_to_be_its_own() {
        let source = "f(uint32_t_4 * const __restrict__ v1, float * const __restrict__ v5)";
        assert_eq!(for_card(source, 90, 1), "f(uint32_t_4 * const v1, float * const v5)");
        assert_eq!(for_card(source, 89, 1), source);
    }

    #[test]
    fn a_kernel_says_how_many_of_its_cubes_are_to_be_there_at_once() {
        let source = "void __launch_bounds__(512)  add(float *x) { f(x); }";
        assert_eq!(for_card(source, 90, 2), "void __launch_bounds__(512, 2)  add(float *x) { f(x); }");
    }
}
