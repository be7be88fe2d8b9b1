// Attention of rows to the keys and values in a cache, which are float32 or bfloat16: softmax(q·k / √head_size) · v.
#pragma once
#include "vectors.h"
#include <vector>

template <class Stored> static inline Floats load_stored(const Stored* from);
template <> inline Floats load_stored(const float* from) { return load<Floats>(from); }
template <> inline Floats load_stored(const uint16_t* from) { return widen(load<Halves>(from)); }

static inline float one_stored(const float* from) { return *from; }
static inline float one_stored(const uint16_t* from) { return widen(*from); }

// One query looks at keys first to last; those that a mask leaves out (0 in it) do not exist for it.
template <class Stored>
static void attend(const float* query, const Stored* keys, const Stored* values, const uint8_t* mask, int64_t first, int64_t last,
                   int head_size, std::vector<float>& scores, float* result) {
    if (int64_t(scores.size()) < last + LANES) scores.resize(last + LANES);
    int whole = head_size / LANES * LANES;
    float scale = 1 / sqrtf(float(head_size)), largest = -INFINITY;
    for (int64_t key = first; key < last; key++) {
        const Stored* numbers = keys + key * head_size;
        if (mask && !mask[key]) {
            scores[key] = -INFINITY;
            continue;
        }
        Floats products = {};
        for (int i = 0; i < whole; i += LANES) products += load<Floats>(query + i) * load_stored(numbers + i);
        float score = sum(products);
        for (int i = whole; i < head_size; i++) score += query[i] * one_stored(numbers + i);
        scores[key] = score * scale;
        largest = scores[key] > largest ? scores[key] : largest;
    }
    Floats totals = {};
    for (int i = 0; i < LANES; i++) scores[last + i] = -INFINITY;
    for (int64_t key = first; key < last; key += LANES) {
        Floats score = load<Floats>(&scores[key]), weight = exponential(score - largest);
        weight = score == -INFINITY ? Floats{} : weight;
        store(&scores[key], weight);
        totals += weight;
    }
    float inverse = 1 / sum(totals);
    for (int i = 0; i < whole; i += 4 * LANES) {  // up to four vectors of the result at a time stay in registers
        int vectors = (whole - i) / LANES < 4 ? (whole - i) / LANES : 4;
        Floats mixed[4] = {};
        for (int64_t key = first; key < last; key++) {
            Floats weight = all(scores[key]);
            for (int v = 0; v < vectors; v++) mixed[v] += weight * load_stored(values + key * head_size + i + v * LANES);
        }
        for (int v = 0; v < vectors; v++) store(result + i + v * LANES, mixed[v] * inverse);
    }
    for (int i = whole; i < head_size; i++) {
        float mixed = 0;
        for (int64_t key = first; key < last; key++) mixed += scores[key] * one_stored(values + key * head_size + i);
        result[i] = mixed * inverse;
    }
}
