// Stage one for a batch of positions, over the vectors of a processor (`V` in avx2.cpp, avx512.h and neon.cpp).
//
// The network is `SemanticTransformer` of src/timbral/nets/semantic.py, `prefill` and `step` behind the embeddings:
// post-norm layers of attention and a ReLU feed-forward. Weights have 8, 4 or 16 bits; inputs of products with 8 and 4
// are rounded to 8 bits with a scale for each block, as onnxruntime's MatMulNBits does (accuracy level 4). Keys and
// values are rounded to 8 bits as well, with a scale for each place of a head; all sums are float32 or exact.
//
// A row's numbers do not depend on other rows, nor on how many threads there are: each sum has its own order.
//
// All of it is without a name, and nothing comes from templates of the standard library: what the linker may share
// between files must not have been compiled for one processor.
#pragma once

#include "variants.h"

namespace timbral {
namespace {

// Values that are made anew when there have to be more of them; the former ones are gone then.
template <class T>
class Array {
  public:
    Array() = default;
    ~Array() { delete[] values_; }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    T* data() const { return values_; }
    void hold(size_t count) {
        if (count <= count_) return;
        delete[] values_;
        values_ = nullptr;
        count_ = 0;
        values_ = new T[count];
        count_ = count;
    }

  private:
    T* values_ = nullptr;
    size_t count_ = 0;
};

inline int smaller(int x, int y) { return x < y ? x : y; }
inline int larger(int x, int y) { return x > y ? x : y; }

constexpr int kAhead = 4096;  // Bytes by which memory is asked for before it is needed.

// Rows of numbers rounded to 8 bits: value = number * scale, and the sum of the numbers of each block.
struct Rounded {
    int width = 0;
    Array<int8_t> numbers;  // [rows, width]
    Array<float> scales;    // [rows, blocks], however many there are
    Array<int32_t> sums;    // [rows, blocks]

    void hold(size_t rows, int wide) {
        width = wide;
        numbers.hold(rows * wide);
        scales.hold(rows * wide / kTile);
        sums.hold(rows * wide / kTile);
    }
};

template <class V>
void round_block(const float* from, int block, int8_t* numbers, float* scale, int32_t* sum) {
    typename V::Float largest = V::zero();
    for (int i = 0; i < block; i += V::lanes) largest = V::largest(largest, V::magnitude(V::load(from + i)));
    const float most = V::highest(largest);
    const typename V::Float per = V::all(most > 0 ? 127.0f / most : 0.0f);
    *sum = 0;
    for (int i = 0; i < block; i += V::lanes) *sum += V::round(V::multiply(V::load(from + i), per), numbers + i);
    *scale = most / 127.0f;
}

// Sixteen outputs of a product with weights of 8 or 4 bits, for `R` rows from `row` on.
template <class V, int R>
void rounded_tile(const Product& product, int tile, const Rounded& in, int row, float* out, size_t stride) {
    const int blocks = product.inputs / product.block;
    const int bytes = product.form == kEight ? 64 : 32;  // of sixteen outputs and four inputs
    const size_t block_bytes = static_cast<size_t>(product.block) / 4 * bytes;
    const uint8_t* weights = product.weights + static_cast<size_t>(tile) * blocks * block_bytes;
    const int8_t* numbers = in.numbers.data() + static_cast<size_t>(row) * in.width;
    const size_t first_block = static_cast<size_t>(row) * blocks;
    const size_t first_scale = static_cast<size_t>(tile) * blocks * kTile;
    typename V::Float total[R][V::parts];
    for (int r = 0; r < R; ++r)
        for (int part = 0; part < V::parts; ++part)
            total[r][part] = V::load(product.bias + tile * kTile + part * V::lanes);
    for (int block = 0; block < blocks; ++block, weights += block_bytes) {
        typename V::Int sum[R][V::parts];
        for (int r = 0; r < R; ++r) {
            const int32_t numbers_sum = in.sums.data()[first_block + r * blocks + block];
            const int32_t start = -numbers_sum * (product.form == kEight ? V::middle : 8);
            for (int part = 0; part < V::parts; ++part) sum[r][part] = V::all_int(start);
        }
        const int8_t* with = numbers + static_cast<size_t>(block) * product.block;
        if (product.form == kEight) {
            for (int i = 0; i < product.block; i += 4) {
                V::prefetch(weights + i * kTile + kAhead);
                for (int part = 0; part < V::parts; ++part) {
                    const auto weight = V::eight(weights + i * kTile + part * V::lanes * 4);
                    for (int r = 0; r < R; ++r)
                        sum[r][part] = V::dot_eight(sum[r][part], weight, with + static_cast<size_t>(r) * in.width + i);
                }
            }
        } else {
            // The low halves of 64 bytes belong to four inputs, the high halves to the next four.
            for (int i = 0; i < product.block; i += 8) {
                V::prefetch(weights + i * kTile / 2 + kAhead);
                for (int part = 0; part < V::parts; ++part) {
                    const auto pair = V::raw(weights + i * kTile / 2 + part * V::lanes * 4);
                    const auto low = V::low_half(pair), high = V::high_half(pair);
                    for (int r = 0; r < R; ++r) {
                        const int8_t* four = with + static_cast<size_t>(r) * in.width + i;
                        sum[r][part] = V::dot_four(V::dot_four(sum[r][part], low, four), high, four + 4);
                    }
                }
            }
        }
        const size_t at = first_scale + static_cast<size_t>(block) * kTile;
        for (int part = 0; part < V::parts; ++part) {
            const typename V::Float scale =
                product.wide_scales ? V::load(static_cast<const float*>(product.scales) + at + part * V::lanes)
                                    : V::widen(static_cast<const uint16_t*>(product.scales) + at + part * V::lanes);
            for (int r = 0; r < R; ++r) {
                const auto both = V::multiply(scale, V::all(in.scales.data()[first_block + r * blocks + block]));
                total[r][part] = V::add_product(V::to_float(sum[r][part]), both, total[r][part]);
            }
        }
    }
    for (int r = 0; r < R; ++r)
        for (int part = 0; part < V::parts; ++part)
            V::store(out + r * stride + tile * kTile + part * V::lanes, total[r][part]);
}

// The same with float16 weights and `R` rows of inputs as they are; even and odd inputs are summed apart.
template <class V, int R>
void half_tile(const Product& product, int tile, const float* in, size_t step, float* out, size_t stride) {
    const auto* weights =
        reinterpret_cast<const uint16_t*>(product.weights) + static_cast<size_t>(tile) * product.inputs * kTile;
    for (int part = 0; part < V::parts; ++part) {
        typename V::Float even[R], odd[R];
        for (int r = 0; r < R; ++r) {
            even[r] = V::load(product.bias + tile * kTile + part * V::lanes);
            odd[r] = V::zero();
        }
        const uint16_t* from = weights + part * V::lanes;
        for (int i = 0; i < product.inputs; i += 2, from += 2 * kTile) {
            V::prefetch(reinterpret_cast<const uint8_t*>(from) + kAhead);
            const auto first = V::widen(from), second = V::widen(from + kTile);
            for (int r = 0; r < R; ++r) {
                const float* two = in + r * step + i;
                even[r] = V::add_product(first, V::all(two[0]), even[r]);
                odd[r] = V::add_product(second, V::all(two[1]), odd[r]);
            }
        }
        for (int r = 0; r < R; ++r)
            V::store(out + r * stride + tile * kTile + part * V::lanes, V::add(even[r], odd[r]));
    }
}

// Inputs of products, rounded where the weights have 8 or 4 bits, as they are where they have 16; `step`: from row to row of these.
struct Inputs {
    const Rounded* rounded;
    const float* plain;
    size_t step;
};

template <class V, int R>
void tile_of_rows(const Product& product, int tile, const Inputs& in, int row, float* out, size_t stride) {
    float* target = out + row * stride;
    if (product.form == kHalf)
        half_tile<V, R>(product, tile, in.plain + row * in.step, in.step, target, stride);
    else
        rounded_tile<V, R>(product, tile, *in.rounded, row, target, stride);
}

// Sixteen outputs for many rows at once, where a processor has more for them than vectors.
template <class V>
struct ManyRows {
    // How many of the first rows it has done.
    static int make(const Product&, int, const Inputs&, int, float*, size_t) { return 0; }
};

// Sixteen outputs of a product for all rows, to out [rows, stride].
template <class V>
void make_tile(const Product& product, int tile, const Inputs& in, int rows, float* out, size_t stride) {
    for (int row = ManyRows<V>::make(product, tile, in, rows, out, stride); row < rows;) {
        const int left = rows - row;
        if (V::most_rows >= 8 && left >= 8) {
            tile_of_rows<V, (V::most_rows >= 8 ? 8 : 1)>(product, tile, in, row, out, stride);
            row += 8;
        } else if (left >= 4) {
            tile_of_rows<V, 4>(product, tile, in, row, out, stride);
            row += 4;
        } else if (left >= 2) {
            tile_of_rows<V, 2>(product, tile, in, row, out, stride);
            row += 2;
        } else {
            tile_of_rows<V, 1>(product, tile, in, row, out, stride);
            row += 1;
        }
    }
}

inline int tiles_of(const Product& product) { return (product.outputs + kTile - 1) / kTile; }

// Rounds inputs of a row, where a product takes them rounded.
template <class V>
void round_part(const float* own, int row, int from, int to, const Product& product, Rounded& rounded) {
    if (product.form == kHalf) return;
    const int block = product.block, blocks = product.inputs / block;
    for (int i = from; i < to; i += block) {
        const size_t at = static_cast<size_t>(row) * blocks + i / block;
        round_block<V>(own + i, block, rounded.numbers.data() + static_cast<size_t>(row) * rounded.width + i,
                       rounded.scales.data() + at, rounded.sums.data() + at);
    }
}

// `R` rows of x [rows, inputs] times weights [inputs, outputs], plus a bias, to [rows, outputs].
template <class V, int R>
void project_rows(const Projection& projection, const float* x, int row, float* to) {
    const int inputs = projection.inputs, outputs = projection.outputs;
    for (int at = 0; at < outputs; at += V::lanes) {
        typename V::Float sum[R];
        for (int r = 0; r < R; ++r) sum[r] = V::load(projection.bias + at);
        for (int i = 0; i < inputs; ++i) {
            const auto weight = V::load(projection.weights + static_cast<size_t>(i) * outputs + at);
            for (int r = 0; r < R; ++r)
                sum[r] = V::add_product(weight, V::all(x[static_cast<size_t>(row + r) * inputs + i]), sum[r]);
        }
        for (int r = 0; r < R; ++r) V::store(to + static_cast<size_t>(row + r) * outputs + at, sum[r]);
    }
}

// e to the power of what is at most 0; a polynomial of degree 6 about the nearest multiple of ln 2.
template <class V>
typename V::Float power_of_e(typename V::Float x) {
    x = V::largest(x, V::all(-87.0f));
    const auto whole = V::nearest(V::multiply(x, V::all(1.44269504f)));
    auto rest = V::add_product(whole, V::all(-0.693359375f), x);
    rest = V::add_product(whole, V::all(2.12194440e-4f), rest);
    const float factors[] = {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    auto sum = V::all(1.0f / 720);
    for (const float factor : factors) sum = V::add_product(sum, rest, V::all(factor));
    return V::exponential(whole, sum);
}

// Keys and values of one row in one head of one layer, each place with scales of its own.
struct Memory {
    uint8_t* keys;
    int8_t* values;
    float* key_scales;
    float* value_scales;
    int size;  // of a head
};

constexpr int kLargestHead = 512;  // LARGEST_HEAD of stage_one.py

// Keeps a key and a value [size] at `place`.
template <class V>
void keep(const float* key, const float* value, const Memory& memory, int place) {
    int8_t numbers[kLargestHead];
    int32_t sum;
    round_block<V>(key, memory.size, numbers, memory.key_scales + place, &sum);
    uint8_t* own = memory.keys + static_cast<size_t>(place / kTile) * memory.size * kTile + place % kTile * 4;
    for (int i = 0; i < memory.size; ++i) own[i / 4 * 4 * kTile + i % 4] = static_cast<uint8_t>(numbers[i] + 128);
    round_block<V>(value, memory.size, memory.values + static_cast<size_t>(place) * memory.size,
                   memory.value_scales + place, &sum);
}

// `C` vectors of the mix of values, from channel `i` on: scores [count] of these values, and what their sum is
// multiplied by.
template <class V, int C>
void mix(const Memory& memory, const Memory& next, const float* scores, int count, float per, int i, float* out) {
    typename V::Float even[C], odd[C];
    for (int c = 0; c < C; ++c) even[c] = odd[c] = V::zero();
    const int size = memory.size;
    const int8_t* own = memory.values + i;
    int t = 0;
    for (; t + 1 < count; t += 2, own += 2 * size) {
        V::prefetch(reinterpret_cast<const uint8_t*>(next.values) + t * size + 2 * i);
        const typename V::Float first = V::all(scores[t]), second = V::all(scores[t + 1]);
        for (int c = 0; c < C; ++c) {
            even[c] = V::add_product(V::widen_eight(own + c * V::lanes), first, even[c]);
            odd[c] = V::add_product(V::widen_eight(own + size + c * V::lanes), second, odd[c]);
        }
    }
    for (int c = 0; c < C; ++c) {
        if (t < count) even[c] = V::add_product(V::widen_eight(own + c * V::lanes), V::all(scores[t]), even[c]);
        V::store(out + i + c * V::lanes, V::multiply(V::add(even[c], odd[c]), V::all(per)));
    }
}

// The mix of the values of the first `count` places that a query [size] asks for. What is needed next comes meanwhile.
template <class V>
void attend(const float* query, const Memory& memory, const Memory& next, int count, float* scores, float* out) {
    const int size = memory.size, filled = (count + kTile - 1) / kTile * kTile;
    int8_t numbers[kLargestHead];
    float query_scale;
    int32_t query_sum;
    round_block<V>(query, size, numbers, &query_scale, &query_sum);
    const typename V::Float share = V::all(query_scale / sqrtf(static_cast<float>(size)));
    for (int from = 0; from < filled; from += kTile) {
        const uint8_t* group = memory.keys + static_cast<size_t>(from) * size;
        const uint8_t* later = next.keys + static_cast<size_t>(from) * size;
        V::prefetch(reinterpret_cast<const uint8_t*>(next.key_scales + from));
        V::prefetch(reinterpret_cast<const uint8_t*>(next.value_scales + from));
        typename V::Int sum[V::parts];
        for (int part = 0; part < V::parts; ++part) sum[part] = V::all_int(-query_sum * V::middle);
        for (int i = 0; i < size; i += 4) {
            V::prefetch(later + i * kTile);
            for (int part = 0; part < V::parts; ++part)
                sum[part] = V::dot_eight(sum[part], V::eight(group + i * kTile + part * V::lanes * 4), numbers + i);
        }
        for (int part = 0; part < V::parts; ++part) {
            const int at = from + part * V::lanes;
            const auto scale = V::multiply(V::load(memory.key_scales + at), share);
            V::store(scores + at, V::multiply(V::to_float(sum[part]), scale));
        }
    }
    for (int i = count; i < filled; ++i) scores[i] = -INFINITY;
    typename V::Float largest = V::all(-INFINITY);
    for (int i = 0; i < filled; i += V::lanes) largest = V::largest(largest, V::load(scores + i));
    const typename V::Float most = V::all(V::highest(largest));
    typename V::Float total = V::zero();
    for (int i = 0; i < filled; i += V::lanes) {
        const auto power = power_of_e<V>(V::subtract(V::load(scores + i), most));
        total = V::add(total, power);
        V::store(scores + i, V::multiply(power, V::load(memory.value_scales + i)));
    }
    const float per = 1.0f / V::sum(total);
    int i = 0;
    for (; i + 2 * V::lanes <= size; i += 2 * V::lanes) mix<V, 2>(memory, next, scores, count, per, i, out);
    for (; i < size; i += V::lanes) mix<V, 1>(memory, next, scores, count, per, i, out);
}

// x = norm(x + y)
template <class V>
void add_and_normalise(float* x, const float* y, int width, float epsilon, const float* weight, const float* bias) {
    typename V::Float total = V::zero();
    for (int i = 0; i < width; i += V::lanes) {
        const auto both = V::add(V::load(x + i), V::load(y + i));
        V::store(x + i, both);
        total = V::add(total, both);
    }
    const typename V::Float mean = V::all(V::sum(total) / static_cast<float>(width));
    typename V::Float squares = V::zero();
    for (int i = 0; i < width; i += V::lanes) {
        const auto away = V::subtract(V::load(x + i), mean);
        squares = V::add_product(away, away, squares);
    }
    const typename V::Float per = V::all(1.0f / sqrtf(V::sum(squares) / static_cast<float>(width) + epsilon));
    for (int i = 0; i < width; i += V::lanes) {
        const auto scaled = V::multiply(V::subtract(V::load(x + i), mean), per);
        V::store(x + i, V::add_product(scaled, V::load(weight + i), V::load(bias + i)));
    }
}

// Stage one over a batch in four phases a layer, and one for the logits.
template <class V>
class Step final : public Stepper {
  public:
    Step(const Model& model, int members) : model_(model), members_(members) {
        scores_.hold(static_cast<size_t>(model.heads) * model.capacity);
    }

    void project(const Projection& projection, const float* x, int rows, float* to) const override {
        int row = 0;
        for (; row + 8 <= rows; row += 8) project_rows<V, 8>(projection, x, row, to);
        for (; row < rows; ++row) project_rows<V, 1>(projection, x, row, to);
    }

    void begin(const Batch& batch) override {
        batch_ = batch;
        const size_t count = batch.count, hidden = count * model_.hidden;
        x_.hold(hidden);
        mixed_.hold(count * attention());
        sum_.hold(hidden);
        three_.hold(3 * count * attention());
        inner_.hold(count * model_.feed_forward);
        narrow_.hold(count, larger(model_.hidden, model_.heads * model_.head_size));
        wide_.hold(count, model_.feed_forward);
        memcpy(x_.data(), batch.x, hidden * sizeof(float));
        round_all(x_.data(), model_.layer[0].queries);
    }

    int chunks(int phase) const override {
        const int layer = phase / 4;
        if (layer == model_.layers) return phase % 4 == 0 ? pieces(model_.predict) : 0;
        switch (phase % 4) {
            case 0:
                return model_.heads;
            case 1:
                return pieces(model_.layer[layer].attended);
            case 2:
                return pieces(model_.layer[layer].inner);
            default:
                return pieces(model_.layer[layer].outer);
        }
    }

    void chunk(int phase, int index) override {
        const int number = phase / 4;
        if (number == model_.layers) {
            make(model_.predict, index, {&narrow_, x_.data(), hidden()}, batch_.logits, tiles_of(model_.predict) * kTile);
            return;
        }
        const Layer& layer = model_.layer[number];
        switch (phase % 4) {
            case 0:
                return attend_with(number, index);
            case 1:
                return make(layer.attended, index, {&narrow_, mixed_.data(), attention()}, sum_.data(), model_.hidden);
            case 2:
                return make_inner(layer, index);
            default:
                return make(layer.outer, index, {&wide_, inner_.data(), feed_forward()}, sum_.data(), model_.hidden);
        }
    }

    void finish(int phase) override {
        const int number = phase / 4;
        if (number == model_.layers) return;
        const Layer& layer = model_.layer[number];
        switch (phase % 4) {
            case 0:
                return round_all(mixed_.data(), layer.attended);
            case 1:
                normalise(layer.norm1_weight, layer.norm1_bias);
                return round_all(x_.data(), layer.inner);
            case 2:
                return;
            default:
                normalise(layer.norm2_weight, layer.norm2_bias);
                if (number + 1 < model_.layers) return round_all(x_.data(), model_.layer[number + 1].queries);
                keep_last(batch_.predicted);
                return round_all(x_.data(), model_.predict);
        }
    }

  private:
    Memory memory(int layer, int row, int head) const {
        const size_t rows = static_cast<size_t>(layer) * model_.rows + row;
        const size_t from = (rows * model_.heads + head) * model_.capacity;
        return {model_.keys + from * model_.head_size, model_.values + from * model_.head_size,
                model_.key_scales + from, model_.value_scales + from, model_.head_size};
    }

    // Channels of all heads together, which pruned networks have fewer of than hidden ones.
    size_t attention() const { return static_cast<size_t>(model_.heads) * model_.head_size; }
    size_t hidden() const { return model_.hidden; }
    size_t feed_forward() const { return model_.feed_forward; }

    // Tiles that stay together, so that what is rounded of them is whole blocks.
    int together() const { return larger(kTogether, model_.layer[0].outer.block / kTile); }

    int units(const Product& product) const { return (tiles_of(product) + together() - 1) / together(); }

    int pieces(const Product& product) const { return members_ == 1 ? 1 : smaller(units(product), kPieces * members_); }

    // The first tile of a piece, which is the end of the one before.
    int first_tile(const Product& product, int piece) const {
        return smaller(units(product) * piece / pieces(product) * together(), tiles_of(product));
    }

    void make(const Product& product, int piece, const Inputs& in, float* out, size_t stride) {
        const int end = first_tile(product, piece + 1);
        for (int tile = first_tile(product, piece); tile < end; ++tile)
            make_tile<V>(product, tile, in, batch_.count, out, stride);
    }

    void make_inner(const Layer& layer, int piece) {
        make(layer.inner, piece, {&narrow_, x_.data(), hidden()}, inner_.data(), model_.feed_forward);
        const int from = first_tile(layer.inner, piece) * kTile, to = first_tile(layer.inner, piece + 1) * kTile;
        for (int i = 0; i < batch_.count; ++i) {
            float* own = inner_.data() + static_cast<size_t>(i) * model_.feed_forward;
            for (int j = from; j < to; j += V::lanes) V::store(own + j, V::largest(V::load(own + j), V::zero()));
            round_part<V>(own, i, from, to, layer.outer, wide_);
        }
    }

    void attend_with(int layer, int head) {
        const int size = model_.head_size, tiles_of_head = size / kTile, count = batch_.count;
        const int32_t* rows = batch_.rows;
        if (head < members_) ask_for(memory(layer, rows[0], head), batch_.places[0]);
        float* three = three_.data() + static_cast<size_t>(head) * 3 * count * size;
        const size_t stride = 3 * static_cast<size_t>(size);
        for (int kind = 0; kind < 3; ++kind)
            for (int i = 0; i < tiles_of_head; ++i) {
                const int tile = (kind * model_.heads + head) * tiles_of_head + i;
                // make_tile writes at the tile's own place, which lies elsewhere here.
                float* out = three + kind * size + i * kTile - static_cast<size_t>(tile) * kTile;
                make_tile<V>(model_.layer[layer].queries, tile, {&narrow_, x_.data(), hidden()}, count, out, stride);
            }
        for (int i = 0; i < count; ++i) {
            const float* key = three + i * stride + size;
            keep<V>(key, key + size, memory(layer, rows[i], head), batch_.places[i]);
        }
        const int later = smaller(head + members_, model_.heads - 1);
        for (int i = 0; i < count; ++i) {
            const Memory next = i + 1 < count ? memory(layer, rows[i + 1], head) : memory(layer, rows[0], later);
            attend<V>(three + i * stride, memory(layer, rows[i], head), next,
                      batch_.seen ? batch_.seen[i] : batch_.places[i] + 1,
                      scores_.data() + static_cast<size_t>(head) * model_.capacity,
                      mixed_.data() + i * attention() + head * size);
        }
    }

    // The first keys and values of a phase come while their query is made.
    static void ask_for(const Memory& memory, int count) {
        for (int i = 0; i < count * memory.size; i += 64) {
            V::prefetch(memory.keys + i);
            V::prefetch(reinterpret_cast<const uint8_t*>(memory.values) + i);
        }
    }

    void normalise(const float* weight, const float* bias) {
        for (int i = 0; i < batch_.count; ++i) {
            const size_t own = static_cast<size_t>(i) * model_.hidden;
            add_and_normalise<V>(x_.data() + own, sum_.data() + own, model_.hidden, model_.epsilon, weight, bias);
        }
    }

    // Of no others are logits asked for.
    void keep_last(int count) {
        const size_t before = static_cast<size_t>(batch_.count - count) * model_.hidden;
        memmove(x_.data(), x_.data() + before, static_cast<size_t>(count) * model_.hidden * sizeof(float));
        batch_.count = count;
    }

    void round_all(const float* from, const Product& product) {
        for (int i = 0; i < batch_.count; ++i)
            round_part<V>(from + static_cast<size_t>(i) * product.inputs, i, 0, product.inputs, product, narrow_);
    }

    static constexpr int kTogether = 4;  // Tiles; BLOCKS of packing.py divide them or are so many times as large.
    static constexpr int kPieces = 2;    // Pieces of a product for each member.

    const Model& model_;
    const int members_;
    Batch batch_ = {};
    Array<float> x_, mixed_, sum_, inner_;
    Array<float> three_;   // [heads, count, 3, head_size]
    Array<float> scores_;  // [heads, capacity]
    Rounded narrow_, wide_;
};

}  // namespace
}  // namespace timbral
