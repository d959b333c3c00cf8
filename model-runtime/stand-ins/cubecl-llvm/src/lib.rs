//! The names that `cubecl-cuda` 0.11 uses of `cubecl-llvm`, and no compiler behind them.
//!
//! `cubecl-cuda` can turn kernels into CUDA C++ for NVRTC, or through LLVM into PTX. It compiles both ways in, and the build script of
//! the LLVM one downloads LLVM, so that nothing builds offline. Our programs select CUDA C++ (the feature `cpp`, which
//! `model-runtime/cuda` turns on), so the other way is never taken: this crate, put in its place by `[patch.crates-io]`, gives the types
//! and answers with an error should anything ask it to compile.
//!
//! It can go when `cubecl-cuda` makes its LLVM compiler optional, or `cubecl-llvm` builds without a download. Until then both are pinned
//! with `=`, and stepping up means comparing the names below with what the new `cubecl-cuda` imports: it does not compile otherwise.

use std::ffi::c_char;
use std::fmt;

use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_server::compiler::{CompilationError, Compiler};
use cubecl_server::kernel::BufferIOAttr;

pub mod nvptx;
pub mod shared;

/// What code is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LlvmTarget {
    /// PTX.
    #[default]
    Nvptx,
}

/// Compiles nothing.
#[derive(Clone, Debug, Default)]
pub struct PlironCompiler {
    /// What for.
    pub target: LlvmTarget,
}

/// What a compilation would be told.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// Of AMD's devices: none.
    pub arch: Option<()>,
    /// The device's architecture.
    pub sm_arch: Option<SmArch>,
    /// What the driver loads.
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// Whether scalars travel in the kernel's parameters.
    pub grid_constants: bool,
}

/// What a compilation would give.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// Assembly with a zero at its end.
    pub ptx: Vec<c_char>,
    /// The kernel's name in it.
    pub entrypoint: String,
    /// For logs.
    pub ir: String,
    /// Bytes per launch.
    pub shared_memory_size: usize,
    /// Which buffers are read and written.
    pub io: Vec<BufferIOAttr>,
}

/// The same, whatever the target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PlironArtifact {
    /// PTX.
    NvptxCode(NvptxModule),
}

impl fmt::Display for PlironArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NvptxCode(module) = self;
        f.write_str(&module.ir)
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn buffer_io(artifact: &PlironArtifact) -> Option<Vec<BufferIOAttr>> {
        let PlironArtifact::NvptxCode(module) = artifact;
        Some(module.io.clone())
    }

    fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &PlironOptions,
    ) -> Result<PlironArtifact, CompilationError> {
        let reason = "this build has no LLVM: build cubecl-cuda with its feature `cpp`".to_owned();
        Err(CompilationError::Validation { reason, backtrace: Default::default() })
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
