// Steps for processors with registers for matrices (AMX): 8-bit products of many rows in tiles of 16 by 16, all else by AVX-512.
//
// Sums of 8-bit products are exact, so that samples are those of AVX-512.
#include "variants.h"

#if defined(TIMBRAL_AMX)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(                                                                                  \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c,amx-tile,amx-int8"))), \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c,amx-tile,amx-int8")
#endif

#include "avx512.h"
#include "envelope.h"
#include "latent.h"
#include "stage_one.h"
#include "vocoder.h"

namespace timbral {
namespace {

struct Amx : Avx512 {};

constexpr int kRows = 16;      // of a register
constexpr int kDeepest = 64;   // bytes of a row of a register
constexpr int kBytes = 4 * kTile;  // of sixteen outputs and four inputs

// Shapes of the registers, as `_tile_loadconfig` reads them. 0 to 3 hold sums, 4 and 5 rows of inputs, 6 and 7 weights.
struct Shapes {
    uint8_t palette = 1, start = 0, unused[14] = {};
    uint16_t bytes[16] = {};
    uint8_t rows[16] = {};

    // depth: inputs that are multiplied at once.
    explicit Shapes(int depth) {
        for (int i = 0; i < 8; ++i) {
            bytes[i] = static_cast<uint16_t>(i == 4 || i == 5 ? depth : kBytes);
            rows[i] = static_cast<uint8_t>(i < 6 ? kRows : depth / 4);
        }
    }
};

// The largest number of inputs, up to a register's, of which a whole number makes all; both are multiples of four.
int depth_of(int inputs) {
    int depth = smaller(inputs, kDeepest);
    while (inputs % depth) depth -= 4;
    return depth;
}

// Sums of `H` registers of positions and `B` tiles of outputs of a convolution.
template <int H, int B>
void multiply(const uint8_t* numbers, size_t width, size_t step, int taps, int inputs, int depth, const int8_t* weights,
              size_t tile_bytes, int32_t (*sums)[kRows * kTile]) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int tap = 0; tap < taps; ++tap) {
        const uint8_t* from = numbers + tap * step;
        for (int i = 0; i < inputs; i += depth, weights += static_cast<size_t>(depth) * kTile) {
            _tile_loadd(4, from + i, width);
            _tile_loadd(6, weights, kBytes);
            _tile_dpbusd(0, 4, 6);
            if (H == 2) {
                _tile_loadd(5, from + kRows * width + i, width);
                _tile_dpbusd(1, 5, 6);
            }
            if (B == 2) {
                _tile_loadd(7, weights + tile_bytes, kBytes);
                _tile_dpbusd(2, 4, 7);
                if (H == 2) _tile_dpbusd(3, 5, 7);
            }
        }
    }
    _tile_stored(0, sums[0], kBytes);
    if (H == 2) _tile_stored(1, sums[1], kBytes);
    if (B == 2) _tile_stored(2, sums[2], kBytes);
    if (H == 2 && B == 2) _tile_stored(3, sums[3], kBytes);
}

template <>
struct EightBits<Amx> {
    static void convolve(const Convolution& conv, const uint8_t* numbers, int rows, const float* factors,
                         const float* offsets, const Store& store) {
        // Inputs of taps that follow each other are one stretch of memory.
        const int taps = conv.step == 1 ? 1 : conv.taps, inputs = conv.step == 1 ? conv.taps * conv.inputs : conv.inputs;
        const int depth = depth_of(inputs), tiles = conv.outputs / kTile;
        const size_t width = conv.inputs, step = width * conv.step;
        const size_t bytes = static_cast<size_t>(conv.taps) * conv.inputs * kTile;
        const Shapes shapes(depth);
        _tile_loadconfig(&shapes);
        alignas(64) int32_t sums[4][kRows * kTile];
        for (int tile = 0; tile < tiles; tile += 2)
            for (int row = 0; row < rows; row += 2 * kRows) {
                const uint8_t* from = numbers + static_cast<size_t>(row) * width;
                const int8_t* weights = conv.weights + static_cast<size_t>(tile) * bytes;
                const bool two = tile + 1 < tiles, high = row + kRows < rows;
                const auto sum = two ? (high ? multiply<2, 2> : multiply<1, 2>) : (high ? multiply<2, 1> : multiply<1, 1>);
                sum(from, width, step, taps, inputs, depth, weights, bytes, sums);
                for (int b = 0; b < (two ? 2 : 1); ++b) {
                    const int channel = (tile + b) * kTile;
                    const auto factor = Amx::load(factors + channel), offset = Amx::load(offsets + channel);
                    for (int r = 0; r < 2 * kRows && row + r < rows; ++r) {
                        const int32_t* own = sums[2 * b + r / kRows] + r % kRows * kTile;
                        store_sums<Amx>(_mm512_load_si512(own), factor, offset, store,
                                        static_cast<size_t>(row + r) * conv.outputs + channel);
                    }
                }
            }
        _tile_release();
    }
};

// Weights of 4 bits as those of 8: bytes of sixteen outputs and four inputs one after the other.
void widen_weights(const uint8_t* from, int inputs, uint8_t* to) {
    for (int i = 0; i < inputs; i += 8, from += kBytes, to += 2 * kBytes) {
        const auto pair = Avx512::raw(from);
        _mm512_storeu_si512(to, Avx512::low_half(pair));
        _mm512_storeu_si512(to + kBytes, Avx512::high_half(pair));
    }
}

constexpr int kWidestProduct = 8192;  // inputs, of which the weights are widened on the stack

// Exact sums of `G` registers of rows and sixteen outputs over one block of inputs; several, since each takes a while.
template <int G>
void multiply_block(const int8_t* numbers, size_t width, int block, int depth, const uint8_t* weights,
                    int32_t (*sums)[kRows * kTile]) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int i = 0; i < block; i += depth) {
        _tile_loadd(6, weights + static_cast<size_t>(i) * kTile, kBytes);
        _tile_loadd(4, numbers + i, width);
        _tile_dpbsud(0, 4, 6);
        if (G > 1) {
            _tile_loadd(5, numbers + kRows * width + i, width);
            _tile_dpbsud(1, 5, 6);
        }
        if (G > 2) {
            _tile_loadd(4, numbers + 2 * kRows * width + i, width);
            _tile_dpbsud(2, 4, 6);
        }
        if (G > 3) {
            _tile_loadd(5, numbers + 3 * kRows * width + i, width);
            _tile_dpbsud(3, 5, 6);
        }
    }
    _tile_stored(0, sums[0], kBytes);
    if (G > 1) _tile_stored(1, sums[1], kBytes);
    if (G > 2) _tile_stored(2, sums[2], kBytes);
    if (G > 3) _tile_stored(3, sums[3], kBytes);
}

// Sixteen outputs of `G` registers of rows from `row` on. weights: of 8 bits, around `middle`.
template <int G>
void many_rows(const Product& product, int tile, const Rounded& in, const uint8_t* weights, int middle, int row, float* out,
               size_t stride) {
    const int blocks = product.inputs / product.block, depth = depth_of(product.block);
    const int8_t* numbers = in.numbers.data() + static_cast<size_t>(row) * in.width;
    alignas(64) int32_t sums[G][kRows * kTile];
    alignas(64) float totals[G * kRows * kTile];
    const auto bias = Amx::load(product.bias + tile * kTile);
    for (int r = 0; r < G * kRows; ++r) Amx::store(totals + r * kTile, bias);
    for (int block = 0; block < blocks; ++block) {
        const int first = block * product.block;
        multiply_block<G>(numbers + first, in.width, product.block, depth, weights + static_cast<size_t>(first) * kTile, sums);
        const size_t at = (static_cast<size_t>(tile) * blocks + block) * kTile;
        const auto scale = product.wide_scales ? Amx::load(static_cast<const float*>(product.scales) + at)
                                               : Amx::widen(static_cast<const uint16_t*>(product.scales) + at);
        for (int r = 0; r < G * kRows; ++r) {
            const size_t own = static_cast<size_t>(row + r) * blocks + block;
            const auto less = Amx::all_int(in.sums.data()[own] * middle);
            const auto sum = _mm512_sub_epi32(_mm512_load_si512(sums[0] + r * kTile), less);
            const auto both = Amx::multiply(scale, Amx::all(in.scales.data()[own]));
            float* total = totals + r * kTile;
            Amx::store(total, Amx::add_product(Amx::to_float(sum), both, Amx::load(total)));
        }
    }
    for (int r = 0; r < G * kRows; ++r) Amx::store(out + (row + r) * stride + tile * kTile, Amx::load(totals + r * kTile));
}

template <>
struct ManyRows<Amx> {
    static int make(const Product& product, int tile, const Inputs& in, int rows, float* out, size_t stride) {
        const int done = rows / kRows * kRows;
        if (product.form == kHalf || !done || product.inputs > kWidestProduct) return 0;
        const size_t bytes = static_cast<size_t>(product.inputs) * kTile;
        const uint8_t* weights = product.weights + tile * (product.form == kEight ? bytes : bytes / 2);
        alignas(64) uint8_t wide[kWidestProduct * kTile];
        if (product.form != kEight) {
            widen_weights(weights, product.inputs, wide);
            weights = wide;
        }
        const int middle = product.form == kEight ? Amx::middle : 8;
        const Shapes shapes(depth_of(product.block));
        _tile_loadconfig(&shapes);
        for (int row = 0; row < done;) {
            const int left = (done - row) / kRows, groups = smaller(left, 4);
            const auto some = groups == 4   ? many_rows<4>
                              : groups == 3 ? many_rows<3>
                              : groups == 2 ? many_rows<2>
                                            : many_rows<1>;
            some(product, tile, *in.rounded, weights, middle, row, out, stride);
            row += groups * kRows;
        }
        _tile_release();
        return done;
    }
};

}  // namespace

Stepper* open_amx(const Model& model, int members) { return new Step<Amx>(model, members); }
Vocoder* open_vocoder_amx(const Generator& generator, int members) { return new Vocode<Amx>(generator, members); }
void speak_latent_amx(const LatentNetwork& network, const Speaking& speaking) { speak_latent<Amx>(network, speaking); }
void shape_envelope_amx(const EnvelopeNetwork& network, const Shaping& shaping) { shape_envelope<Amx>(network, shaping); }

}  // namespace timbral
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
