// Products of a matrix of weights with rows of numbers, the weights in 32, 16, 8 or 4 bits.
//
// Weights lie in the order in which they are used: for 32 outputs at a time, the weights of a few inputs for all 32,
// then those of the next inputs. So memory is read as one stream, and each lane of a register adds up one output. The
// order of a sum does not depend on how many rows of numbers there are: a text gets the same alone and beside others.
#pragma once
#include "team.h"
#include "vectors.h"
#include <algorithm>
#include <tuple>
#include <vector>

enum Form { FLOAT32, BFLOAT16, INT8, INT4 };

constexpr int ROWS = 2 * LANES;  // outputs that are computed together
constexpr int GROUP = 64;        // weights, or numbers, that share a scale
constexpr int MOST = 8;          // rows of numbers that are computed together

struct Matrix {
    int32_t form, outputs, inputs;
    int32_t stride;          // inputs, and zeros up to a whole number of what is multiplied at once
    const void* codes;       // INT8: code + 128; INT4: code + 8, those of four inputs in the lower halves of bytes, of the next four in the upper
    const uint16_t* scales;  // bfloat16: for 32 outputs at a time, all 32 of each group
    const float* bias;       // or null
};

static inline int64_t bytes_of(int form, int64_t numbers) {
    return form == FLOAT32 ? 4 * numbers : form == BFLOAT16 ? 2 * numbers : form == INT8 ? numbers : numbers / 2;
}

static inline int form_of_inputs(int form) { return form == INT4 ? INT8 : form; }

// Rows of numbers in the form that meets the weights: as they are, rounded to bfloat16, or as 8-bit codes with a scale
// for each group, so that the products are whole numbers.
struct Inputs {
    const char* codes;
    const float* scales;
    const int32_t* corrections;  // what the offset of the weights' codes adds too much to a group's sum, negated
    int64_t row_bytes, groups;
};

static void encode(const Matrix& matrix, const float* numbers, char* codes, float* scales, int32_t* corrections) {
    int inputs = matrix.inputs, stride = matrix.stride;
    if (matrix.form == FLOAT32) {
        memcpy(codes, numbers, 4 * inputs);
    } else if (matrix.form == BFLOAT16) {
        uint16_t* halves = (uint16_t*)codes;
        int i = 0;
        for (; i + LANES <= inputs; i += LANES) store(halves + i, narrow(load<Floats>(numbers + i)));
        for (; i < inputs; i++) halves[i] = narrow(numbers[i]);
        for (; i < stride; i++) halves[i] = 0;
    } else {
        int offset = matrix.form == INT8 ? 128 : 8;
        for (int group = 0; group * GROUP < stride; group++) {
            int first = group * GROUP, count = inputs - first < GROUP ? inputs - first : GROUP;
            float some[GROUP] = {};
            memcpy(some, numbers + first, 4 * count);
            Floats most = {};
            for (int i = 0; i < GROUP; i += LANES) most = larger(most, magnitude(load<Floats>(some + i)));
            float largest = greatest(most), inverse = largest > 0 ? 127 / largest : 0;
            Integers total = {};
            for (int i = 0; i < GROUP; i += LANES) {
                // to the nearest whole number, ties to the even one
                Floats whole = load<Floats>(some + i) * inverse + 12582912.0f - 12582912.0f;
                Integers code = __builtin_convertvector(whole, Integers);
                store(codes + first + i, __builtin_convertvector(code, Bytes));
                total += code;
            }
            scales[group] = largest / 127;
            corrections[group] = -offset * sum(total);
        }
    }
}

// Rows that are read by one matrix, and where their codes and scales are kept.
struct Encoded {
    std::vector<char> bytes;
    Inputs inputs;

    void make_room(const Matrix& matrix, int64_t rows) {
        int64_t groups = matrix.stride / GROUP, row_bytes = bytes_of(form_of_inputs(matrix.form), matrix.stride);
        int64_t codes = (rows * row_bytes + 63) / 64 * 64;
        if (int64_t(bytes.size()) < codes + 8 * rows * groups + 64) bytes.resize(codes + 8 * rows * groups + 64);
        char* start = bytes.data() + (64 - uintptr_t(bytes.data()) % 64) % 64;
        float* scales = (float*)(start + codes);
        inputs = {start, scales, (int32_t*)(scales + rows * groups), row_bytes, groups};
    }

    void encode_row(const Matrix& matrix, const float* numbers, int64_t row) {
        encode(matrix, numbers, (char*)inputs.codes + row * inputs.row_bytes, (float*)inputs.scales + row * inputs.groups,
               (int32_t*)inputs.corrections + row * inputs.groups);
    }
};

// Two products, each of two neighbors in bfloat16, added to every lane's sum.
static inline Floats add_pairs(Floats sums, const void* weights, uint32_t pair) {
#if defined(__AVX512BF16__)
    return (Floats)_mm512_dpbf16_ps((__m512)sums, (__m512bh)_mm512_loadu_si512(weights), (__m512bh)_mm512_set1_epi32(pair));
#else
    Words both = load<Words>(weights);
    return sums + (Floats)(both << 16) * as_float(pair << 16) + (Floats)(both & 0xFFFF0000u) * as_float(pair & 0xFFFF0000u);
#endif
}

// Four products of codes, weights without a sign times numbers with one, added to every lane's sum.
static inline Integers add_fours(Integers sums, Words weights, uint32_t four) {
#if defined(__AVX512VNNI__)
    return (Integers)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)weights, _mm512_set1_epi32(four));
#else
    for (int i = 0; i < 4; i++) sums += (Integers)(weights >> (8 * i) & 255) * int32_t(int8_t(four >> (8 * i)));
    return sums;
#endif
}

template <int COUNT, int FORM> struct Sums {
    Floats sums[2][COUNT] = {};

    // `weights` are those of 32 outputs, `numbers` the rows that meet them.
    void add(const Matrix& m, const char* weights, const uint16_t* scales, const Inputs& in, int64_t row) {
        const char* numbers = in.codes + row * in.row_bytes;
        if constexpr (FORM == FLOAT32) {
            for (int i = 0; i < m.stride; i++, weights += 4 * ROWS) {
                Floats first = load<Floats>(weights), second = load<Floats>(weights + 4 * LANES);
                for (int c = 0; c < COUNT; c++) {
                    float number = ((const float*)(numbers + c * in.row_bytes))[i];
                    sums[0][c] += first * number;
                    sums[1][c] += second * number;
                }
            }
        } else if constexpr (FORM == BFLOAT16) {
            for (int i = 0; i < m.stride / 2; i++, weights += 4 * ROWS)
                for (int c = 0; c < COUNT; c++) {
                    uint32_t pair = load<uint32_t>(numbers + c * in.row_bytes + 4 * i);
                    sums[0][c] = add_pairs(sums[0][c], weights, pair);
                    sums[1][c] = add_pairs(sums[1][c], weights + 4 * LANES, pair);
                }
        } else {
            for (int64_t group = 0; group < in.groups; group++, scales += ROWS) {
                Integers whole[2][COUNT];
                for (int c = 0; c < COUNT; c++)
                    whole[0][c] = whole[1][c] = Integers{} + in.corrections[(row + c) * in.groups + group];
                for (int i = 0; i < GROUP; i += FORM == INT8 ? 4 : 8, weights += 4 * ROWS) {
                    const char* here = numbers + group * GROUP + i;
                    Words first = load<Words>(weights), second = load<Words>(weights + 4 * LANES);
                    if constexpr (FORM == INT8) {
                        for (int c = 0; c < COUNT; c++) {
                            uint32_t four = load<uint32_t>(here + c * in.row_bytes);
                            whole[0][c] = add_fours(whole[0][c], first, four);
                            whole[1][c] = add_fours(whole[1][c], second, four);
                        }
                    } else {
                        constexpr uint32_t lower = 0x0F0F0F0F;
                        for (int c = 0; c < COUNT; c++) {
                            uint32_t four = load<uint32_t>(here + c * in.row_bytes);
                            uint32_t next = load<uint32_t>(here + c * in.row_bytes + 4);
                            whole[0][c] = add_fours(whole[0][c], first & lower, four);
                            whole[1][c] = add_fours(whole[1][c], second & lower, four);
                            whole[0][c] = add_fours(whole[0][c], first >> 4 & lower, next);
                            whole[1][c] = add_fours(whole[1][c], second >> 4 & lower, next);
                        }
                    }
                }
                Floats first = widen(load<Halves>(scales)), second = widen(load<Halves>(scales + LANES));
                for (int c = 0; c < COUNT; c++) {
                    float scale = in.scales[(row + c) * in.groups + group];
                    sums[0][c] += __builtin_convertvector(whole[0][c], Floats) * (first * scale);
                    sums[1][c] += __builtin_convertvector(whole[1][c], Floats) * (second * scale);
                }
            }
        }
    }
};

// Where products go: instead of what stood there, or added to it.
struct Outputs {
    float* numbers;
    int64_t stride;
    bool added = false;
};

// 32 outputs, fewer at the matrix's end, for COUNT rows of numbers.
template <int COUNT, int FORM>
static void tile(const Matrix& m, int64_t output, const Inputs& in, int64_t row, const Outputs& out) {
    Sums<COUNT, FORM> both;
    both.add(m, (const char*)m.codes + bytes_of(FORM, output * m.stride), m.scales + output * in.groups, in, row);
    float bias[ROWS] = {};
    int here = m.outputs - output < ROWS ? m.outputs - output : ROWS;
    if (m.bias) memcpy(bias, m.bias + output, 4 * here);
    for (int c = 0; c < COUNT; c++) {
        float *to = out.numbers + (row + c) * out.stride + output, before[ROWS] = {};
        if (out.added) memcpy(before, to, 4 * here);
        for (int half = 0; half < 2; half++)
            store(before + half * LANES, load<Floats>(before + half * LANES) + (both.sums[half][c] + load<Floats>(bias + half * LANES)));
        memcpy(to, before, 4 * here);
    }
}

template <int FORM>
static void multiply_as(const Matrix& m, const Inputs& in, int64_t count, const Outputs& out, const Worker& worker) {
    int64_t blocks = (m.outputs + ROWS - 1) / ROWS;
    for (int64_t output = worker.first(blocks) * ROWS; output < worker.last(blocks) * ROWS; output += ROWS)
        for (int64_t row = 0; row < count; row += MOST) switch (count - row) {
                case 1: tile<1, FORM>(m, output, in, row, out); break;
                case 2: tile<2, FORM>(m, output, in, row, out); break;
                case 3: tile<3, FORM>(m, output, in, row, out); break;
                case 4: tile<4, FORM>(m, output, in, row, out); break;
                case 5: tile<5, FORM>(m, output, in, row, out); break;
                case 6: tile<6, FORM>(m, output, in, row, out); break;
                case 7: tile<7, FORM>(m, output, in, row, out); break;
                default: tile<MOST, FORM>(m, output, in, row, out);
            }
}

// This worker's share of the outputs, for all rows of numbers.
static void multiply(const Matrix& m, const Inputs& in, int64_t count, const Outputs& out, const Worker& worker) {
    if (m.form == FLOAT32) multiply_as<FLOAT32>(m, in, count, out, worker);
    else if (m.form == BFLOAT16) multiply_as<BFLOAT16>(m, in, count, out, worker);
    else if (m.form == INT8) multiply_as<INT8>(m, in, count, out, worker);
    else multiply_as<INT4>(m, in, count, out, worker);
}
