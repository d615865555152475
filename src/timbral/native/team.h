// Threads that share out the chunks of one phase after another.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace timbral {

// Phases follow each other; the chunks of a phase may be done by anybody, in any order.
class Work {
  public:
    virtual ~Work();
    // How many chunks a phase has, fewer than 65536; 0 behind the last one.
    virtual int chunks(int phase) const = 0;
    virtual void chunk(int phase, int index) = 0;
    // What one thread does alone, when all chunks of a phase are done and before the next one begins.
    virtual void finish(int phase) = 0;
};

// A thread that the system takes off its core holds up the chunk that it has begun; others do the rest of the phase.
class Team {
  public:
    // members: with the caller, or as many as the system allows; spin_us: microseconds that an idle member waits for
    // more before it sleeps.
    Team(int members, int spin_us);
    ~Team();
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    // Does all phases; one caller at a time.
    void run(Work& work);

  private:
    bool take(uint64_t ticket);
    void open(int phase);
    void serve();

    // Number of the phase since the beginning of time (32 bits), its chunks (16), and those that were taken (16).
    std::atomic<uint64_t> ticket_{0};
    std::atomic<int> done_{0};
    std::atomic<int> sleeping_{0};
    std::atomic<bool> stopping_{false};
    Work* work_ = nullptr;
    uint32_t first_ = 0;  // number of the running work's phase 0
    const int spin_us_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::thread> threads_;
};

}  // namespace timbral
