// Spectral envelopes of sovits-tiny: `SourceFilterVocoder.envelope` of src/timbral/nets/source_filter.py, but for the mean spectrum of
// the timbre.
#pragma once

#include "film_blocks.h"

namespace timbral {
namespace {

template <class V>
void shape_envelope(const EnvelopeNetwork& network, const Shaping& shaping) {
    const int channels = network.blocks.channels, frames = shaping.frames;
    Blocks<V> blocks(network.blocks, shaping.timbre);
    multiply_rows<V>(network.from_latent, shaping.x, network.inputs, frames, blocks.rounded(), blocks.hold_next({0, frames}),
                     channels);
    blocks.swap();
    for (int i = 0; i < network.blocks.count; ++i) blocks.run(i, {0, frames}, frames);
    float* x = blocks.values().values.data();
    for (int row = 0; row < frames; ++row)
        normalise_and_shift<V>(x + static_cast<size_t>(row) * channels, channels, network.blocks.epsilon, network.norm, nullptr,
                               nullptr);
    const Product* products[] = {&network.to_envelope, &network.to_aperiodicity};
    float* targets[] = {shaping.envelope, shaping.aperiodicity};
    for (int i = 0; i < 2; ++i)
        multiply_rows<V>(*products[i], x, channels, frames, blocks.rounded(), targets[i],
                         static_cast<size_t>(tiles_of(*products[i])) * kTile);
}

}  // namespace
}  // namespace timbral
