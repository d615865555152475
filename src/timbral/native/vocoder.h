// The generator of HiFi-GAN with 8-bit residual blocks, over the vectors of a processor (`V` in avx512.h and neon.cpp).
//
// The network is `Generator` of src/timbral/nets/hifigan.py. Values are float32 [positions, channels], so that the taps of a
// convolution are neighbours in memory. Inputs of the residual blocks' convolutions are rounded to 8 bits with a scale and a zero
// point for each tile of positions, weights with a scale for each output; both convolutions of a pair, with what is added
// around them, are one pass over a tile. The first convolution and the upsampling, 4 % of the work and the most sensitive to
// rounding, have 12 and 11 bits; the last one is float32.
//
// Samples do not depend on how many threads there are: tiles have the same borders, and each sum has its own order.
#pragma once

#include <atomic>
#include <cstddef>

#include "stage_one.h"

namespace timbral {
namespace {

constexpr int kPositions = 240;       // of a tile: a multiple of the heights of blocks
constexpr float kMostWide = 2047.0f;  // MOST_WIDE of vocoder.py: the largest 16-bit input
constexpr float kSlope = 0.1f, kLastSlope = 0.01f;
constexpr int kWidest = 1024;  // WIDEST of vocoder.py: channels, filled up to whole tiles

// Values rounded to 8 bits: value = scale * (number - zero), where numbers begin at V::lowest.
struct Grid {
    float scale;
    int zero;

    Grid(float low, float high) {
        scale = (high - low) / 255.0f;
        zero = scale > 0 ? static_cast<int>(lrintf(-low / scale)) : 0;
    }
};

template <class V>
typename V::Float leaky(typename V::Float x, float slope) {
    return V::largest(x, V::multiply(x, V::all(slope)));
}

// Least and largest of values and 0.
template <class V>
void widen_range(const float* values, size_t count, float* low, float* high) {
    typename V::Float most = V::zero(), least = V::zero();
    for (size_t i = 0; i < count; i += V::lanes) {
        const typename V::Float x = V::load(values + i);
        most = V::largest(most, x);
        least = V::smallest(least, x);
    }
    *high = fmaxf(*high, V::highest(most));
    *low = fminf(*low, -V::highest(V::subtract(V::zero(), least)));
}

// Numbers of leaky(values), as a grid has them.
template <class V>
void round_to(const float* values, size_t count, const Grid& grid, uint8_t* to) {
    const auto per = V::all(grid.scale > 0 ? 1.0f / grid.scale : 0.0f);
    const auto zero = V::all(static_cast<float>(grid.zero));
    for (size_t i = 0; i < count; i += V::lanes)
        V::store_byte(to + i, V::add_product(leaky<V>(V::load(values + i), kSlope), per, zero));
}

// `R` positions and `B` tiles of outputs of an 8-bit convolution: exact sums of numbers times weights. `W`: its inputs, or 0;
// where they are known to the compiler, one register is enough to address all positions.
template <class V, int R, int B, int W>
void convolve(const Convolution& conv, int tile, const uint8_t* numbers, typename V::Int (&sum)[R][B * V::parts]) {
    const int inputs = W ? W : conv.inputs;
    const size_t bytes = static_cast<size_t>(conv.taps) * conv.inputs * kTile;
    const int8_t* weights = conv.weights + tile * bytes;
    for (int r = 0; r < R; ++r)
        for (int b = 0; b < B * V::parts; ++b) sum[r][b] = V::all_int(0);
    for (int tap = 0; tap < conv.taps; ++tap) {
        const uint8_t* from = numbers + static_cast<size_t>(tap) * conv.step * inputs;
        for (int i = 0; i < inputs; i += 4, weights += 4 * kTile) {
            typename V::Bytes weight[B * V::parts];
            for (int b = 0; b < B; ++b)
                for (int part = 0; part < V::parts; ++part)
                    weight[b * V::parts + part] = V::bytes(weights + b * bytes + part * V::lanes * 4);
            for (int r = 0; r < R; ++r) {
                const auto four = V::four(from + static_cast<size_t>(r) * inputs + i);
                for (int b = 0; b < B * V::parts; ++b) sum[r][b] = V::dot(sum[r][b], four, weight[b]);
            }
        }
    }
}

// What becomes of a convolution's outputs [rows, channels]: stored, or added to what is there.
struct Store {
    float* to;              // [rows, channels]
    const float* residual;  // [rows, channels] that are added, or null
    float share;            // what the sum of both is multiplied by
    bool added;             // to the values at `to`, or in their place
};

// What becomes of the sums of a row's outputs that begin `at`.
template <class V>
void store_sums(typename V::Int sum, typename V::Float factor, typename V::Float offset, const Store& store, size_t at) {
    auto y = V::add_product(V::to_float(sum), factor, offset);
    if (store.residual) y = V::add(y, V::load(store.residual + at));
    y = V::multiply(y, V::all(store.share));
    V::store(store.to + at, store.added ? V::add(y, V::load(store.to + at)) : y);
}

template <class V, int R, int B, int W>
void convolve_block(const Convolution& conv, int tile, const uint8_t* numbers, int row, int rows,
                    const float* factors, const float* offsets, const Store& store) {
    typename V::Int sum[R][B * V::parts];
    convolve<V, R, B, W>(conv, tile, numbers + static_cast<size_t>(row) * conv.inputs, sum);
    for (int b = 0; b < B * V::parts; ++b) {
        const int channel = tile * kTile + b * V::lanes;
        const auto factor = V::load(factors + channel), offset = V::load(offsets + channel);
        for (int r = 0; r < R && row + r < rows; ++r)
            store_sums<V>(sum[r][b], factor, offset, store, static_cast<size_t>(row + r) * conv.outputs + channel);
    }
}

template <class V, int R, int B, int W = 0>
void convolve_rows(const Convolution& conv, const uint8_t* numbers, int rows, const float* factors,
                   const float* offsets, const Store& store) {
    for (int tile = 0; tile < conv.outputs / kTile; tile += B)
        for (int row = 0; row < rows; row += R)
            convolve_block<V, R, B, W>(conv, tile, numbers, row, rows, factors, offsets, store);
}

// The 8-bit convolution of numbers [rows up to whole blocks + taps - 1 steps, inputs]: sums * factors + offsets.
template <class V>
struct EightBits {
    static void convolve(const Convolution& conv, const uint8_t* numbers, int rows, const float* factors,
                         const float* offsets, const Store& store) {
        constexpr int four = V::widest < 4 ? V::widest : 4, three = V::widest < 3 ? V::widest : 3;
        constexpr int two = V::widest < 2 ? V::widest : 2, sums = V::sums;
        const int tiles = conv.outputs / kTile;
        if (tiles == 1)
            convolve_rows<V, sums, 1, kTile>(conv, numbers, rows, factors, offsets, store);
        else if (tiles == 2)
            convolve_rows<V, sums / two, two, 2 * kTile>(conv, numbers, rows, factors, offsets, store);
        else if (tiles == 4)
            convolve_rows<V, sums / four, four, 4 * kTile>(conv, numbers, rows, factors, offsets, store);
        else if (tiles % four == 0)
            convolve_rows<V, sums / four, four>(conv, numbers, rows, factors, offsets, store);
        else if (tiles % three == 0)
            convolve_rows<V, sums / three, three>(conv, numbers, rows, factors, offsets, store);
        else if (tiles % two == 0)
            convolve_rows<V, sums / two, two>(conv, numbers, rows, factors, offsets, store);
        else
            convolve_rows<V, sums, 1>(conv, numbers, rows, factors, offsets, store);
    }
};

// The same for numbers that lie on a grid.
template <class V>
void convolve_numbers(const Convolution& conv, const uint8_t* numbers, int rows, const Grid& grid, const Store& store) {
    float factors[kWidest], offsets[kWidest];
    for (int i = 0; i < conv.outputs; ++i) {
        factors[i] = grid.scale * conv.scales[i];
        offsets[i] = conv.bias[i] - factors[i] * static_cast<float>(conv.sums[i]) * static_cast<float>(grid.zero + V::lowest);
    }
    EightBits<V>::convolve(conv, numbers, rows, factors, offsets, store);
}

// `R` positions and `B` tiles of a 16-bit convolution. taps[i]: where the inputs of tap i begin; to: [positions, outputs] with a
// stride between positions; share: of the scales of the weights.
template <class V, int R, int B>
void convolve_wide(const WideConvolution& conv, int phase, int tile, const int16_t* const* taps, float share,
                   const float* bias, float* to, size_t stride) {
    const size_t size = static_cast<size_t>(conv.taps) * conv.inputs * kTile;
    const int16_t* weights = conv.weights + (static_cast<size_t>(phase) * (conv.outputs / kTile) + tile) * size;
    typename V::Int sum[R][B * V::parts];
    for (int r = 0; r < R; ++r)
        for (int b = 0; b < B * V::parts; ++b) sum[r][b] = V::all_int(0);
    for (int tap = 0; tap < conv.taps; ++tap)
        for (int i = 0; i < conv.inputs; i += 2, weights += 2 * kTile) {
            typename V::Words weight[B * V::parts];
            for (int b = 0; b < B; ++b)
                for (int part = 0; part < V::parts; ++part)
                    weight[b * V::parts + part] = V::words(weights + b * size + part * V::lanes * 2);
            for (int r = 0; r < R; ++r) {
                const auto two = V::two(taps[tap] + static_cast<size_t>(r) * conv.inputs + i);
                for (int b = 0; b < B * V::parts; ++b) sum[r][b] = V::dot(sum[r][b], two, weight[b]);
            }
        }
    for (int b = 0; b < B * V::parts; ++b) {
        const int channel = tile * kTile + b * V::lanes;
        const auto factor = V::multiply(V::load(conv.scales + channel), V::all(share)), offset = V::load(bias + channel);
        for (int r = 0; r < R; ++r) V::store(to + r * stride + channel, V::add_product(V::to_float(sum[r][b]), factor, offset));
    }
}

template <class V, int R>
void convolve_wide_rows(const WideConvolution& conv, int phase, const int16_t* const* taps, float share,
                        const float* bias, float* to, size_t stride) {
    constexpr int two = V::widest < 2 ? V::widest : 2;
    int tile = 0;
    for (; tile + two <= conv.outputs / kTile; tile += two)
        convolve_wide<V, R, two>(conv, phase, tile, taps, share, bias, to, stride);
    for (; tile < conv.outputs / kTile; ++tile)
        convolve_wide<V, R, 1>(conv, phase, tile, taps, share, bias, to, stride);
}

// Buffers of one thread.
struct Scratch {
    std::atomic<bool> taken{false};
    Array<uint8_t> numbers, inner_numbers;
    Array<int16_t> wide;
    Array<float> inner;
};

template <class V>
class Vocode : public Vocoder {
  public:
    Vocode(const Generator& generator, int members)
        : generator_(generator), members_(members), scratches_(new Scratch[members]) {
        size_t numbers = 0, wide = 0;
        for (int i = 0; i < convolutions(); ++i) {
            const Convolution& conv = generator.convolutions[i];
            const size_t rows = tile_of(conv.inputs) + 2 * kMostRows + 3 * static_cast<size_t>(conv.taps) * conv.step;
            numbers = larger_size(numbers, rows * conv.inputs);
        }
        for (int i = 0; i <= generator.stages; ++i) {
            const WideConvolution& conv = generator.upsampling[i];
            wide = larger_size(wide, static_cast<size_t>(wide_tile_of(conv.inputs) + 2 * conv.taps) * conv.inputs);
        }
        const size_t last = static_cast<size_t>(kLastTile + generator.last_taps) * generator.last_inputs;
        for (int member = 0; member < members; ++member) {
            scratches_[member].numbers.hold(numbers);
            scratches_[member].inner_numbers.hold(numbers);
            scratches_[member].wide.hold(wide);
            scratches_[member].inner.hold(larger_size(numbers, last));
        }
    }
    ~Vocode() override { delete[] scratches_; }

    void begin(const Vocoding& vocoding) override { vocoding_ = vocoding; }

    // Phases: the first convolution; in each stage the upsampling and every pair; the last convolution.
    int chunks(int phase) const override {
        const Step step = step_of(phase);
        if (step.kind == kOver) return 0;
        const int inputs = step.kind == kUpsampling ? positions_before(step.stage) : positions_of(step.stage);
        const int tile = step.kind == kUpsampling ? wide_tile_of(generator_.upsampling[step.stage].inputs)
                         : step.kind == kLast ? kLastTile : tile_of(channels(step.stage));
        return (inputs + tile - 1) / tile;
    }

    void chunk(int phase, int index) override {
        const Step step = step_of(phase);
        Scratch& scratch = take();
        if (step.kind == kUpsampling)
            upsample(step.stage, index * wide_tile_of(generator_.upsampling[step.stage].inputs), scratch);
        else if (step.kind == kPair)
            residual_pair(step, index * tile_of(channels(step.stage)), scratch);
        else
            finish_samples(index * kLastTile, scratch);
        scratch.taken.store(false, std::memory_order_release);
    }

    void finish(int) override {}

  private:
    enum Kind { kUpsampling, kPair, kLast, kOver };
    // stage: 0 is the first convolution, without pairs.
    struct Step {
        Kind kind;
        int stage, block, pair;
    };

    Step step_of(int phase) const {
        if (phase == 0) return {kUpsampling, 0, 0, 0};
        const int pairs = generator_.blocks * generator_.pairs, each = 1 + pairs;
        const int stage = 1 + (phase - 1) / each, rest = (phase - 1) % each;
        if (stage > generator_.stages) return {rest == 0 ? kLast : kOver, generator_.stages, 0, 0};
        if (rest == 0) return {kUpsampling, stage, 0, 0};
        return {kPair, stage, (rest - 1) / generator_.pairs, (rest - 1) % generator_.pairs};
    }

    int convolutions() const { return 2 * generator_.stages * generator_.blocks * generator_.pairs; }
    int channels(int stage) const { return generator_.upsampling[stage].outputs; }
    int positions_of(int stage) const { return positions_before(stage) * generator_.upsampling[stage].rate; }
    int positions_before(int stage) const {
        int positions = vocoding_.frames;
        for (int i = 0; i < stage; ++i) positions *= generator_.upsampling[i].rate;
        return positions;
    }
    static int tile_of(int channels) { return kPositions * larger(1, kTileChannels / channels); }
    static int wide_tile_of(int channels) { return kWideTile * larger(1, kTileChannels / channels); }
    static size_t larger_size(size_t x, size_t y) { return x > y ? x : y; }

    Scratch& take() {
        for (int i = 0;; i = (i + 1) % members_)
            if (!scratches_[i].taken.exchange(true, std::memory_order_acquire)) return scratches_[i];
    }

    // Inputs from buffer 0 (the latent before the first stage), outputs to buffer 1 (to buffer 0 for the first stage).
    void upsample(int stage, int start, Scratch& scratch) {
        const WideConvolution& conv = generator_.upsampling[stage];
        const int positions = positions_before(stage), count = smaller(wide_tile_of(conv.inputs), positions - start);
        const int before = start - conv.taps, rows = count + 2 * conv.taps, width = conv.inputs;
        const float* from = stage ? vocoding_.buffers[0] : vocoding_.latent;
        const int first = larger(before, 0), last = smaller(before + rows, positions);
        const float* values = from + static_cast<size_t>(first) * width;
        const size_t size = static_cast<size_t>(last - first) * width, skipped = static_cast<size_t>(first - before) * width;
        const float slope = stage ? kSlope : 1.0f;
        float low = 0, high = 0;
        widen_range<V>(values, size, &low, &high);
        const float most = fmaxf(-low * slope, high);
        const auto per = V::all(most > 0 ? kMostWide / most : 0.0f);
        int16_t* own = scratch.wide.data();
        memset(own, 0, skipped * sizeof(int16_t));
        for (size_t i = 0; i < size; i += V::lanes)
            V::store_words(own + skipped + i, V::multiply(leaky<V>(V::load(values + i), slope), per));
        memset(own + skipped + size, 0, static_cast<size_t>(before + rows - last) * width * sizeof(int16_t));
        const float* bias = stage ? conv.bias : vocoding_.bias;
        float* out = vocoding_.buffers[stage ? 1 : 0];
        const size_t stride = static_cast<size_t>(conv.rate) * conv.outputs;
        for (int phase = 0; phase < conv.rate; ++phase) {
            const int16_t* taps[kMostTaps];
            for (int row = 0; row < count;) {
                const bool many = count - row >= V::wide_rows;
                for (int tap = 0; tap < conv.taps; ++tap)
                    taps[tap] = own + static_cast<size_t>(conv.taps + row + conv.shifts[phase] - tap) * width;
                float* to = out + static_cast<size_t>(start + row) * stride + static_cast<size_t>(phase) * conv.outputs;
                if (many)
                    convolve_wide_rows<V, V::wide_rows>(conv, phase, taps, most / kMostWide, bias, to, stride);
                else
                    convolve_wide_rows<V, 1>(conv, phase, taps, most / kMostWide, bias, to, stride);
                row += many ? V::wide_rows : 1;
            }
        }
    }

    // Pairs lead from buffer 1 to 2, to 3, to 2 and so on, and the last one adds its share to buffer 0.
    void residual_pair(const Step& step, int start, Scratch& scratch) {
        const int own = ((step.stage - 1) * generator_.blocks + step.block) * generator_.pairs + step.pair;
        const Convolution &first = generator_.convolutions[2 * own], &second = generator_.convolutions[2 * own + 1];
        const bool last = step.pair + 1 == generator_.pairs;
        const float* x = vocoding_.buffers[step.pair ? 3 - step.pair % 2 : 1];
        float* to = vocoding_.buffers[last ? 0 : 2 + step.pair % 2];
        const int width = first.inputs, positions = positions_of(step.stage);
        const int reach = (first.taps - 1) / 2 * first.step, inner_reach = (second.taps - 1) / 2 * second.step;
        const int count = smaller(tile_of(width), positions - start), inner_count = count + 2 * inner_reach;
        const Grid grid = round_rows(x, width, positions, start - inner_reach - reach, inner_count + 2 * reach, scratch.numbers);
        float* inner = scratch.inner.data();
        convolve_numbers<V>(first, scratch.numbers.data(), inner_count, grid, {inner, nullptr, 1.0f, false});
        const int before = start - inner_reach;
        const Grid inner_grid = round_rows(inner - static_cast<ptrdiff_t>(before) * width, width, positions, before,
                                           inner_count, scratch.inner_numbers);
        const size_t at = static_cast<size_t>(start) * width;
        const float share = last ? 1.0f / static_cast<float>(generator_.blocks) : 1.0f;
        convolve_numbers<V>(second, scratch.inner_numbers.data(), count, inner_grid,
                            {to + at, x + at, share, last && step.block > 0});
    }

    // Rounds leaky rows from `first` on; before and behind the positions there are zeros.
    static Grid round_rows(const float* values, int width, int positions, int first, int count, Array<uint8_t>& numbers) {
        const int from = larger(first, 0), to = smaller(first + count, positions);
        const float* own = values + static_cast<ptrdiff_t>(from) * width;
        const size_t size = static_cast<size_t>(to - from) * width;
        float low = 0, high = 0;
        widen_range<V>(own, size, &low, &high);
        const Grid grid(low * kSlope, high);
        uint8_t* out = numbers.data();
        const size_t before = static_cast<size_t>(from - first) * width;
        memset(out, V::number(grid.zero), before);
        round_to<V>(own, size, grid, out + before);
        memset(out + before + size, V::number(grid.zero), static_cast<size_t>(first + count - to) * width);
        return grid;
    }

    void finish_samples(int start, Scratch& scratch) {
        const int positions = positions_of(generator_.stages), count = smaller(kLastTile, positions - start);
        const int width = generator_.last_inputs, reach = (generator_.last_taps - 1) / 2;
        float* own = scratch.inner.data();
        for (int row = 0; row < count + 2 * reach; ++row) {
            const int at = start - reach + row;
            const float* from = vocoding_.buffers[0] + static_cast<ptrdiff_t>(at) * width;
            for (int i = 0; i < width; i += V::lanes)
                V::store(own + static_cast<size_t>(row) * width + i,
                         at < 0 || at >= positions ? V::zero() : leaky<V>(V::load(from + i), kLastSlope));
        }
        for (int row = 0; row < count; ++row) {
            typename V::Float sum = V::zero();
            const float* from = own + static_cast<size_t>(row) * width;
            for (int i = 0; i < generator_.last_taps * width; i += V::lanes)
                sum = V::add_product(V::load(from + i), V::load(generator_.last_weights + i), sum);
            vocoding_.audio[start + row] = V::sum(sum) + generator_.last_bias;
        }
    }

    static constexpr int kTileChannels = 128;  // Tiles of narrower stages have more positions.
    static constexpr int kWideTile = 48, kLastTile = 2048;
    static constexpr int kMostRows = 32;  // of a block of an 8-bit convolution

    const Generator& generator_;
    const int members_;
    Scratch* const scratches_;
    Vocoding vocoding_ = {};
};

}  // namespace
}  // namespace timbral
