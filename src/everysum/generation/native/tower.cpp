// One step of a tower of blocks: what models/gpt.py, llama.py and transformer.py define, with packed weights.
//
// Rows are `batch` texts with `count` new positions each. All threads go through the same lines side by side and do a
// share of each part; they wait only where one needs what another has made.
#include "attention.h"
#include "products.h"
#include <vector>

enum Normalizing { NO_NORM, LAYER_NORM, RMS_NORM };
enum Bend { RELU, GELU, GELU_TANH, SILU };

struct Normalization {
    int32_t kind;
    float epsilon;
    const float *weight, *bias;
};

struct Block {
    Normalization attention_normalization, query_normalization, key_normalization;
    Matrix query_key_value, attention_output;
    Normalization cross_normalization;
    Matrix cross_query, cross_output;  // no outputs: the block has no cross-attention
    Normalization feed_forward_normalization;
    Matrix up, down;  // gated: the gate's rows, then those of up
};

struct Tower {
    int32_t width, heads, key_value_heads, head_size, inner_width, blocks, bend, gated, post_norm, window, rotary, stored_half;
    const Block* block;
    Normalization normalization;
};

// Of a tower that reads tokens and gives logits.
struct Ends {
    const void *token_rows, *position_rows;  // no position_rows: attention is told where tokens stand
    int32_t rows_half;                       // whether these are in bfloat16, and so is their sum
    Matrix head;
};

struct Step {
    int64_t batch, count;
    float* hidden;                           // batch × count × width, in and out; null: made of token_ids
    const int64_t* positions;                // batch × count; null: made of lengths
    const int64_t *token_ids, *lengths;      // batch × count; batch: where the first of them stands
    float* logits;                           // batch × count × vocabulary; null: they are not wanted
    const Ends* ends;
    const float *cosine, *sine;              // position × head_size / 2
    void *const *keys, *const *values;       // a layer each: batch × key_value_heads × capacity × head_size
    int64_t capacity, extent;                // places in the cache, and how many of them may be looked at
    int64_t first_place;                     // of the new positions, in every text; -1: each stands where its position says
    const uint8_t* mask;                     // what each row sees; null: its text up to itself
    int64_t mask_text_stride, mask_row_stride;
    void *const *source_keys, *const *source_values;  // batch × heads × sources × head_size
    int64_t sources;
    const uint8_t* source_mask;
    int64_t source_mask_stride;
    int32_t threads;
};

static void normalize(const Normalization& norm, const float* numbers, int count, float* result) {
    float mean = 0, squares = 0;
    int whole = count / LANES * LANES;
    if (norm.kind == LAYER_NORM) {
        Floats totals = {};
        for (int i = 0; i < whole; i += LANES) totals += load<Floats>(numbers + i);
        mean = sum(totals);
        for (int i = whole; i < count; i++) mean += numbers[i];
        mean /= count;
    }
    Floats totals = {};
    for (int i = 0; i < whole; i += LANES) {
        Floats distance = load<Floats>(numbers + i) - mean;
        totals += distance * distance;
    }
    squares = sum(totals);
    for (int i = whole; i < count; i++) squares += (numbers[i] - mean) * (numbers[i] - mean);
    float inverse = 1 / sqrtf(squares / count + norm.epsilon);
    for (int i = 0; i < count; i++) {
        float normalized = (numbers[i] - mean) * inverse * norm.weight[i];
        result[i] = norm.bias ? normalized + norm.bias[i] : normalized;
    }
}

static Floats bent(int bend, Floats x) {
    if (bend == RELU) return x > 0 ? x : Floats{};
    if (bend == SILU) return x / (1 + exponential(-x));
    if (bend == GELU_TANH) {  // x/2 · (1 + tanh u), and 1 + tanh u = 2 / (1 + e^−2u)
        Floats inner = 0.7978845608f * (x + 0.044715f * x * x * x);
        return x / (1 + exponential(-2 * inner));
    }
    for (int i = 0; i < LANES; i++) x[i] = 0.5f * x[i] * (1 + erff(x[i] * 0.70710678f));
    return x;
}

static void turn(float* head, const float* cosine, const float* sine, int half) {
    for (int i = 0; i < half; i++) {
        float x = head[i], y = head[i + half];
        head[i] = x * cosine[i] - y * sine[i];
        head[i + half] = y * cosine[i] + x * sine[i];
    }
}

// What the rows become on their way; kept between steps, so that nothing is allocated again and again.
struct Room {
    std::vector<float> hidden, projected, mixed, inner;
    std::vector<int64_t> positions;
    std::vector<Encoded> encoded;
    std::vector<std::vector<float>> normalized, scores;
    std::vector<ManyQueries> many;

    void make(const Tower& tower, int64_t rows, int threads) {
        auto grow = [](std::vector<float>& numbers, int64_t size) { if (int64_t(numbers.size()) < size) numbers.resize(size); };
        grow(hidden, rows * tower.width);
        if (int64_t(positions.size()) < rows) positions.resize(rows);
        grow(projected, rows * (tower.heads + 2 * tower.key_value_heads) * tower.head_size);
        grow(mixed, rows * tower.heads * tower.head_size);
        grow(inner, rows * tower.inner_width * (tower.gated ? 2 : 1));
        if (int(encoded.size()) < threads) encoded.resize(threads), normalized.resize(threads), scores.resize(threads), many.resize(threads);
        for (auto& numbers : normalized) grow(numbers, tower.width);
    }
};

class Stepping {
    const Tower& tower;
    const Step& step;
    Room& room;
    const Worker worker;
    const int64_t rows;
    float* const hidden;
    const int64_t* const positions;

public:
    Stepping(const Tower& tower, const Step& step, Room& room, const Worker& worker)
        : tower(tower), step(step), room(room), worker(worker), rows(step.batch * step.count),
          hidden(step.hidden ? step.hidden : room.hidden.data()),
          positions(step.positions ? step.positions : room.positions.data()) {}

    void run() {
        if (step.token_ids) {
            read_tokens();
            worker.wait();
        }
        for (int layer = 0; layer < tower.blocks; layer++) {
            const Block& block = tower.block[layer];
            int projected = (tower.heads + 2 * tower.key_value_heads) * tower.head_size;
            product(block.query_key_value, before(block.attention_normalization), hidden, tower.width, room.projected.data(), projected);
            worker.wait();
            if (tower.stored_half) self_attention<uint16_t>(block, layer);
            else self_attention<float>(block, layer);
            worker.wait();
            add(block.attention_output, room.mixed.data(), tower.heads * tower.head_size, block.attention_normalization);
            if (block.cross_query.outputs) {
                product(block.cross_query, before(block.cross_normalization), hidden, tower.width, room.projected.data(), tower.heads * tower.head_size);
                worker.wait();
                if (tower.stored_half) cross_attention<uint16_t>(layer);
                else cross_attention<float>(layer);
                worker.wait();
                add(block.cross_output, room.mixed.data(), tower.heads * tower.head_size, block.cross_normalization);
            }
            int inner = tower.inner_width * (tower.gated ? 2 : 1);
            product(block.up, before(block.feed_forward_normalization), hidden, tower.width, room.inner.data(), inner);
            worker.wait();
            add(block.down, room.inner.data(), inner, block.feed_forward_normalization, true);
        }
        if (tower.normalization.kind)
            for (int64_t row = worker.first(rows); row < worker.last(rows); row++)
                normalize(tower.normalization, hidden + row * tower.width, tower.width, hidden + row * tower.width);
        if (step.logits) {
            worker.wait();
            product(step.ends->head, nullptr, hidden, tower.width, step.logits, step.ends->head.outputs);
        }
    }

private:
    // Each row a token's numbers, with those of its position.
    void read_tokens() {
        const Ends& ends = *step.ends;
        for (int64_t row = worker.first(rows); row < worker.last(rows); row++) {
            int64_t place = room.positions[row] = step.lengths[row / step.count] + row % step.count;
            for (int64_t i = 0, token = step.token_ids[row]; i < tower.width; i++) {
                float number = at(ends.token_rows, token * tower.width + i);
                if (ends.position_rows) number += at(ends.position_rows, place * tower.width + i);
                hidden[row * tower.width + i] = ends.rows_half ? widen(narrow(number)) : number;
            }
        }
    }

    float at(const void* rows, int64_t place) const {
        return step.ends->rows_half ? widen(((const uint16_t*)rows)[place]) : ((const float*)rows)[place];
    }

    const Normalization* before(const Normalization& norm) const { return tower.post_norm ? nullptr : &norm; }

    // Rows in the form that meets the weights: each thread all of them for itself while they are few, a share of many.
    template <class Ready> const Inputs& encoded(const Matrix& matrix, Ready ready) {
        bool shared = rows >= 8 && worker.threads > 1;
        Encoded& into = room.encoded[shared ? 0 : worker.number];
        if (!shared || worker.number == 0) into.make_room(matrix, rows);
        if (shared) worker.wait();
        int64_t first = shared ? worker.first(rows) : 0, last = shared ? worker.last(rows) : rows;
        for (int64_t row = first; row < last; row++) into.encode_row(matrix, ready(row), row);
        if (shared) worker.wait();
        return into.inputs;
    }

    void product(const Matrix& matrix, const Normalization* norm, const float* numbers, int64_t stride, float* out, int64_t out_stride) {
        float* normalized = room.normalized[worker.number].data();
        const Inputs& inputs = encoded(matrix, [&](int64_t row) {
            if (!norm) return numbers + row * stride;
            normalize(*norm, numbers + row * stride, tower.width, normalized);
            return (const float*)normalized;
        });
        multiply(matrix, inputs, rows, {out, out_stride}, worker);
    }

    // What a layer made goes through its last matrix and is added to what flows past it.
    void add(const Matrix& matrix, float* numbers, int64_t stride, const Normalization& norm, bool bend = false) {
        float* bent_row = nullptr;
        std::vector<float>& own = room.normalized[worker.number];
        if (bend) {
            if (int64_t(own.size()) < tower.inner_width + LANES) own.resize(tower.inner_width + LANES);
            bent_row = own.data();
        }
        const Inputs& inputs = encoded(matrix, [&](int64_t row) {
            if (!bend) return (const float*)numbers + row * stride;
            bend_row(numbers + row * stride, bent_row);
            return (const float*)bent_row;
        });
        multiply(matrix, inputs, rows, {hidden, tower.width, true}, worker);
        worker.wait();
        if (!tower.post_norm) return;
        for (int64_t row = worker.first(rows); row < worker.last(rows); row++) {
            float* numbers = hidden + row * tower.width;
            normalize(norm, numbers, tower.width, numbers);
        }
        worker.wait();
    }

    void bend_row(const float* inner, float* result) const {
        int count = tower.inner_width, whole = count / LANES * LANES;
        for (int i = 0; i < count; i += LANES) {
            float some[2][LANES] = {};
            bool last = i == whole;
            const float *first = inner + i, *second = inner + count + i;
            if (last) {
                memcpy(some[0], first, 4 * (count - i));
                if (tower.gated) memcpy(some[1], second, 4 * (count - i));
                first = some[0], second = some[1];
            }
            Floats numbers = bent(tower.bend, load<Floats>(first));
            if (tower.gated) numbers *= load<Floats>(second);
            store(result + i, numbers);
        }
    }

    static void put(float* place, const float* numbers, int count) { memcpy(place, numbers, 4 * count); }
    static void put(uint16_t* place, const float* numbers, int count) {
        for (int i = 0; i < count; i++) place[i] = narrow(numbers[i]);
    }

    // A text's rows and one key/value head are one thread's: what it writes into the cache, it alone reads.
    template <class Stored> void self_attention(const Block& block, int layer) {
        int size = tower.head_size, group = tower.heads / tower.key_value_heads, half = size / 2;
        int64_t joined = (tower.heads + 2 * tower.key_value_heads) * size;
        for (int64_t item = worker.first(step.batch * tower.key_value_heads); item < worker.last(step.batch * tower.key_value_heads); item++) {
            int64_t text = item / tower.key_value_heads, head = item % tower.key_value_heads;
            Stored* keys = (Stored*)step.keys[layer] + item * step.capacity * size;
            Stored* values = (Stored*)step.values[layer] + item * step.capacity * size;
            for (int64_t number = 0; number < step.count; number++) {
                int64_t row = text * step.count + number, position = positions[row];
                float *key = room.projected.data() + row * joined + (tower.heads + head) * size;
                float *value = key + tower.key_value_heads * size, *query = room.projected.data() + row * joined + head * group * size;
                if (block.key_normalization.kind) normalize(block.key_normalization, key, size, key);
                for (int q = 0; q < group; q++)
                    if (block.query_normalization.kind) normalize(block.query_normalization, query + q * size, size, query + q * size);
                if (tower.rotary) {
                    const float *cosine = step.cosine + position * half, *sine = step.sine + position * half;
                    turn(key, cosine, sine, half);
                    for (int q = 0; q < group; q++) turn(query + q * size, cosine, sine, half);
                }
                int64_t place = step.first_place < 0 ? position : step.first_place + number;
                put(keys + place * size, key, size);
                put(values + place * size, value, size);
            }
            auto visible = [&](int64_t number) {
                int64_t position = positions[text * step.count + number];
                const uint8_t* mask = step.mask ? step.mask + text * step.mask_text_stride + number * step.mask_row_stride : nullptr;
                int64_t last = mask ? step.extent : position + 1;
                bool cut = tower.window && last > tower.window && position >= tower.window;
                return std::tuple(cut ? position - tower.window + 1 : 0, last, mask);
            };
            for (int q = 0; q < group; q++) {
                int64_t first = text * step.count * joined + (head * group + q) * size, at = head * group + q;
                attend_all(keys, values, step.extent, room.projected.data() + first, joined, visible, text, at, q == 0);
            }
        }
    }

    // All queries of a text's new positions for one head: one by one, or together where they are many.
    template <class Stored, class Visible>
    void attend_all(const Stored* keys, const Stored* values, int64_t places, const float* queries, int64_t stride, Visible visible,
                    int64_t text, int64_t head, bool other_keys) {
        int64_t mixed_stride = tower.heads * tower.head_size;
        float* mixed = room.mixed.data() + text * step.count * mixed_stride + head * tower.head_size;
        if (step.count < ManyQueries::FROM) {
            for (int64_t number = 0; number < step.count; number++) {
                auto [first, last, mask] = visible(number);
                attend(queries + number * stride, keys, values, mask, first, last, tower.head_size, room.scores[worker.number],
                       mixed + number * mixed_stride);
            }
            return;
        }
        ManyQueries& many = room.many[worker.number];
        if (other_keys) many.look_at(keys, values, places, tower.head_size);
        for (int64_t start = 0; start < step.count; start += ManyQueries::AT_ONCE) {
            int64_t some = std::min<int64_t>(ManyQueries::AT_ONCE, step.count - start);
            many.attend(queries + start * stride, stride, some, [&](int64_t number) { return visible(start + number); },
                        mixed + start * mixed_stride, mixed_stride);
        }
    }

    template <class Stored> void cross_attention(int layer) {
        int size = tower.head_size;
        for (int64_t item = worker.first(step.batch * tower.heads); item < worker.last(step.batch * tower.heads); item++) {
            int64_t text = item / tower.heads, head = item % tower.heads;
            const Stored* keys = (const Stored*)step.source_keys[layer] + item * step.sources * size;
            const Stored* values = (const Stored*)step.source_values[layer] + item * step.sources * size;
            const uint8_t* mask = step.source_mask ? step.source_mask + text * step.source_mask_stride : nullptr;
            auto visible = [&](int64_t) { return std::tuple(int64_t(0), step.sources, mask); };
            const float* queries = room.projected.data() + (text * step.count * tower.heads + head) * size;
            attend_all(keys, values, step.sources, queries, int64_t(tower.heads) * size, visible, text, head, true);
        }
    }
};

// Never taken down: at the end of the process its threads still sleep, and taking it down would wait for them.
static Team& team = *new Team;
static thread_local Room kept;
static thread_local std::vector<Encoded> kept_inputs;

extern "C" {

// Hidden states of a step's rows, in place; their keys and values are written into the cache.
void everysum_step(const Tower* tower, const Step* step) {
    Room& room = kept;
    room.make(*tower, step->batch * step->count, step->threads);
    team.run(step->threads, [&](Worker worker) { Stepping(*tower, *step, room, worker).run(); });
}

// rows × inputs numbers times the matrix: rows × outputs.
void everysum_products(const Matrix* matrix, const float* numbers, int64_t rows, float* out, int32_t threads) {
    if (kept_inputs.empty()) kept_inputs.resize(1);
    Encoded& encoded = kept_inputs[0];
    encoded.make_room(*matrix, rows);
    for (int64_t row = 0; row < rows; row++) encoded.encode_row(*matrix, numbers + row * matrix->inputs, row);
    team.run(threads, [&](Worker worker) { multiply(*matrix, encoded.inputs, rows, {out, matrix->outputs}, worker); });
}

// How this was compiled: which kinds of products the processor does itself.
const char* everysum_abilities() {
#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)
    return "AVX-512 with bfloat16 and 8-bit products";
#elif defined(__AVX512VNNI__)
    return "AVX-512 with 8-bit products";
#else
    return "vectors as the compiler makes them";
#endif
}
}
