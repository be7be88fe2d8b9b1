// Sixteen numbers at once. The compiler turns them into whatever this processor has: one AVX-512 register or four of NEON.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

constexpr int LANES = 16;
typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
typedef int8_t Bytes __attribute__((vector_size(LANES)));

template <class Vector> static inline Vector load(const void* from) {
    Vector vector;
    memcpy(&vector, from, sizeof vector);
    return vector;
}

template <class Vector> static inline void store(void* to, Vector vector) { memcpy(to, &vector, sizeof vector); }

static inline Floats all(float number) { return Floats{} + number; }

static inline Floats larger(Floats one, Floats other) { return one > other ? one : other; }
static inline Floats magnitude(Floats numbers) { return (Floats)((Words)numbers & 0x7FFFFFFF); }

#if defined(__clang__)
#define SHUFFLED(vector, ...) __builtin_shufflevector(vector, vector, __VA_ARGS__)
#else
#define SHUFFLED(vector, ...) __builtin_shuffle(vector, Integers{__VA_ARGS__})
#endif

// All lanes by an operation of two, the upper half with the lower, again and again: always in the same order, so that a
// sum does not depend on what is computed beside it.
template <class Vector, class Two> static inline auto folded(Vector vector, Two two) {
    vector = two(vector, SHUFFLED(vector, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    vector = two(vector, SHUFFLED(vector, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
    vector = two(vector, SHUFFLED(vector, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
    vector = two(vector, SHUFFLED(vector, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
    return vector[0];
}

template <class Vector> static inline auto sum(Vector vector) {
    return folded(vector, [](Vector one, Vector other) { return one + other; });
}

static inline float greatest(Floats vector) { return folded(vector, larger); }

static inline float as_float(uint32_t bits) {
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

// bfloat16 is the upper half of a float32.
static inline float widen(uint16_t half) { return as_float(uint32_t(half) << 16); }

static inline Floats widen(Halves halves) { return (Floats)(__builtin_convertvector(halves, Words) << 16); }

// To the nearest bfloat16, ties to the even one, as torch rounds.
static inline uint16_t narrow(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

static inline Halves narrow(Floats numbers) {
    Words bits = (Words)numbers;
    return __builtin_convertvector((bits + 0x7FFF + (bits >> 16 & 1)) >> 16, Halves);
}

// e^x = 2^k · 2^f with a whole k and |f| ≤ 1/2, the second factor by its series: right to the last digit or two.
static inline Floats exponential(Floats x) {
    constexpr float lowest = -87.0f, highest = 88.0f, base_two = 1.44269504f, high = 0.693359375f, low = -2.12194440e-4f;
    x = x < lowest ? all(lowest) : x;
    x = x > highest ? all(highest) : x;
    Floats shifted = x * base_two + 12582912.0f;  // 1.5 · 2²³: adding it rounds to a whole number
    Floats whole = shifted - 12582912.0f;
    Floats rest = (x - whole * high) - whole * low;
    Floats series = all(1.9875691500e-4f);
    series = series * rest + 1.3981999507e-3f;
    series = series * rest + 8.3334519073e-3f;
    series = series * rest + 4.1665795894e-2f;
    series = series * rest + 1.6666665459e-1f;
    series = series * rest + 5.0000001201e-1f;
    series = series * rest * rest + rest + 1.0f;
    Words exponent = (Words)(__builtin_convertvector(whole, Integers) + 127) << 23;
    return series * (Floats)exponent;
}
