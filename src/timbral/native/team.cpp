#include "team.h"

#include <chrono>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace timbral {
namespace {

constexpr int kPauses = 64;    // between two looks at the clock
constexpr int kPatience = 50;  // such looks before a thread that waits for others lets the system run them

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    asm volatile("yield");
#endif
}

uint32_t number(uint64_t ticket) { return static_cast<uint32_t>(ticket >> 32); }
int chunks_of(uint64_t ticket) { return static_cast<int>(ticket >> 16 & 0xffff); }
int taken_of(uint64_t ticket) { return static_cast<int>(ticket & 0xffff); }
bool idle(uint64_t ticket) { return chunks_of(ticket) == 0; }

}  // namespace

Work::~Work() = default;

Team::Team(int members, int spin_us) : spin_us_(spin_us) {
    try {
        for (int member = 1; member < members; ++member) threads_.emplace_back([this] { serve(); });
    } catch (...) {
        // The system gives no more threads: those that there are do all chunks.
    }
}

Team::~Team() {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
}

void Team::run(Work& work) {
    work_ = &work;
    first_ = number(ticket_.load()) + 1;
    open(0);
    if (sleeping_.load() > 0) {
        std::lock_guard<std::mutex> lock(mutex_);
        wake_.notify_all();
    }
    for (int waited = 0;;) {
        const uint64_t ticket = ticket_.load(std::memory_order_acquire);
        if (idle(ticket)) return;
        if (take(ticket)) {
            waited = 0;
        } else {
            pause();
            if (++waited > kPauses * kPatience) std::this_thread::yield();
        }
    }
}

// Does a chunk of the phase that the ticket names, if one is left.
bool Team::take(uint64_t ticket) {
    const int index = taken_of(ticket), chunks = chunks_of(ticket);
    if (index >= chunks) return false;
    // Whoever gets the chunk may look at the work: it cannot be over before this chunk is done.
    if (!ticket_.compare_exchange_strong(ticket, ticket + 1, std::memory_order_acq_rel)) return true;
    const int phase = static_cast<int>(number(ticket) - first_);
    work_->chunk(phase, index);
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == chunks) {
        work_->finish(phase);
        done_.store(0, std::memory_order_relaxed);
        open(phase + 1);
    }
    return true;
}

void Team::open(int phase) {
    const uint64_t number = first_ + static_cast<uint32_t>(phase);
    ticket_.store(number << 32 | static_cast<uint64_t>(work_->chunks(phase)) << 16);
}

void Team::serve() {
    using Clock = std::chrono::steady_clock;
    const auto patience = std::chrono::microseconds(spin_us_);
    auto since = Clock::now();
    for (int waited = 0; !stopping_.load(std::memory_order_relaxed);) {
        const uint64_t ticket = ticket_.load(std::memory_order_acquire);
        if (take(ticket)) {
            waited = 0;
            continue;
        }
        pause();
        if (++waited % kPauses) continue;
        if (!idle(ticket)) {
            if (waited > kPauses * kPatience) std::this_thread::yield();
            since = Clock::now();
        } else if (waited == kPauses) {
            since = Clock::now();
        } else if (Clock::now() - since > patience) {
            std::unique_lock<std::mutex> lock(mutex_);
            ++sleeping_;
            wake_.wait(lock, [this] { return stopping_ || !idle(ticket_.load()); });
            --sleeping_;
            waited = 0;
        }
    }
}

}  // namespace timbral
