// The latent network of sovits-tiny, over the vectors of a processor (`V` in avx2.cpp, avx512.h and neon.cpp).
//
// The network is `LatentNet` of src/timbral/nets/source_filter.py: blocks of ConvNeXt at the rate of tokens and at that of frames,
// each with a scale and a shift by the timbre. Inputs of products with 8 and 4 bits are rounded as in stage_one.h; all else is
// float32. Every layer is computed where the frames that are asked for depend on it, and nowhere else.
//
// One thread computes a call; calls share nothing, so that there may be as many at once as there are cores.
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

// y = norm(y) * scale + shift, where norms have weights of their own.
template <class V>
void normalise_and_shift(float* y, int width, float epsilon, const FilmBlock& block, const float* scale, const float* shift) {
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
        const auto normed = V::add_product(scaled, V::load(block.norm_weight + i), V::load(block.norm_bias + i));
        V::store(y + i, V::add_product(normed, V::add(V::load(scale + i), V::all(1.0f)), V::load(shift + i)));
    }
}

// All outputs of a product for rows of x [rows, inputs], to out [rows, stride].
template <class V>
void multiply_rows(const Product& product, const float* x, int rows, Rounded& rounded, float* out, size_t stride) {
    rounded.hold(rows, product.inputs);
    for (int row = 0; row < rows; ++row)
        round_part<V>(x + static_cast<size_t>(row) * product.inputs, row, 0, product.inputs, product, rounded);
    for (int tile = 0; tile < tiles_of(product); ++tile) make_tile<V>(product, tile, {&rounded, x}, rows, out, stride);
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

template <class V>
class Latent {
  public:
    Latent(const LatentNetwork& network, const Speaking& speaking) : network_(network), speaking_(speaking) {
        const int blocks = network.token_blocks + network.frame_blocks;
        films_.hold(static_cast<size_t>(blocks) * 2 * network.channels);
        inner_.hold(static_cast<size_t>(kRowsTogether) * network.inner);
        normed_.hold(static_cast<size_t>(kRowsTogether) * network.channels);
        added_.hold(static_cast<size_t>(kRowsTogether) * network.channels);
        find_films(blocks);
    }

    void speak() {
        for (int pass = 0; pass < speaking_.passes; ++pass) {
            run_trunk(speaking_.x[pass]);
            find_pitch(speaking_.pitch + static_cast<size_t>(pass) * speaking_.frames);
        }
        const size_t stride = static_cast<size_t>(tiles_of(network_.to_latent)) * kTile;
        multiply_rows<V>(network_.to_latent, now_->row(speaking_.first, network_.channels), speaking_.frames, narrow_,
                         speaking_.latent, stride);
    }

  private:
    int frames() const { return speaking_.tokens * network_.rate; }

    // Scales and shifts of every block.
    void find_films(int blocks) {
        const int width = network_.condition[0].outputs, size = network_.condition[1].outputs;
        Array<float> hidden, condition;
        hidden.hold(width);
        condition.hold(size);
        project_rows<V, 1>(network_.condition[0], speaking_.timbre, network_.condition[0].inputs, 0, hidden.data());
        apply_gelu<V>(hidden.data(), width);
        project_rows<V, 1>(network_.condition[1], hidden.data(), width, 0, condition.data());
        for (int i = 0; i < blocks; ++i)
            multiply_rows<V>(network_.blocks[i].film, condition.data(), 1, narrow_, films_.data() + film_at(i), 0);
    }

    size_t film_at(int block) const { return static_cast<size_t>(block) * 2 * network_.channels; }

    // Embeddings [tokens, channels] to what `now_` holds: the frames that are asked for, and those that their pitch depends on.
    void run_trunk(const float* x) {
        const int channels = network_.channels, all = network_.token_blocks + network_.frame_blocks;
        Span spans[kMostBlocks + 1];
        spans[all] = Span{speaking_.first, speaking_.first + speaking_.frames}.wider(network_.pitch_taps / 2, frames());
        for (int i = all; i > network_.token_blocks; --i)
            spans[i - 1] = spans[i].wider(network_.blocks[i - 1].taps / 2, frames());
        const Span framed = spans[network_.token_blocks];
        const Span tokens = {framed.first / network_.rate, (framed.end + network_.rate - 1) / network_.rate};
        spans[network_.token_blocks] = tokens;
        for (int i = network_.token_blocks; i > 0; --i)
            spans[i - 1] = spans[i].wider(network_.blocks[i - 1].taps / 2, speaking_.tokens);

        float* own = now_->hold(spans[0], channels);
        memcpy(own, x + static_cast<size_t>(spans[0].first) * channels,
               static_cast<size_t>(spans[0].count()) * channels * sizeof(float));
        for (int i = 0; i < all; ++i) {
            if (i == network_.token_blocks) spread(tokens);
            const bool framewise = i >= network_.token_blocks;
            // The last block of tokens makes whole tokens, of which not all frames are needed.
            run_block(i, spans[i + 1], framewise ? frames() : speaking_.tokens);
        }
    }

    // Tokens to the frames that each is made of.
    void spread(Span tokens) {
        const int channels = network_.channels, wide = channels * network_.rate;
        float* to = next_->hold({tokens.first * network_.rate, tokens.end * network_.rate}, channels);
        multiply_rows<V>(network_.spread, now_->row(tokens.first, channels), tokens.count(), narrow_, to, wide);
        swap();
    }

    void run_block(int index, Span span, int limit) {
        const int channels = network_.channels;
        const FilmBlock& block = network_.blocks[index];
        const float* scale = films_.data() + film_at(index);
        next_->hold(span, channels);
        for (int start = span.first; start < span.end; start += kRowsTogether) {
            const int rows = smaller(kRowsTogether, span.end - start);
            for (int row = 0; row < rows; ++row) {
                float* y = normed_.data() + static_cast<size_t>(row) * channels;
                mix_neighbours(block, start + row, limit, y);
                normalise_and_shift<V>(y, channels, network_.epsilon, block, scale, scale + channels);
            }
            multiply_rows<V>(block.up, normed_.data(), rows, narrow_, inner_.data(), network_.inner);
            apply_gelu<V>(inner_.data(), static_cast<size_t>(rows) * network_.inner);
            multiply_rows<V>(block.down, inner_.data(), rows, wide_, added_.data(), channels);
            const float* x = now_->row(start, channels);
            float* to = next_->row(start, channels);
            for (size_t i = 0; i < static_cast<size_t>(rows) * channels; i += V::lanes)
                V::store(to + i, V::add(V::load(x + i), V::load(added_.data() + i)));
        }
        swap();
    }

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

    // Octaves from the speaker's mean, of the frames that are asked for.
    void find_pitch(float* to) {
        const Projection& layer = network_.to_pitch;
        const int channels = network_.channels, reach = network_.pitch_taps / 2, width = layer.outputs;
        const int rows = speaking_.frames;
        // With zeros beyond the ends, the inputs of a frame are one stretch of memory.
        Array<float> padded, hidden;
        const size_t size = static_cast<size_t>(rows + 2 * reach) * channels;
        padded.hold(size);
        hidden.hold(static_cast<size_t>(rows) * width);
        memset(padded.data(), 0, size * sizeof(float));
        const int before = now_->span.first - (speaking_.first - reach);
        memcpy(padded.data() + static_cast<size_t>(before) * channels, now_->values.data(),
               static_cast<size_t>(now_->span.count()) * channels * sizeof(float));
        int row = 0;
        for (; row + 4 <= rows; row += 4) project_rows<V, 4>(layer, padded.data(), channels, row, hidden.data());
        for (; row < rows; ++row) project_rows<V, 1>(layer, padded.data(), channels, row, hidden.data());
        apply_gelu<V>(hidden.data(), static_cast<size_t>(rows) * width);
        for (row = 0; row < rows; ++row) {
            auto sum = V::zero();
            for (int i = 0; i < width; i += V::lanes)
                sum = V::add_product(V::load(hidden.data() + static_cast<size_t>(row) * width + i),
                                     V::load(network_.pitch_weights + i), sum);
            to[row] = V::sum(sum) + network_.pitch_bias;
        }
    }

    void swap() {
        Layered* const former = now_;
        now_ = next_;
        next_ = former;
    }

    static constexpr int kRowsTogether = 48;  // of a block, so that what is between its products stays near

    const LatentNetwork& network_;
    const Speaking& speaking_;
    Layered layers_[2];
    Layered *now_ = &layers_[0], *next_ = &layers_[1];
    Array<float> films_, inner_, normed_, added_;
    Rounded narrow_, wide_;
};

template <class V>
void speak_latent(const LatentNetwork& network, const Speaking& speaking) {
    Latent<V>(network, speaking).speak();
}

}  // namespace
}  // namespace timbral
