// What CUDA C++ that cubecl writes needs to run on a processor: one thread runs the units of a cube as fibers, which meet where units
// of a warp or of a block meet. Warps are whole: a kernel whose units part ways before a shuffle is not for this.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <ucontext.h>
#include <utility>
#include <vector>

struct Triple { unsigned x, y, z; };
static Triple threadIdx, blockIdx, blockDim, gridDim;
static const int warpSize = 32;

struct Unit {
    ucontext_t context;
    Triple place;
    int waits; // 0 runs, 1 for its warp, 2 for its block, 3 has ended
};
static std::vector<Unit> units;
static ucontext_t scheduler;
static size_t running;
static double exchanged[1024][2];

static void pause_unit(int waits) {
    Unit &unit = units[running];
    unit.waits = waits;
    swapcontext(&unit.context, &scheduler);
    threadIdx = unit.place;
}
static inline void __syncthreads() { pause_unit(2); }
static inline void __syncwarp(unsigned = 0) { pause_unit(1); }
static inline void __threadfence() {}
static inline unsigned __activemask() { return 0xffffffffu; }

template <class T> static T from_unit(T value, unsigned lane) {
    static_assert(sizeof(T) <= sizeof exchanged[0], "larger than a unit's place");
    memcpy(exchanged[running], &value, sizeof(T));
    pause_unit(1);
    T other;
    memcpy(&other, exchanged[running / 32 * 32 + lane % 32], sizeof(T));
    pause_unit(1);
    return other;
}
template <class T> static T __shfl_sync(unsigned, T value, unsigned lane) { return from_unit(value, lane); }
template <class T> static T __shfl_xor_sync(unsigned, T value, unsigned mask) { return from_unit(value, running % 32 ^ mask); }
template <class T> static T __shfl_up_sync(unsigned, T value, unsigned by) {
    unsigned lane = running % 32;
    return from_unit(value, lane < by ? lane : lane - by);
}
template <class T> static T __shfl_down_sync(unsigned, T value, unsigned by) {
    unsigned lane = running % 32;
    return from_unit(value, lane + by > 31 ? lane : lane + by);
}

// The C library declares this name for itself.
#define __expf cube_expf
static inline float __expf(float x) { return expf(x); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline float __frcp_rn(float x) { return 1.0f / x; }
template <class T> static T min(T a, T b) { return a < b ? a : b; }
template <class T> static T max(T a, T b) { return a > b ? a : b; }

struct __half {
    _Float16 value;
    __half() = default;
    __half(float f) : value((_Float16)f) {}
    operator float() const { return (float)value; }
};
static inline __half __float2half(float f) { return __half(f); }
static inline float __half2float(__half h) { return (float)h; }

static inline float of_bf16(uint32_t bits) {
    bits <<= 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
static inline float of_f16(uint32_t bits) {
    uint16_t half = (uint16_t)bits;
    _Float16 f;
    memcpy(&f, &half, 2);
    return (float)f;
}
static inline uint32_t to_f16(float f) {
    _Float16 half = (_Float16)f;
    uint16_t bits;
    memcpy(&bits, &half, 2);
    return bits;
}
// Of all its truth tables only `a & b | c` is used.
static inline void lop3_b32(uint32_t &word, uint32_t a, uint32_t b, uint32_t c) { word = (a & b) | c; }
static inline void fma_rn_bf16x2(uint32_t &word, uint32_t a, uint32_t b, uint32_t c) {
    uint32_t sums[2];
    for (int half = 0; half < 2; half++) {
        float sum = of_bf16(a >> 16 * half & 0xffff) * of_bf16(b >> 16 * half & 0xffff) + of_bf16(c >> 16 * half & 0xffff);
        memcpy(&sums[half], &sum, 4);
        if (sums[half] & 0xffff) abort(); // more than 8 significant bits: rounding is not needed here
    }
    word = sums[0] >> 16 | (sums[1] & 0xffff0000);
}
static inline void cvt_rn_f16x2_f32(uint32_t &word, float high, float low) { word = to_f16(high) << 16 | to_f16(low); }

// What the PTX ISA says of the fragments of mma.m16n8k16; sums in double precision.
template <float number(uint32_t)>
static void multiply_fragments(float *d, const uint32_t *own, const float *c) {
    static uint32_t held[32][32][6];
    size_t warp = running / 32, lane = running % 32, g = lane / 4, t = lane % 4;
    memcpy(held[warp][lane], own, sizeof held[warp][lane]);
    pause_unit(1);
    for (size_t i = 0; i < 4; i++) {
        size_t row = g + 8 * (i / 2), column = 2 * t + i % 2;
        double sum = c[i];
        for (size_t k = 0; k < 16; k++) {
            uint32_t a = held[warp][row % 8 * 4 + k % 8 / 2][row / 8 + 2 * (k / 8)];
            uint32_t b = held[warp][column * 4 + k % 8 / 2][4 + k / 8];
            sum += (double)number(a >> 16 * (k % 2) & 0xffff) * number(b >> 16 * (k % 2) & 0xffff);
        }
        d[i] = (float)sum;
    }
    pause_unit(1);
}
#define TENSOR_CORES(name, number) \
    static void name(float &d0, float &d1, float &d2, float &d3, uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, \
                     uint32_t b1, float c0, float c1, float c2, float c3) { \
        uint32_t own[6] = {a0, a1, a2, a3, b0, b1}; \
        float c[4] = {c0, c1, c2, c3}, d[4]; \
        multiply_fragments<number>(d, own, c); \
        d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3]; \
    }
TENSOR_CORES(mma_sync_aligned_m16n8k16_row_col_f32_bf16_bf16_f32, of_bf16)
TENSOR_CORES(mma_sync_aligned_m16n8k16_row_col_f32_f16_f16_f32, of_f16)

// Copies to shared memory happen as late as they may: when they are waited for. Shared memory's addresses count from a place of its own.
struct Copy { char *to; const void *from; };
static std::vector<std::vector<Copy>> copies[1024];
static char anchor;
template <class T> static unsigned __cvta_generic_to_shared(T *p) { return (unsigned)((char *)p - &anchor); }
static inline void cp_async_cg_shared__cta_global(unsigned to, const void *from) {
    if (copies[running].empty()) copies[running].emplace_back();
    copies[running].back().push_back({&anchor + (int)to, from});
}
static inline void cp_async_commit_group() {
    if (copies[running].empty()) copies[running].emplace_back();
    copies[running].emplace_back();
}
static inline void cp_async_wait_group(size_t most) {
    auto &groups = copies[running];
    // The last one is still being filled.
    while (groups.size() > most + 1) {
        for (auto &copy : groups.front()) memcpy(copy.to, copy.from, 16);
        groups.erase(groups.begin());
    }
}
// Kernels run one after another here.
static inline void griddepcontrol_wait() {}
static inline void griddepcontrol_launch_dependents() {}

#define __global__
#define __device__
#define __host__
#define __shared__
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define uint64_t cube_uint64_t
#define int64_t cube_int64_t
#define uint32_t cube_uint32_t
#define int32_t cube_int32_t
#define uint16_t cube_uint16_t
#define int16_t cube_int16_t
#define uint8_t cube_uint8_t
#define int8_t cube_int8_t

template <class... P, size_t... I>
static void call(void (*kernel)(P...), void **buffers, std::index_sequence<I...>) {
    kernel(reinterpret_cast<P>(buffers[I])...);
}
static void (*entry)(void **);
static void **arguments;
static void begin_unit() {
    threadIdx = units[running].place;
    entry(arguments);
    units[running].waits = 3;
    swapcontext(&units[running].context, &scheduler);
}

static int run_cubes(void (*kernel)(void **), void **buffers, const unsigned *cubes, const unsigned *size) {
    entry = kernel;
    arguments = buffers;
    gridDim = {cubes[0], cubes[1], cubes[2]};
    blockDim = {size[0], size[1], size[2]};
    const size_t count = size[0] * size[1] * size[2], stack = 128 << 10;
    std::vector<char> stacks(count * stack);
    for (unsigned z = 0; z < cubes[2]; z++)
        for (unsigned y = 0; y < cubes[1]; y++)
            for (unsigned x = 0; x < cubes[0]; x++) {
                blockIdx = {x, y, z};
                for (auto &groups : copies) groups.clear();
                units.assign(count, Unit{});
                for (size_t i = 0; i < count; i++) {
                    Unit &unit = units[i];
                    unit.place = {unsigned(i % size[0]), unsigned(i / size[0] % size[1]), unsigned(i / size[0] / size[1])};
                    getcontext(&unit.context);
                    unit.context.uc_stack.ss_sp = &stacks[i * stack];
                    unit.context.uc_stack.ss_size = stack;
                    makecontext(&unit.context, begin_unit, 0);
                }
                for (;;) {
                    for (running = 0; running < count; running++) {
                        if (units[running].waits) continue;
                        threadIdx = units[running].place;
                        swapcontext(&scheduler, &units[running].context);
                    }
                    size_t ended = 0, block = 0, woken = 0;
                    for (size_t warp = 0; warp < count; warp += 32) {
                        size_t last = warp + 32 < count ? warp + 32 : count, waiting = 0;
                        for (size_t i = warp; i < last; i++) waiting += units[i].waits == 1;
                        if (waiting && waiting != last - warp) return 1; // units of a warp parted ways
                        for (size_t i = warp; i < last && waiting; i++) units[i].waits = 0, woken++;
                    }
                    for (Unit &unit : units) ended += unit.waits == 3, block += unit.waits == 2;
                    if (ended == count) break;
                    if (woken) continue;
                    if (block + ended != count || ended) return 2; // not all units came to the barrier
                    for (Unit &unit : units) unit.waits = 0;
                }
            }
    return 0;
}
