//! Compiles a kernel to the CUDA C++ that a card would get, that by the system's C++ compiler, and runs it on the processor.
#![expect(unsafe_code, reason = "calls what the C++ compiler made")]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use cubecl::ir::features::Features;
use cubecl::ir::settings::Dim3;
use cubecl::ir::{
    DeviceIdentity, DeviceProperties, HardwareProperties, MemoryDeviceProperties, TargetProperties,
    VectorSize,
};
use cubecl::prelude::*;
use cubecl::{Compiler as _, CubeKernel};
use cubecl_cpp::shared::{CompilationOptions, CppCompiler};
use cubecl_cpp::target::Cuda;
use model_runtime::cube::board::Board;

/// Words behind every buffer that no kernel may write.
const GUARD: usize = 64;
const GUARD_WORD: u32 = 0x7fc0_dead;

#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Aligned([u32; 4]);

/// Cubes and units of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    pub cubes: [u32; 3],
    pub units: [u32; 3],
}

impl Grid {
    pub fn settings(&self) -> KernelSettings {
        let [x, y, z] = self.units;
        KernelSettings::new(*CubeDim::new_3d(x, y, z), ExecutionMode::Unchecked, AddressType::U32)
    }
}

pub fn buffer() -> BufferCompilationArg {
    BufferCompilationArg { inplace: None }
}

pub fn target() -> Arc<TargetProperties> {
    Arc::new(TargetProperties::default())
}

/// A card that is not there.
pub fn properties() -> Arc<DeviceProperties> {
    let hardware = HardwareProperties {
        load_width: 128,
        vector_register_count: None,
        plane_size_min: 32,
        plane_size_max: 32,
        max_bindings: 32,
        max_shared_memory_size: 48 << 10,
        max_cube_count: (u32::MAX, u16::MAX.into(), u16::MAX.into()),
        max_units_per_cube: 1024,
        max_cube_dim: (1024, 1024, 64),
        num_streaming_multiprocessors: None,
        num_tensor_cores: None,
        min_tensor_cores_dim: None,
        num_cpu_cores: None,
        last_level_cache_size: None,
        max_vector_size: VectorSize::MAX,
        cube_mma_reserved_shared_memory: 0,
    };
    let identity = DeviceIdentity { name: "none".into(), fingerprint: "none".into(), physical: None };
    Arc::new(DeviceProperties::new(
        Features::default(),
        MemoryDeviceProperties::new(u64::MAX, 256),
        hardware,
        cubecl::profile::TimingMethod::Device,
        identity,
    ))
}

/// Runs a kernel on buffers of words, which keep what it wrote.
pub fn run(kernel: &impl CubeKernel, grid: Grid, buffers: &mut [&mut Vec<u32>]) {
    let mut memory: Vec<Vec<Aligned>> = buffers.iter().map(|words| guarded(words)).collect();
    let pointers = memory.iter_mut().map(|words| words.as_mut_ptr().cast()).collect();
    call(kernel, grid, pointers);
    for (words, after) in buffers.iter_mut().zip(&memory) {
        let after: Vec<u32> = after.iter().flat_map(|four| four.0).collect();
        let length = words.len();
        assert!(after[length..].iter().all(|word| *word == GUARD_WORD), "written past a buffer's end");
        words.copy_from_slice(&after[..length]);
    }
}

type Run = unsafe extern "C" fn(*mut *mut c_void, *const u32, *const u32) -> i32;

/// Memory at `pointers` is aligned to 16 bytes and as long as the kernel needs it.
fn call(kernel: &impl CubeKernel, grid: Grid, mut pointers: Vec<*mut c_void>) {
    // Made once each in a process.
    static MADE: Mutex<BTreeMap<String, Run>> = Mutex::new(BTreeMap::new());
    let compiled =
        CppCompiler::<Cuda>::default().compile(kernel.define(), &CompilationOptions::default()).unwrap();
    let made = MADE.lock().unwrap().get(&compiled.source).copied();
    let run = made.unwrap_or_else(|| {
        let run = make(&compiled.source, compiled.shared_memory_size);
        MADE.lock().unwrap().insert(compiled.source.clone(), run);
        run
    });
    // Lengths of buffers, which unchecked kernels do not read.
    let mut lengths = [Aligned([0; 4]); 64];
    pointers.push(lengths.as_mut_ptr().cast());
    // SAFETY: the function was made from the shim and this kernel, which gets the buffers of its parameters.
    let status = unsafe { run(pointers.as_mut_ptr(), grid.cubes.as_ptr(), grid.units.as_ptr()) };
    assert_eq!(status, 0, "units waited for each other in vain");
}

fn make(source: &str, shared_bytes: usize) -> Run {
    let name = source.split_once(" __launch_bounds__").and_then(|(_, rest)| rest.split_once(") ")).unwrap().1;
    let name = name.split_once('(').unwrap().0.trim();
    if let Some(folder) = std::env::var_os("CUDA_SOURCES") {
        let mut hash = DefaultHasher::new();
        source.hash(&mut hash);
        let file = format!("{name}-{:016x}.cu", hash.finish());
        std::fs::write(Path::new(&folder).join(file), source).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let library = build(folder.path(), source, name, shared_bytes);
    // SAFETY: the library was made above and has this function; it stays loaded.
    unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(library).unwrap()));
        *library.get::<Run>(b"run").unwrap()
    }
}

/// The processor as a board.
pub struct Host;

/// A buffer and its words.
#[derive(Clone)]
pub struct HostBuffer(Arc<Mutex<Vec<Aligned>>>);

impl Board for Host {
    type Buffer = HostBuffer;
    type Recording = ();

    fn properties(&self) -> Arc<DeviceProperties> {
        properties()
    }

    fn target(&self) -> Arc<TargetProperties> {
        target()
    }

    fn buffer(&mut self, words: &[u32]) -> HostBuffer {
        HostBuffer(Arc::new(Mutex::new(guarded(words))))
    }

    fn write(&mut self, buffer: &HostBuffer, words: &[u32]) {
        let mut memory = buffer.0.lock().unwrap();
        for (at, word) in words.iter().enumerate() {
            memory[at / 4].0[at % 4] = *word;
        }
    }

    fn read(&mut self, ranges: &[(&HostBuffer, Range<usize>)]) -> Result<Vec<Vec<u32>>, String> {
        let words = |(buffer, range): &(&HostBuffer, Range<usize>)| {
            let memory = buffer.0.lock().unwrap();
            range.clone().map(|at| memory[at / 4].0[at % 4]).collect()
        };
        Ok(ranges.iter().map(words).collect())
    }

    fn rehearse(&mut self, work: &mut dyn FnMut(&mut Self)) -> Result<(), String> {
        work(self);
        Ok(())
    }

    fn record(&mut self, _: &mut dyn FnMut(&mut Self)) -> Result<Option<()>, String> {
        Ok(None)
    }

    fn replay(&mut self, (): &()) -> Result<(), String> {
        unreachable!("nothing is recorded")
    }

    fn launch<K: CubeKernel>(
        &mut self,
        kernel: K,
        settings: KernelSettings,
        cubes: [usize; 3],
        buffers: &[&HostBuffer],
    ) {
        let Dim3 { x, y, z } = settings.cube_dim;
        let grid = Grid { cubes: cubes.map(|count| count as u32), units: [x, y, z] };
        let pointers = buffers.iter().map(|buffer| buffer.0.lock().unwrap().as_mut_ptr().cast()).collect();
        call(&kernel, grid, pointers);
    }
}

/// Tensor cores' instruction as a call of the shim's function of its name, with the same operands in the same order.
fn without_assembler(source: &str) -> String {
    let mut parts = source.split("asm (\"");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (text, rest) = part.split_once("\" : ").unwrap();
        let (operands, rest) = rest.split_once(" );").unwrap();
        let name = text.split_whitespace().next().unwrap().replace('.', "_");
        let operands: String = operands
            .replace("\"=f\"", "")
            .replace("\"f\"", "")
            .replace("\"=r\"", "")
            .replace("\"r\"", "")
            .replace(" : ", ", ");
        out.push_str(&format!("{name}({operands});{rest}"));
    }
    out
}

fn guarded(words: &[u32]) -> Vec<Aligned> {
    let mut all = words.to_vec();
    all.resize((words.len() + GUARD).next_multiple_of(4), GUARD_WORD);
    all.chunks_exact(4).map(|four| Aligned(four.try_into().unwrap())).collect()
}

fn build(folder: &Path, source: &str, name: &str, shared_bytes: usize) -> std::path::PathBuf {
    let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cube/shim.hpp");
    // CUDA's own headers are what the shim stands for.
    let body: String =
        source.lines().filter(|line| !line.starts_with("#include")).flat_map(|line| [line, "\n"]).collect();
    let body = without_assembler(&body);
    let shared = body
        .split_once("extern __shared__ ")
        .and_then(|(_, rest)| rest.split_once("char "))
        .map(|(_, rest)| rest.split_once('[').unwrap().0.to_owned());
    let shared = shared
        .map_or_else(String::new, |shared| format!("alignas(128) char {shared}[{}];\n", shared_bytes.max(1)));
    let entry = format!(
        "template <class... P> static void spread(void (*kernel)(P...), void **b) {{ call(kernel, b, std::index_sequence_for<P...>{{}}); }}
static void enter(void **b) {{ spread({name}, b); }}
extern \"C\" int run(void **b, const unsigned *cubes, const unsigned *units) {{ return run_cubes(enter, b, cubes, units); }}\n"
    );
    let file = folder.join("kernel.cpp");
    let text = format!("#include \"{}\"\n{body}\n{shared}\n{entry}", shim.display());
    std::fs::write(&file, text).unwrap();
    let library = folder.join("kernel.so");
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let output = Command::new(compiler)
        .args(["-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-o"])
        .args([&library, &file])
        .output()
        .expect("a C++ compiler is installed");
    assert!(output.status.success(), "{}\n{body}", String::from_utf8_lossy(&output.stderr));
    library
}
