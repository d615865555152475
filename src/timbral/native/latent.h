// The latent network of sovits-tiny: `LatentNet` of src/timbral/nets/source_filter.py, blocks at the rate of tokens and at that of
// frames.
#pragma once

#include "film_blocks.h"

namespace timbral {
namespace {

template <class V>
class Latent {
  public:
    Latent(const LatentNetwork& network, const Speaking& speaking)
        : network_(network), speaking_(speaking), channels_(network.blocks.channels), blocks_(network.blocks, speaking.timbre) {}

    void speak() {
        for (int pass = 0; pass < speaking_.passes; ++pass) {
            run_trunk(speaking_.x[pass]);
            find_pitch(speaking_.pitch + static_cast<size_t>(pass) * speaking_.frames);
        }
        const size_t stride = static_cast<size_t>(tiles_of(network_.to_latent)) * kTile;
        multiply_rows<V>(network_.to_latent, blocks_.values().row(speaking_.first, channels_), channels_, speaking_.frames,
                         blocks_.rounded(), speaking_.latent, stride);
    }

  private:
    int frames() const { return speaking_.tokens * network_.rate; }

    // Embeddings [tokens, channels] to the frames that are asked for, and those that their pitch depends on.
    void run_trunk(const float* x) {
        const int all = network_.blocks.count, framewise = network_.token_blocks;
        Span spans[kMostBlocks + 1];
        spans[all] = Span{speaking_.first, speaking_.first + speaking_.frames}.wider(network_.pitch_taps / 2, frames());
        for (int i = all; i > framewise; --i) spans[i - 1] = spans[i].wider(blocks_.reach(i - 1), frames());
        const int first = spans[framewise].first, end = spans[framewise].end;
        const Span tokens = {first / network_.rate, (end + network_.rate - 1) / network_.rate};
        spans[framewise] = tokens;
        for (int i = framewise; i > 0; --i) spans[i - 1] = spans[i].wider(blocks_.reach(i - 1), speaking_.tokens);

        memcpy(blocks_.hold_next(spans[0]), x + static_cast<size_t>(spans[0].first) * channels_,
               static_cast<size_t>(spans[0].count()) * channels_ * sizeof(float));
        blocks_.swap();
        for (int i = 0; i < framewise; ++i) blocks_.run(i, spans[i + 1], speaking_.tokens);
        spread(tokens);
        for (int i = framewise; i < all; ++i) blocks_.run(i, spans[i + 1], frames());
    }

    // Tokens to the frames that each is made of.
    void spread(Span tokens) {
        const float* from = blocks_.values().row(tokens.first, channels_);
        float* to = blocks_.hold_next({tokens.first * network_.rate, tokens.end * network_.rate});
        multiply_rows<V>(network_.spread, from, channels_, tokens.count(), blocks_.rounded(), to,
                         static_cast<size_t>(channels_) * network_.rate);
        blocks_.swap();
    }

    // Octaves from the speaker's mean, of the frames that are asked for.
    void find_pitch(float* to) {
        const int rows = speaking_.frames, reach = network_.pitch_taps / 2, width = network_.to_pitch.outputs;
        // With zeros beyond the ends, the inputs of a frame are one stretch of memory.
        copy_with_zeros(blocks_.values(), channels_, {speaking_.first - reach, speaking_.first + rows + reach}, padded_);
        hidden_.hold(static_cast<size_t>(rows) * width);
        multiply_rows<V>(network_.to_pitch, padded_.data(), channels_, rows, blocks_.rounded(), hidden_.data(), width);
        apply_gelu<V>(hidden_.data(), static_cast<size_t>(rows) * width);
        for (int row = 0; row < rows; ++row) {
            auto sum = V::zero();
            for (int i = 0; i < width; i += V::lanes)
                sum = V::add_product(V::load(hidden_.data() + static_cast<size_t>(row) * width + i),
                                     V::load(network_.pitch_weights + i), sum);
            to[row] = V::sum(sum) + network_.pitch_bias;
        }
    }

    const LatentNetwork& network_;
    const Speaking& speaking_;
    const int channels_;
    Blocks<V> blocks_;
    Array<float> padded_, hidden_;
};

template <class V>
void speak_latent(const LatentNetwork& network, const Speaking& speaking) {
    Latent<V>(network, speaking).speak();
}

}  // namespace
}  // namespace timbral
