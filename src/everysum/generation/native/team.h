// Threads that go through the same work side by side, each doing its share, and wait for each other between its parts.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

static inline void breathe() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Waits without sleeping at first, since the others are nearly done; then lets the system run somebody else.
template <class Condition> static inline void wait_for(Condition condition) {
    for (int tries = 0; !condition(); tries++) {
        if (tries < 20000) breathe();
        else std::this_thread::yield();
    }
}

class Barrier {
    std::atomic<int> waiting{0}, round{0};

public:
    void wait(int threads) {
        if (threads == 1) return;
        int current = round.load(std::memory_order_relaxed);
        if (waiting.fetch_add(1, std::memory_order_acq_rel) == threads - 1) {
            waiting.store(0, std::memory_order_relaxed);
            round.store(current + 1, std::memory_order_release);
        } else {
            wait_for([&] { return round.load(std::memory_order_acquire) != current; });
        }
    }
};

// One thread of a team: which part of so many things is its own, and how it waits for the others.
struct Worker {
    int number, threads;
    Barrier* barrier;

    int64_t first(int64_t things) const { return things * number / threads; }
    int64_t last(int64_t things) const { return things * (number + 1) / threads; }
    void wait() const { barrier->wait(threads); }
};

class Team {
    std::vector<std::thread> threads;
    std::mutex sleeping, used;
    std::condition_variable called;
    std::atomic<int> task{0}, busy{0}, members{0};
    std::function<void(Worker)> work;
    Barrier barrier;

    void serve(int number, int seen) {
        for (;;) {
            for (int tries = 0; tries < 100000 && task.load(std::memory_order_acquire) == seen; tries++) breathe();
            if (task.load(std::memory_order_acquire) == seen) {
                std::unique_lock lock(sleeping);
                called.wait(lock, [&] { return task.load(std::memory_order_acquire) != seen; });
            }
            seen++;
            int wanted = members.load(std::memory_order_acquire);
            if (number < wanted) work({number, wanted, &barrier});
            busy.fetch_sub(1, std::memory_order_acq_rel);
        }
    }

public:
    // The work done by so many threads, the caller's own among them. While another caller has them, it works alone.
    void run(int wanted, const std::function<void(Worker)>& wish) {
        Barrier alone;
        if (wanted <= 1) return wish({0, 1, &alone});
        std::unique_lock free(used, std::try_to_lock);
        if (!free) return wish({0, 1, &alone});
        while (int(threads.size()) < wanted - 1) {
            threads.emplace_back(&Team::serve, this, int(threads.size()) + 1, task.load());
            threads.back().detach();
        }
        work = wish;
        members.store(wanted, std::memory_order_relaxed);
        busy.store(int(threads.size()), std::memory_order_relaxed);
        {
            std::lock_guard lock(sleeping);
            task.fetch_add(1, std::memory_order_release);
        }
        called.notify_all();
        wish({0, wanted, &barrier});
        wait_for([&] { return busy.load(std::memory_order_acquire) == 0; });
    }
};
