// Attention of rows to the keys and values in a cache, which are float32 or bfloat16: softmax(q·k / √head_size) · v.
#pragma once
#include "products.h"

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

// The same for many queries at once: keys and values are laid out like weights, and attention is two matrix products.
struct ManyQueries {
    static constexpr int AT_ONCE = 64, FROM = 16;  // queries side by side, and from how many on this is worth it
    std::vector<float> keys, values, scores;
    int64_t count = 0, size = 0;

    template <class Stored> void look_at(const Stored* stored_keys, const Stored* stored_values, int64_t places, int64_t head_size) {
        count = places, size = head_size;
        int64_t blocks = (count + ROWS - 1) / ROWS, parts = (size + ROWS - 1) / ROWS;
        keys.assign(blocks * ROWS * size, 0);
        values.assign(parts * ROWS * count, 0);
        for (int64_t place = 0; place < count; place++)
            for (int64_t i = 0; i < size; i++) {
                keys[(place / ROWS * size + i) * ROWS + place % ROWS] = one_stored(stored_keys + place * size + i);
                values[(i / ROWS * count + place) * ROWS + i % ROWS] = one_stored(stored_values + place * size + i);
            }
    }

    // `visible` gives of each query the first key, the one behind the last, and a mask or null.
    template <class Visible>
    void attend(const float* queries, int64_t stride, int64_t number, Visible visible, float* results, int64_t result_stride) {
        Worker alone{0, 1, nullptr};
        int64_t furthest = 0;
        for (int64_t query = 0; query < number; query++) furthest = std::max(furthest, std::get<1>(visible(query)));
        int64_t padded = (furthest + ROWS - 1) / ROWS * ROWS;
        scores.resize(number * padded);
        Matrix asked{FLOAT32, int32_t(furthest), int32_t(size), int32_t(size), keys.data(), nullptr, nullptr};
        multiply_as<FLOAT32>(asked, {(const char*)queries, nullptr, nullptr, 4 * stride, 0}, number, {scores.data(), padded}, alone);
        for (int64_t query = 0; query < number; query++) {
            auto [first, last, mask] = visible(query);
            weigh(&scores[query * padded], padded, first, last, mask);
        }
        for (int64_t part = 0; part * ROWS < size; part++) {
            int32_t here = int32_t(std::min<int64_t>(ROWS, size - part * ROWS)), inputs = int32_t(furthest);
            Matrix mixed{FLOAT32, here, inputs, inputs, values.data() + part * ROWS * count, nullptr, nullptr};
            multiply_as<FLOAT32>(mixed, {(const char*)scores.data(), nullptr, nullptr, 4 * padded, 0}, number, {results + part * ROWS, result_stride}, alone);
        }
    }

private:
    // Softmax of the visible scores; the others become 0.
    void weigh(float* row, int64_t padded, int64_t first, int64_t last, const uint8_t* mask) const {
        float scale = 1 / sqrtf(float(size));
        for (int64_t key = 0; key < first; key++) row[key] = -INFINITY;
        for (int64_t key = last; key < padded; key++) row[key] = -INFINITY;
        if (mask)
            for (int64_t key = first; key < last; key++)
                if (!mask[key]) row[key] = -INFINITY;
        Floats largest = all(-INFINITY), totals = {};
        for (int64_t key = 0; key < padded; key += LANES) {
            Floats some = load<Floats>(row + key);
            largest = larger(largest, some);
        }
        float peak = greatest(largest);
        for (int64_t key = 0; key < padded; key += LANES) {
            Floats score = load<Floats>(row + key), weight = exponential((score - peak) * scale);
            weight = score == -INFINITY ? Floats{} : weight;
            store(row + key, weight);
            totals += weight;
        }
        float inverse = 1 / sum(totals);
        for (int64_t key = 0; key < padded; key += LANES) store(row + key, load<Floats>(row + key) * inverse);
    }
};
