// What stage one, the latent network and the vocoder compute with. Python fills these structures in (binding.py has the same ones).
#pragma once

#include <cstdint>

namespace timbral {

constexpr int kTile = 16;  // Outputs of a product whose weights lie together, and positions whose keys do.

enum Form : int32_t { kHalf = 0, kEight = 1, kFour = 2 };

// y = W x + bias. The layout of the weights is what `pack` makes; outputs are filled up to whole tiles.
struct Product {
    int32_t form;    // Form
    int32_t inputs;  // a multiple of `block`
    int32_t outputs;
    int32_t block;        // inputs that share a scale; of float16 weights, those of one whole row
    int32_t wide_scales;  // whether scales are float32, or else float16
    const uint8_t* weights;
    const void* scales;  // [tiles, blocks, 16]
    const float* bias;   // [tiles, 16]
};

// y = x W + bias in float32; outputs are a multiple of kTile.
struct Projection {
    int32_t inputs;
    int32_t outputs;
    const float* weights;  // [inputs, outputs]
    const float* bias;
};

struct Layer {
    Product queries;  // with keys and values behind them
    Product attended;
    Product inner;
    Product outer;
    const float* norm1_weight;
    const float* norm1_bias;
    const float* norm2_weight;
    const float* norm2_bias;
};

struct Model {
    int32_t layers;
    int32_t hidden;
    int32_t heads;
    int32_t head_size;
    int32_t feed_forward;
    int32_t rows;
    int32_t capacity;  // positions a row, a multiple of 16
    float epsilon;     // of the layer norms
    const Layer* layer;
    Product predict;
    uint8_t* keys;        // [layers, rows, heads, capacity / 16, head_size / 4, 16, 4], around 128
    int8_t* values;       // [layers, rows, heads, capacity, head_size]
    float* key_scales;    // [layers, rows, heads, capacity]
    float* value_scales;  // [layers, rows, heads, capacity]
};

// Positions to be computed: a new one in each of several rows (a step), or the first ones of one row (a prefill). Keys
// and values of all are kept before any looks at them.
struct Batch {
    int32_t count;
    int32_t predicted;      // how many of them, the last ones, logits are asked for of
    const float* x;         // [count, hidden], embeddings with their positions
    const int32_t* rows;    // [count]
    const int32_t* places;  // [count], where they are kept in their rows
    const int32_t* seen;    // [count], how many of the first places of their rows they look at; null: up to themselves
    float* logits;          // [predicted, outputs in whole tiles]
};

// A draw, of which the candidates are looked for.
struct Choice {
    float* logits;            // [count], penalised in place
    const int64_t* previous;  // tokens to be penalised, each once
    int64_t* tokens;          // [count], the candidates
    float* likely;            // [count], how likely each is
    int64_t* best;            // the likeliest token, the first one of several
    int32_t count;
    int32_t previous_count;
    int32_t top_k;  // from 1 to count
    float top_p;
    float temperature;
    float penalty;
};

constexpr int kMostTaps = 16;  // of a 16-bit convolution; MOST_TAPS of vocoder.py

// An 8-bit convolution that keeps the count of positions. Channels are filled up to whole tiles.
struct Convolution {
    int32_t inputs;
    int32_t outputs;
    int32_t taps;           // odd
    int32_t step;           // between taps
    const int8_t* weights;  // [outputs / 16, taps, inputs / 4, 16, 4]
    const float* scales;    // [outputs]
    const float* bias;      // [outputs]
    const int32_t* sums;    // [outputs], of the weights
};

// A 16-bit convolution that makes `rate` positions of each; the output at rate * t + p is the sum over taps i of weights of
// phase p times the input at t + shifts[p] - i.
struct WideConvolution {
    int32_t inputs;
    int32_t outputs;
    int32_t taps;
    int32_t rate;
    const int16_t* weights;  // [rate, outputs / 16, taps, inputs / 2, 16, 2], so small that no sum overflows
    const float* scales;     // [outputs]
    const float* bias;       // [outputs]; null for the first one
    const int32_t* shifts;   // [rate], from 0 to taps
};

// A HiFi-GAN.
struct Generator {
    int32_t stages;
    int32_t blocks;  // of each stage, whose outputs are averaged
    int32_t pairs;   // of convolutions in a block
    int32_t last_inputs;
    int32_t last_taps;
    float last_bias;
    const WideConvolution* upsampling;  // [1 + stages], the first convolution in front
    const Convolution* convolutions;     // [stages, blocks, pairs, 2]
    const float* last_weights;           // [last_taps, last_inputs]
};

// Frames to be vocoded.
struct Vocoding {
    int32_t frames;
    const float* latent;  // [frames, inputs]
    const float* bias;    // of the first convolution, with what the timbre adds
    float* audio;         // [samples], before tanh
    float* buffers[4];    // each as large as the largest of [positions, channels]
};

constexpr int kMostBlocks = 64;  // MOST_BLOCKS of latent.py

struct Norm {
    const float* weight;
    const float* bias;
};

// A block of ConvNeXt whose normalised channels are scaled and shifted by a condition.
struct FilmBlock {
    int32_t taps;           // odd
    const float* mix;       // [taps, channels]
    const float* mix_bias;  // [channels]
    Norm norm;
    Product film;  // of the condition: [2, channels], what is added to a scale of 1, and the shift
    Product up;
    Product down;
};

// Blocks of one width. Channels are a multiple of kTile, as are those inside the blocks.
struct FilmBlocks {
    int32_t channels;
    int32_t inner;  // channels inside a block
    int32_t count;  // kMostBlocks at most
    float epsilon;  // of the norms
    const FilmBlock* blocks;
    Projection condition[2];  // of the timbre
};

// Tokens to latent frames and F0.
struct LatentNetwork {
    FilmBlocks blocks;  // those of tokens, and then those of frames, of which there is one at least
    int32_t token_blocks;
    int32_t rate;        // frames of a token
    int32_t pitch_taps;  // odd
    float pitch_bias;
    Product spread;  // [rate, channels] of a token
    Product to_latent;
    Product to_pitch;            // of [pitch_taps, channels]
    const float* pitch_weights;  // [outputs of to_pitch]
};

// Frames that are asked for of an utterance, or of a window of it.
struct Speaking {
    int32_t tokens;
    int32_t passes;  // one or two
    int32_t first;
    int32_t frames;     // from `first` on, within those of the tokens
    const float* x[2];  // of each pass, embeddings [tokens, channels]
    const float* timbre;
    float* latent;  // of the last pass, [frames, outputs in whole tiles]
    float* pitch;   // [passes, frames], octaves from the speaker's mean
};

// Latent frames to spectral envelopes.
struct EnvelopeNetwork {
    FilmBlocks blocks;
    Norm norm;
    int32_t inputs;       // values of a frame
    Product from_latent;  // of [taps, inputs]
    Product to_envelope;
    Product to_aperiodicity;
};

// Frames of which envelopes are asked for.
struct Shaping {
    int32_t frames;
    const float* x;  // [frames and taps less one, inputs], with zeros at both ends
    const float* timbre;
    float* envelope;      // [frames, outputs in whole tiles]
    float* aperiodicity;  // the same
};

}  // namespace timbral
