// The tokens that may be drawn after given logits, over the vectors of a processor; see src/timbral/inference/semantic/sampling.py,
// whose `penalise` and `candidates` this is, in the same order of operations.
#pragma once

#include "stage_one.h"

namespace timbral {
namespace {

constexpr float kNear = 10.0f;  // Nats below the highest, within which the few that remain mostly are.

template <class V>
float highest_of(const float* values, int count) {
    typename V::Float most = V::all(-INFINITY);
    int i = 0;
    for (; i + V::lanes <= count; i += V::lanes) most = V::largest(V::load(values + i), most);
    float highest = V::highest(most);
    for (; i < count; ++i) highest = values[i] > highest ? values[i] : highest;
    return highest;
}

template <class V>
float sum_of_powers(const float* values, int count, float highest) {
    typename V::Float total = V::zero();
    int i = 0;
    for (; i + V::lanes <= count; i += V::lanes)
        total = V::add(total, power_of_e<V>(V::subtract(V::load(values + i), V::all(highest))));
    float sum = V::sum(total);
    for (; i < count; ++i) sum += expf(values[i] - highest);
    return sum;
}

// The last of the `wanted` largest of the values at `places`; `largest` has room for them.
float last_of_largest(const float* values, const int64_t* places, int count, int wanted, float* largest) {
    int held = 0;
    for (int i = 0; i < count; ++i) {
        const float value = values[places[i]];
        if (held == wanted && value <= largest[held - 1]) continue;
        int at = held < wanted ? held++ : held - 1;
        for (; at > 0 && largest[at - 1] < value; --at) largest[at] = largest[at - 1];
        largest[at] = value;
    }
    return largest[wanted - 1];
}

// Fills tokens and how likely each is, the likeliest 1; returns how many, or -1 where a former token has no logit.
template <class V>
int find_candidates(const Choice& choice) {
    float* logits = choice.logits;
    const int count = choice.count;
    if (choice.penalty != 1.0f)
        for (int i = 0; i < choice.previous_count; ++i) {
            const int64_t token = choice.previous[i];
            if (token < 0 || token >= count) return -1;
            logits[token] = logits[token] < 0 ? logits[token] * choice.penalty : logits[token] / choice.penalty;
        }
    const float highest = highest_of<V>(logits, count);
    int64_t* tokens = choice.tokens;
    int found = 0;
    for (int i = 0; i < count; ++i)
        if (logits[i] >= highest - kNear) tokens[found++] = i;
    *choice.best = count;
    for (int i = 0; i < found; ++i)
        if (logits[tokens[i]] == highest && tokens[i] < *choice.best) *choice.best = tokens[i];
    if (found < choice.top_k)
        for (found = 0; found < count; ++found) tokens[found] = found;
    const float last = last_of_largest(logits, tokens, found, choice.top_k, choice.likely);
    int kept = 0;
    for (int i = 0; i < found; ++i)
        if (logits[tokens[i]] >= last) tokens[kept++] = tokens[i];
    if (choice.top_p < 1.0f) {
        for (int i = 1; i < kept; ++i) {
            const int64_t token = tokens[i];
            int at = i;
            for (; at > 0 && logits[tokens[at - 1]] < logits[token]; --at) tokens[at] = tokens[at - 1];
            tokens[at] = token;
        }
        const float most = choice.top_p * sum_of_powers<V>(logits, count, highest);
        float sum = 0;
        int likely = 0;
        for (; likely < kept; ++likely) {
            sum += expf(logits[tokens[likely]] - highest);
            if (likely > 0 && sum > most) break;
        }
        kept = likely;
    }
    for (int i = 0; i < kept; ++i) choice.likely[i] = expf((logits[tokens[i]] - highest) / choice.temperature);
    return kept;
}

}  // namespace
}  // namespace timbral
