// Blocks of ConvNeXt whose norms are scaled and shifted by a timbre, over the vectors of a processor (`V` in avx2.cpp, avx512.h and
// neon.cpp): `FilmConvNextBlock` of src/timbral/nets/convnext.py, for both networks of sovits-tiny's stage two.
//
// Inputs of products with 8 and 4 bits are rounded as in stage_one.h; all else is float32. Every layer is computed where what is
// asked for depends on it, and nowhere else. One thread computes a call; calls share nothing, so that there may be as many at once
// as there are cores.
#pragma once

#include "stage_one.h"

namespace timbral {
namespace {

// Positions from `first` to before `end`.
struct Span {
    int first, end;

    int count() const { return end - first; }
    // With `reach` more on either side, of `limit` in all.
    Span wider(int reach, int limit) const { return {larger(first - reach, 0), smaller(end + reach, limit)}; }
};

// x * Phi(x) in the approximation by tanh (Hendrycks and Gimpel 2016): of |x|, what a sigmoid takes off.
template <class V>
void apply_gelu(float* values, size_t count) {
    for (size_t i = 0; i < count; i += V::lanes) {
        const auto x = V::load(values + i);
        const auto cubic = V::add_product(V::multiply(x, x), V::all(0.044715f * 1.5957691216f), V::all(1.5957691216f));
        const auto power = power_of_e<V>(V::subtract(V::zero(), V::magnitude(V::multiply(x, cubic))));
        const auto off = V::divide(V::multiply(V::magnitude(x), power), V::add(power, V::all(1.0f)));
        V::store(values + i, V::subtract(V::largest(x, V::zero()), off));
    }
}

// y = norm(y) * (1 + scale) + shift, or norm(y) where there is no scale.
template <class V>
void normalise_and_shift(float* y, int width, float epsilon, const Norm& norm, const float* scale, const float* shift) {
    typename V::Float total = V::zero(), squares = V::zero();
    for (int i = 0; i < width; i += V::lanes) total = V::add(total, V::load(y + i));
    const auto mean = V::all(V::sum(total) / static_cast<float>(width));
    for (int i = 0; i < width; i += V::lanes) {
        const auto away = V::subtract(V::load(y + i), mean);
        squares = V::add_product(away, away, squares);
    }
    const auto per = V::all(1.0f / sqrtf(V::sum(squares) / static_cast<float>(width) + epsilon));
    for (int i = 0; i < width; i += V::lanes) {
        const auto scaled = V::multiply(V::subtract(V::load(y + i), mean), per);
        const auto normed = V::add_product(scaled, V::load(norm.weight + i), V::load(norm.bias + i));
        V::store(y + i, scale ? V::add_product(normed, V::add(V::load(scale + i), V::all(1.0f)), V::load(shift + i)) : normed);
    }
}

// All outputs of a product for rows of x, that begin `step` apart, to out [rows, stride].
template <class V>
void multiply_rows(const Product& product, const float* x, size_t step, int rows, Rounded& rounded, float* out, size_t stride) {
    if (product.form != kHalf) {
        rounded.hold(rows, product.inputs);
        for (int row = 0; row < rows; ++row) round_part<V>(x + row * step, row, 0, product.inputs, product, rounded);
    }
    for (int tile = 0; tile < tiles_of(product); ++tile) make_tile<V>(product, tile, {&rounded, x, step}, rows, out, stride);
}

// Values [span, channels] of one layer.
struct Layered {
    Span span{0, 0};
    Array<float> values;

    float* hold(Span wanted, int channels) {
        span = wanted;
        values.hold(static_cast<size_t>(wanted.count()) * channels);
        return values.data();
    }
    float* row(int position, int channels) const { return values.data() + static_cast<size_t>(position - span.first) * channels; }
};

// The blocks of a network, and the values [span, channels] that they have come to.
template <class V>
class Blocks {
  public:
    Blocks(const FilmBlocks& network, const float* timbre) : network_(network) {
        const size_t channels = network.channels;
        films_.hold(network.count * 2 * channels);
        inner_.hold(kRowsTogether * static_cast<size_t>(network.inner));
        normed_.hold(kRowsTogether * channels);
        added_.hold(kRowsTogether * channels);
        find_films(timbre);
    }

    const Layered& values() const { return *now_; }
    // Where the next layer's values go, which become the present ones by `swap`.
    float* hold_next(Span span) { return next_->hold(span, network_.channels); }
    void swap() {
        Layered* const former = now_;
        now_ = next_;
        next_ = former;
    }

    // Neighbours on either side that a block depends on.
    int reach(int index) const { return network_.blocks[index].taps / 2; }

    // One block, for a span out of `limit` positions.
    void run(int index, Span span, int limit) {
        const int channels = network_.channels;
        const FilmBlock& block = network_.blocks[index];
        const float* scale = films_.data() + film_at(index);
        hold_next(span);
        for (int start = span.first; start < span.end; start += kRowsTogether) {
            const int rows = smaller(kRowsTogether, span.end - start);
            for (int row = 0; row < rows; ++row) {
                float* y = normed_.data() + static_cast<size_t>(row) * channels;
                mix_neighbours(block, start + row, limit, y);
                normalise_and_shift<V>(y, channels, network_.epsilon, block.norm, scale, scale + channels);
            }
            multiply_rows<V>(block.up, normed_.data(), channels, rows, narrow_, inner_.data(), network_.inner);
            apply_gelu<V>(inner_.data(), static_cast<size_t>(rows) * network_.inner);
            multiply_rows<V>(block.down, inner_.data(), network_.inner, rows, wide_, added_.data(), channels);
            const float* x = now_->row(start, channels);
            float* to = next_->row(start, channels);
            for (size_t i = 0; i < static_cast<size_t>(rows) * channels; i += V::lanes)
                V::store(to + i, V::add(V::load(x + i), V::load(added_.data() + i)));
        }
        swap();
    }

    Rounded& rounded() { return narrow_; }

  private:
    // Scales and shifts of every block.
    void find_films(const float* timbre) {
        const Projection &first = network_.condition[0], &second = network_.condition[1];
        Array<float> hidden, condition;
        hidden.hold(first.outputs);
        condition.hold(second.outputs);
        project_rows<V, 1>(first, timbre, 0, hidden.data());
        apply_gelu<V>(hidden.data(), first.outputs);
        project_rows<V, 1>(second, hidden.data(), 0, condition.data());
        for (int i = 0; i < network_.count; ++i)
            multiply_rows<V>(network_.blocks[i].film, condition.data(), 0, 1, narrow_, films_.data() + film_at(i), 0);
    }

    size_t film_at(int block) const { return static_cast<size_t>(block) * 2 * network_.channels; }

    // The depthwise convolution at one position, with zeros beyond the ends.
    void mix_neighbours(const FilmBlock& block, int position, int limit, float* to) const {
        const int channels = network_.channels, reach = block.taps / 2;
        const int first = larger(0, reach - position), end = smaller(block.taps, limit + reach - position);
        for (int i = 0; i < channels; i += V::lanes) {
            auto sum = V::load(block.mix_bias + i);
            for (int tap = first; tap < end; ++tap) {
                const float* x = now_->row(position - reach + tap, channels);
                sum = V::add_product(V::load(x + i), V::load(block.mix + static_cast<size_t>(tap) * channels + i), sum);
            }
            V::store(to + i, sum);
        }
    }

    static constexpr int kRowsTogether = 48;  // of a block, so that what is between its products stays near

    const FilmBlocks& network_;
    Layered layers_[2];
    Layered *now_ = &layers_[0], *next_ = &layers_[1];
    Array<float> films_, inner_, normed_, added_;
    Rounded narrow_, wide_;
};

// Values [span, channels] as they are, with zeros in their place where a span of `wanted` goes beyond them.
inline void copy_with_zeros(const Layered& from, int channels, Span wanted, Array<float>& to) {
    const size_t size = static_cast<size_t>(wanted.count()) * channels;
    to.hold(size);
    memset(to.data(), 0, size * sizeof(float));
    memcpy(to.data() + static_cast<size_t>(from.span.first - wanted.first) * channels, from.values.data(),
           static_cast<size_t>(from.span.count()) * channels * sizeof(float));
}

}  // namespace
}  // namespace timbral
