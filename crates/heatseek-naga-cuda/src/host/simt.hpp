// CUDA's execution on a CPU, one block after another: the threads of a block are fibers, which take turns where they
// wait for each other. Slow and deterministic: for tests.
#pragma once
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#include <utility>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#define NAGA_CUDA_DEVICE // instead of device.cuh
#define DEVICE inline __attribute__((always_inline))
#define READ_ONLY __restrict__
#define KERNEL(threads) static void
#define KERNEL_OF_TWO(threads) static void
#define __device__
#define __shared__ static
#define __align__(bytes) __attribute__((aligned(bytes)))

struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx, gridDim;

namespace simt {

constexpr unsigned WARP = 32, MOST_THREADS = 1024;
constexpr size_t STACK = 256 << 10, GUARD = 4096;

// What a thread does, or waits for.
enum class State { Ready, AtBarrier, AtExchange, Done };

#if defined(__x86_64__)
// A context is a stack pointer, with the registers that calls keep on top of it.
using Context = void*;
extern "C" void naga_cuda_switch(Context* from, Context to) __attribute__((visibility("hidden")));
asm(R"(
    .text
    .globl naga_cuda_switch
    .hidden naga_cuda_switch
    .type naga_cuda_switch, @function
naga_cuda_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size naga_cuda_switch, .-naga_cuda_switch
)");
static void switch_context(Context& from, Context& to) { naga_cuda_switch(&from, to); }
static void begin_context(Context& context, char* stack, void (*entry)()) {
    void** top = reinterpret_cast<void**>(stack + STACK);
    top[-1] = nullptr; // where `entry` would return to
    top[-2] = reinterpret_cast<void*>(entry);
    context = top - 8; // below it, six registers
}
#else
using Context = ucontext_t;
static void switch_context(Context& from, Context& to) { swapcontext(&from, &to); }
static void begin_context(Context& context, char* stack, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}
#endif

struct Thread {
    Context context;
    State state;
    Index index;
    unsigned number;    // in its block
    unsigned exchanges; // with its warp, so far
};

// What the lanes of a warp give each other. There are two of each warp: who reads the last exchange may meet who is at
// the next, but nobody is two ahead.
struct Exchange {
    alignas(8) unsigned char slots[WARP][64];
    unsigned number, arrived;
};

struct Kernel {
    void (*call)(void** arguments);
    Index block;
};

static Thread threads[MOST_THREADS];
static Exchange exchanges[2][MOST_THREADS / WARP];
static Thread* current;
static Context scheduler;
static char* stacks;
static const Kernel* kernel;
static void** arguments;

// Lets the others run.
static void wait(State state) {
    current->state = state;
    switch_context(current->context, scheduler);
}

static void thread_main() {
    kernel->call(arguments);
    wait(State::Done);
}

// Gives `value` to the warp, and waits for what the other lanes give.
template<class T> static Exchange& exchange(const T& value) {
    static_assert(sizeof(T) <= sizeof(Exchange::slots[0]), "an exchange holds 64 bytes a lane");
    const unsigned number = ++current->exchanges, lane = current->number % WARP;
    Exchange& shared = exchanges[number % 2][current->number / WARP];
    if (shared.number != number) shared.number = number, shared.arrived = 0;
    shared.arrived |= 1u << lane;
    memcpy(shared.slots[lane], &value, sizeof(T));
    wait(State::AtExchange);
    return shared;
}
template<class T> static T slot(const Exchange& shared, unsigned lane) {
    T value;
    memcpy(&value, shared.slots[lane % WARP], sizeof(T));
    return value;
}

// The stacks of a launch's threads, each behind a page that may not be touched. No longer than that: a process may have
// some ten thousand such areas, and every library of kernels would keep a thousand.
struct Stacks {
    size_t bytes;
    char* at = nullptr;

    explicit Stacks(unsigned count) : bytes(count * (STACK + GUARD)) {
        void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return;
        at = static_cast<char*>(memory);
        for (unsigned i = 0; i < count; i++) {
            if (mprotect(at + i * (STACK + GUARD), GUARD, PROT_NONE) == 0) continue;
            munmap(at, bytes);
            at = nullptr;
            return;
        }
    }
    ~Stacks() {
        if (at) munmap(at, bytes);
    }
    Stacks(const Stacks&) = delete;
    Stacks& operator=(const Stacks&) = delete;
};

// Runs each thread of a warp until all of them wait for the block, or are done.
static const char* run_warp(unsigned first, unsigned end) {
    for (;;) {
        bool at_exchange = false, at_barrier = false;
        for (unsigned i = first; i < end; i++) {
            if (threads[i].state == State::Ready) {
                current = &threads[i];
                threadIdx = current->index;
                switch_context(scheduler, current->context);
            }
            at_exchange |= threads[i].state == State::AtExchange;
            at_barrier |= threads[i].state == State::AtBarrier;
        }
        if (!at_exchange) return nullptr;
        if (at_barrier) return "lanes of one warp wait for the block and for their warp at once";
        for (unsigned i = first; i < end; i++) {
            if (threads[i].state == State::AtExchange) threads[i].state = State::Ready;
        }
    }
}

static const char* run_block(unsigned count) {
    const Index block = kernel->block;
    for (unsigned i = 0; i < count; i++) {
        Thread& thread = threads[i];
        thread.state = State::Ready;
        thread.number = i;
        thread.exchanges = 0;
        thread.index = {i % block.x, i / block.x % block.y, i / (block.x * block.y)};
        begin_context(thread.context, stacks + i * (STACK + GUARD) + GUARD, thread_main);
    }
    for (auto& parity : exchanges) {
        for (Exchange& shared : parity) shared.number = 0;
    }
    for (bool waiting = true; waiting;) {
        for (unsigned first = 0; first < count; first += WARP) {
            const char* wrong = run_warp(first, first + WARP < count ? first + WARP : count);
            if (wrong) return wrong;
        }
        waiting = false;
        for (unsigned i = 0; i < count; i++) {
            if (threads[i].state != State::AtBarrier) continue;
            threads[i].state = State::Ready;
            waiting = true;
        }
    }
    return nullptr;
}

// What went wrong, if anything did.
static const char* launch(const Kernel& launched, const unsigned grid[3], void** with) {
    kernel = &launched;
    arguments = with;
    gridDim = {grid[0], grid[1], grid[2]};
    const unsigned count = launched.block.x * launched.block.y * launched.block.z;
    if (count > MOST_THREADS) return "a block has at most 1024 threads";
    const Stacks own(count);
    if (!own.at) return "there is no memory for the threads' stacks";
    stacks = own.at;
    for (blockIdx.z = 0; blockIdx.z < grid[2]; blockIdx.z++) {
        for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++) {
            for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++) {
                if (const char* wrong = run_block(count)) return wrong;
            }
        }
    }
    return nullptr;
}

// Calls a kernel with arguments as `cuLaunchKernel` takes them: pointers to their values.
template<class... P, size_t... I>
inline void call_with(void (*function)(P...), void** values, std::index_sequence<I...>) {
    function(*static_cast<P*>(values[I])...);
}
template<class... P> inline void call(void (*function)(P...), void** values) {
    call_with(function, values, std::index_sequence_for<P...>());
}

} // namespace simt
