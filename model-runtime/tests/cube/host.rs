//! Compiles a kernel to the CUDA C++ that a card would get, that by the system's C++ compiler, and runs it on the processor.
#![expect(unsafe_code, reason = "calls what the C++ compiler made")]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use cubecl::ir::settings::Dim3;
use cubecl::prelude::*;
use cubecl::{Compiler as _, CubeKernel};
use cubecl_cpp::shared::{CompilationOptions, ComputeKernel, CppCompiler};
use cubecl_cpp::target::Cuda;
use model_runtime::cube::board::{self, Board};
use model_runtime::cube::order::for_card;

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

/// What a card would be given to compile; written down below `CUDA_SOURCES` where that is set.
pub fn written(kernel: &impl CubeKernel, together: usize) -> ComputeKernel {
    let definition = kernel.define();
    let name = definition.settings.kernel_name.clone();
    let mut compiled =
        CppCompiler::<Cuda>::default().compile(definition, &CompilationOptions::default()).unwrap();
    compiled.source = for_card(&compiled.source, 90, together);
    if let Some(folder) = std::env::var_os("CUDA_SOURCES") {
        let mut hash = DefaultHasher::new();
        compiled.source.hash(&mut hash);
        let file = format!("{name}-{:016x}.cu", hash.finish());
        std::fs::write(Path::new(&folder).join(file), &compiled.source).unwrap();
    }
    compiled
}

/// Memory at `pointers` is aligned to 16 bytes and as long as the kernel needs it.
fn call(kernel: &impl CubeKernel, grid: Grid, mut pointers: Vec<*mut c_void>) {
    // Made once each in a process.
    static MADE: Mutex<BTreeMap<String, Run>> = Mutex::new(BTreeMap::new());
    let compiled = written(kernel, 1);
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

    fn shared_bytes_max(&self) -> usize {
        99 << 10
    }

    fn buffer(&mut self, words: &[u32]) -> Result<HostBuffer, String> {
        Ok(HostBuffer(Arc::new(Mutex::new(guarded(words)))))
    }

    fn write(&mut self, buffer: &HostBuffer, words: &[u32]) -> Result<(), String> {
        let mut memory = buffer.0.lock().unwrap();
        for (at, word) in words.iter().enumerate() {
            memory[at / 4].0[at % 4] = *word;
        }
        Ok(())
    }

    fn read(
        &mut self,
        ranges: &[(&HostBuffer, Range<usize>)],
        take: &mut dyn FnMut(usize, &[u32]),
    ) -> Result<(), String> {
        for (index, (buffer, range)) in ranges.iter().enumerate() {
            let memory = buffer.0.lock().unwrap();
            let words: Vec<u32> = range.clone().map(|at| memory[at / 4].0[at % 4]).collect();
            take(index, &words);
        }
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
        grid: board::Grid,
        buffers: &[&HostBuffer],
    ) {
        let Dim3 { x, y, z } = settings.cube_dim;
        let grid = Grid { cubes: grid.cubes.map(|count| count as u32), units: [x, y, z] };
        let pointers = buffers.iter().map(|buffer| buffer.0.lock().unwrap().as_mut_ptr().cast()).collect();
        call(&kernel, grid, pointers);
    }
}

/// Instructions as calls of the shim's functions of their names, with the same operands in the same order, numbers among them.
fn without_assembler(source: &str) -> String {
    let source = source.replace("asm volatile(\"", "asm (\"");
    let mut parts = source.split("asm (\"");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (text, rest) = part.split_once("\" : ").unwrap();
        let (operands, rest) = rest.split_once(");").unwrap();
        let (name, literals) = text.split_once([' ', ';']).unwrap();
        let name = name.replace(['.', ':'], "_");
        // What follows the last colon is what else is changed.
        let operands = operands.split(" : ").take(2).flat_map(|some| some.split(", "));
        let operands = operands.map(|some| some.trim().trim_end_matches(" )").trim());
        let values = operands.filter_map(|some| Some(some.split_once("\"(")?.1.trim_end_matches(')')));
        let number = literals.trim_end_matches(';').parse::<u32>().map(|number| number.to_string());
        let all: Vec<String> = values.map(str::to_owned).chain(number).collect();
        out.push_str(&format!("{name}({});{rest}", all.join(", ")));
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
