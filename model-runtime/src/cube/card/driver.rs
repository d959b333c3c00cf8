//! What is needed of CUDA's driver, by owners that give back what they hold. Functions are those of the CUDA Driver API reference.
#![expect(
    unsafe_code,
    reason = "the driver takes addresses; every owner here keeps what its address points to"
)]

use std::ffi::{CString, c_void};
use std::sync::Arc;

use cudarc::driver::result::{
    self, DriverError, ctx, device, function, graph, memcpy_dtoh_async, memcpy_htod_async, memset_d8_async,
    module, primary_ctx, stream,
};
use cudarc::driver::sys;

/// Bytes of a kernel's last parameter, lengths of its buffers, which unchecked kernels do not read.
const LENGTHS_BYTES: usize = 1024;

fn said(doing: &str) -> impl FnOnce(DriverError) -> String + '_ {
    move |error| {
        let words =
            |text: Result<&std::ffi::CStr, _>| text.ok().map(|text| text.to_string_lossy().into_owned());
        let name = words(error.error_name()).unwrap_or_else(|| format!("{:?}", error.0));
        let text = words(error.error_string()).unwrap_or_default();
        format!("{doing}: {name} ({text})")
    }
}

/// A card's primary context, which everything on it shares.
pub(super) struct Context {
    device: sys::CUdevice,
    context: sys::CUcontext,
    /// 10 times the compute capability's first number, and its second.
    pub(super) capability: u32,
    /// Bytes of shared memory that a block of threads may have.
    pub(super) shared_bytes_max: usize,
}

// SAFETY: a context may be made current by any thread, by several at once too.
unsafe impl Send for Context {}
// SAFETY: the same.
unsafe impl Sync for Context {}

impl Context {
    pub(super) fn of_card(index: usize) -> Result<Arc<Self>, String> {
        use sys::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
            CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN as SHARED,
        };
        // SAFETY: looks whether the driver's library can be opened; without it the first call would panic.
        if !unsafe { sys::is_culib_present() } {
            return Err("NVIDIA's driver (libcuda) is not here: look at `nvidia-smi`".to_owned());
        }
        result::init().map_err(said("NVIDIA's driver does not start"))?;
        let index = i32::try_from(index).map_err(|_| "no card has such a number".to_owned())?;
        let device = device::get(index).map_err(said("no such card"))?;
        // SAFETY: the device was just found; the context is given back when this is dropped.
        let (major, minor, shared, context) = unsafe {
            let read = |attribute| {
                device::get_attribute(device, attribute).map_err(said("the card does not answer"))
            };
            (
                read(MAJOR)?,
                read(MINOR)?,
                read(SHARED)?,
                primary_ctx::retain(device).map_err(said("no context on the card"))?,
            )
        };
        Ok(Arc::new(Self {
            device,
            context,
            capability: (10 * major + minor).unsigned_abs(),
            shared_bytes_max: usize::try_from(shared).unwrap_or_default(),
        }))
    }

    /// Makes this the thread's context: a few nanoseconds where it is already.
    fn enter(&self) -> Result<(), String> {
        // SAFETY: the context is retained as long as this lives.
        unsafe { ctx::set_current(self.context) }.map_err(said("the card's context is gone"))
    }

    /// Bytes free, and in all.
    pub(super) fn memory(&self) -> Result<(usize, usize), String> {
        self.enter()?;
        result::mem_get_info().map_err(said("the card does not answer"))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained in `of_card`; whatever was made in it is gone, since it all holds this.
        let _ = unsafe { primary_ctx::release(self.device) };
    }
}

/// Memory on the card.
pub(super) struct Memory {
    context: Arc<Context>,
    address: sys::CUdeviceptr,
    pub(super) bytes: usize,
}

impl Memory {
    /// At least one byte.
    pub(super) fn new(context: &Arc<Context>, bytes: usize) -> Result<Self, String> {
        context.enter()?;
        // SAFETY: nothing is read before it was written: see `Stream::upload` and `Stream::clear`.
        let found = unsafe { result::malloc_sync(bytes.max(1)) };
        let address = found.map_err(|error| {
            let rest = context.memory().map_or_else(
                |_| String::new(),
                |(free, all)| format!("; {} of its {} MiB are free", free >> 20, all >> 20),
            );
            said("the card has no memory left")(error) + &format!(": {} MiB were wanted{rest}", bytes >> 20)
        })?;
        Ok(Self { context: context.clone(), address, bytes })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.context.enter().is_ok() {
            // SAFETY: allocated in `new`; the driver waits for kernels that use it.
            let _ = unsafe { result::free_sync(self.address) };
        }
    }
}

/// Memory of the processor that the card reads and writes by itself.
pub(super) struct Pinned {
    context: Arc<Context>,
    words: *mut u32,
    pub(super) length: usize,
}

// SAFETY: it is owned, and not tied to a thread.
unsafe impl Send for Pinned {}

impl Pinned {
    /// Zeros.
    pub(super) fn new(context: &Arc<Context>, length: usize) -> Result<Self, String> {
        context.enter()?;
        // SAFETY: freed when this is dropped; filled at once.
        let words = unsafe {
            let words: *mut u32 = result::malloc_host(length * size_of::<u32>(), 0)
                .map_err(said("no memory that the card can reach"))?
                .cast();
            words.write_bytes(0, length);
            words
        };
        Ok(Self { context: context.clone(), words, length })
    }

    pub(super) fn words(&mut self) -> &mut [u32] {
        // SAFETY: so many words, initialised in `new`; copies by the card have ended or not begun, since `Stream` is asked for both.
        unsafe { std::slice::from_raw_parts_mut(self.words, self.length) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.context.enter().is_ok() {
            // SAFETY: allocated in `new`; copies have ended, since their stream is dropped first.
            let _ = unsafe { result::free_host(self.words.cast()) };
        }
    }
}

/// A compiled kernel.
pub(super) struct Function {
    context: Arc<Context>,
    module: sys::CUmodule,
    function: sys::CUfunction,
    shared_bytes: u32,
    units: [u32; 3],
}

// SAFETY: handles that any thread may use.
unsafe impl Send for Function {}

impl Function {
    /// Of a program in the card's own code.
    pub(super) fn new(
        context: &Arc<Context>,
        code: &[u8],
        name: &str,
        shared_bytes: usize,
        units: [u32; 3],
    ) -> Result<Self, String> {
        use sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES as SHARED;
        context.enter()?;
        let entry = CString::new(name).map_err(|_| "a kernel's name has a zero in it".to_owned())?;
        let shared =
            i32::try_from(shared_bytes).map_err(|_| "a kernel wants too much shared memory".to_owned())?;
        // SAFETY: the code is a whole image, which says its own length; module and function live as long as this.
        unsafe {
            let module =
                module::load_data(code.as_ptr().cast()).map_err(said("the card refuses a kernel"))?;
            let function = module::get_function(module, entry)
                .and_then(|found| function::set_function_attribute(found, SHARED, shared).map(|()| found));
            match function {
                Ok(function) => Ok(Self {
                    context: context.clone(),
                    module,
                    function,
                    shared_bytes: shared.unsigned_abs(),
                    units,
                }),
                Err(error) => {
                    let _ = module::unload(module);
                    Err(said(&format!("kernel {name} cannot be started on this card"))(error))
                }
            }
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        if self.context.enter().is_ok() {
            // SAFETY: loaded in `new`; who launched it has waited.
            let _ = unsafe { module::unload(self.module) };
        }
    }
}

/// Launches that were recorded: a CUDA graph.
pub(super) struct Graph {
    context: Arc<Context>,
    graph: sys::CUgraphExec,
}

// SAFETY: a handle that any thread may use, one at a time.
unsafe impl Send for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.context.enter().is_ok() {
            // SAFETY: made in `Stream::recorded`.
            let _ = unsafe { graph::exec_destroy(self.graph) };
        }
    }
}

/// Work in order.
pub(super) struct Stream {
    context: Arc<Context>,
    stream: sys::CUstream,
}

// SAFETY: a handle that any thread may use, one at a time.
unsafe impl Send for Stream {}

impl Stream {
    pub(super) fn new(context: &Arc<Context>) -> Result<Self, String> {
        context.enter()?;
        let stream =
            stream::create(stream::StreamKind::NonBlocking).map_err(said("no stream on the card"))?;
        Ok(Self { context: context.clone(), stream })
    }

    /// Waits for everything.
    pub(super) fn wait(&self) -> Result<(), String> {
        self.context.enter()?;
        // SAFETY: a stream of this context.
        unsafe { stream::synchronize(self.stream) }.map_err(said("the card failed"))
    }

    /// Zeros.
    pub(super) fn clear(&self, memory: &Memory) -> Result<(), String> {
        self.context.enter()?;
        // SAFETY: the memory is of that many bytes.
        unsafe { memset_d8_async(memory.address, 0, memory.bytes, self.stream) }
            .map_err(said("clearing memory"))
    }

    /// Writes the memory's first words, which the driver copies first.
    pub(super) fn upload(&self, memory: &Memory, words: &[u32]) -> Result<(), String> {
        self.context.enter()?;
        assert!(size_of_val(words) <= memory.bytes, "what is written fits");
        // SAFETY: of so many words, as was just checked; what is not pinned has been copied when the call returns.
        unsafe { memcpy_htod_async(memory.address, words, self.stream) }.map_err(said("writing to the card"))
    }

    /// Writes the memory's first words, from `from` on in `staged`, which must not change until the stream was waited for.
    pub(super) fn write(
        &self,
        memory: &Memory,
        staged: &mut Pinned,
        from: usize,
        length: usize,
    ) -> Result<(), String> {
        self.context.enter()?;
        assert!(length * size_of::<u32>() <= memory.bytes, "what is written fits");
        let words = &staged.words()[from..from + length];
        // SAFETY: of so many words, as was just checked; pinned memory outlives the stream's work.
        unsafe { memcpy_htod_async(memory.address, words, self.stream) }.map_err(said("writing to the card"))
    }

    /// Reads words from `from` on to `staged` from `at` on, where they are once the stream was waited for.
    pub(super) fn read(
        &self,
        memory: &Memory,
        from: usize,
        staged: &mut Pinned,
        at: usize,
        length: usize,
    ) -> Result<(), String> {
        self.context.enter()?;
        assert!((from + length) * size_of::<u32>() <= memory.bytes, "what is read is there");
        let to = &mut staged.words()[at..at + length];
        let address = memory.address + (from * size_of::<u32>()) as u64;
        // SAFETY: of so many words, as was just checked; pinned memory outlives the stream's work.
        unsafe { memcpy_dtoh_async(to, address, self.stream) }.map_err(said("reading from the card"))
    }

    /// Runs a kernel. With `early` its cubes may come as soon as the last kernel lets them (see [`super::super::order`]).
    pub(super) fn launch(
        &self,
        kernel: &Function,
        cubes: [u32; 3],
        buffers: &[&Memory],
        early: bool,
    ) -> Result<(), String> {
        self.context.enter()?;
        let mut addresses: Vec<sys::CUdeviceptr> = buffers.iter().map(|memory| memory.address).collect();
        let mut lengths = [0u64; LENGTHS_BYTES / size_of::<u64>()];
        let mut parameters: Vec<*mut c_void> =
            addresses.iter_mut().map(|address| std::ptr::from_mut(address).cast()).collect();
        parameters.push(lengths.as_mut_ptr().cast());
        let mut attribute = sys::CUlaunchAttribute {
            id: sys::CUlaunchAttributeID_enum::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
            pad: [0; 4],
            value: sys::CUlaunchAttributeValue { programmaticStreamSerializationAllowed: 1 },
        };
        let config = sys::CUlaunchConfig {
            gridDimX: cubes[0],
            gridDimY: cubes[1],
            gridDimZ: cubes[2],
            blockDimX: kernel.units[0],
            blockDimY: kernel.units[1],
            blockDimZ: kernel.units[2],
            sharedMemBytes: kernel.shared_bytes,
            hStream: self.stream,
            attrs: &raw mut attribute,
            numAttrs: u32::from(early),
        };
        // SAFETY: the kernel takes these buffers, which its launcher keeps until it has waited; the driver copies parameters at once.
        let status = unsafe {
            sys::cuLaunchKernelEx(&config, kernel.function, parameters.as_mut_ptr(), std::ptr::null_mut())
        };
        status.result().map_err(said("a kernel does not start"))
    }

    /// Records what this thread launches from now on, instead of running it.
    pub(super) fn begin_recording(&self) -> Result<(), String> {
        use sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL as THIS_THREAD;
        self.context.enter()?;
        // SAFETY: the stream is this context's.
        unsafe { stream::begin_capture(self.stream, THIS_THREAD) }.map_err(said("a recording does not begin"))
    }

    /// What was recorded.
    pub(super) fn end_recording(&self) -> Result<Graph, String> {
        self.context.enter()?;
        // SAFETY: the stream is this context's; what was captured is made executable and then not needed.
        unsafe {
            let captured = stream::end_capture(self.stream).map_err(said("a recording failed"))?;
            let made = graph::instantiate(captured, sys::CUgraphInstantiate_flags(0));
            let _ = graph::destroy(captured);
            let graph = made.map_err(said("a recording cannot be played"))?;
            Ok(Graph { context: self.context.clone(), graph })
        }
    }

    /// Runs what was recorded.
    pub(super) fn play(&self, recording: &Graph) -> Result<(), String> {
        self.context.enter()?;
        // SAFETY: the buffers it was recorded with live: see `Board::replay`.
        unsafe { graph::launch(recording.graph, self.stream) }.map_err(said("a recording does not start"))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.wait();
        // SAFETY: made in `new`; nothing runs on it any more.
        let _ = unsafe { stream::destroy(self.stream) };
    }
}
