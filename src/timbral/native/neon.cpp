// The network for 64-bit ARM with products of 8-bit numbers (ARMv8.2 and "dotprod").
#include "variants.h"

#if defined(TIMBRAL_ARM)
#include <arm_neon.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

#include "candidates.h"
#include "envelope.h"
#include "latent.h"
#include "stage_one.h"
#include "vocoder.h"

namespace timbral {
namespace {

struct Neon {
    using Float = float32x4_t;
    using Int = int32x4_t;
    static constexpr int lanes = 4, parts = 4, most_rows = 4;
    static constexpr int middle = 0;  // dot_eight takes it off itself

    static Float zero() { return vdupq_n_f32(0.0f); }
    static Float all(float x) { return vdupq_n_f32(x); }
    static Float load(const float* from) { return vld1q_f32(from); }
    static void store(float* to, Float x) { vst1q_f32(to, x); }
    static Float add(Float x, Float y) { return vaddq_f32(x, y); }
    static Float subtract(Float x, Float y) { return vsubq_f32(x, y); }
    static Float multiply(Float x, Float y) { return vmulq_f32(x, y); }
    static Float add_product(Float x, Float y, Float z) { return vfmaq_f32(z, x, y); }
    static Float divide(Float x, Float y) { return vdivq_f32(x, y); }
    static Float largest(Float x, Float y) { return vmaxq_f32(x, y); }
    static Float smallest(Float x, Float y) { return vminq_f32(x, y); }
    static Float magnitude(Float x) { return vabsq_f32(x); }
    static float highest(Float x) { return vmaxvq_f32(x); }
    static float sum(Float x) { return vaddvq_f32(x); }
    static Float widen(const uint16_t* half) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(half))); }
    static Float widen_eight(const int8_t* from) {
        const int8x8_t numbers = vreinterpret_s8_s32(vdup_n_s32(four_of(from)));
        return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(numbers))));
    }
    static Float exponential(Float whole, Float x) {
        const Int exponent = vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(whole), vdupq_n_s32(127)), 23);
        return vmulq_f32(x, vreinterpretq_f32_s32(exponent));
    }
    static Float nearest(Float x) { return vrndnq_f32(x); }

    // Four numbers to 8 bits; their sum.
    static int32_t round(Float x, int8_t* to) {
        const Int numbers = vcvtnq_s32_f32(x);
        const int16x4_t words = vqmovn_s32(numbers);
        const int32_t bytes = vget_lane_s32(vreinterpret_s32_s8(vqmovn_s16(vcombine_s16(words, words))), 0);
        memcpy(to, &bytes, sizeof bytes);
        return vaddvq_s32(numbers);
    }

    static Int all_int(int32_t x) { return vdupq_n_s32(x); }
    static Float to_float(Int x) { return vcvtq_f32_s32(x); }
    static uint8x16_t raw(const uint8_t* from) { return vld1q_u8(from); }
    static int8x16_t eight(const uint8_t* from) { return vreinterpretq_s8_u8(veorq_u8(raw(from), vdupq_n_u8(128))); }
    static int8x16_t low_half(uint8x16_t x) { return vreinterpretq_s8_u8(vandq_u8(x, vdupq_n_u8(15))); }
    static int8x16_t high_half(uint8x16_t x) { return vreinterpretq_s8_u8(vshrq_n_u8(x, 4)); }
    static Int dot_eight(Int sum, int8x16_t weight, const int8_t* four) {
        return vdotq_s32(sum, weight, vreinterpretq_s8_s32(vdupq_n_s32(four_of(four))));
    }
    static Int dot_four(Int sum, int8x16_t weight, const int8_t* four) { return dot_eight(sum, weight, four); }

    // Of the vocoder: signed numbers times signed weights. Sums of a block of positions, and tiles that are wide.
    using Bytes = int8x16_t;
    static constexpr int sums = 6, widest = 1, lowest = -128;
    static uint8_t number(int x) { return static_cast<uint8_t>(x - 128); }
    static void store_byte(uint8_t* to, Float x) {
        const uint16x4_t words = vqmovun_s32(vcvtnq_s32_f32(x));
        const uint8x8_t numbers = veor_u8(vqmovn_u16(vcombine_u16(words, words)), vdup_n_u8(128));
        vst1_lane_u32(reinterpret_cast<uint32_t*>(to), vreinterpret_u32_u8(numbers), 0);
    }
    static Bytes bytes(const int8_t* from) { return vld1q_s8(from); }
    static Bytes four(const uint8_t* from) {
        return vreinterpretq_s8_s32(vdupq_n_s32(four_of(reinterpret_cast<const int8_t*>(from))));
    }
    static Int dot(Int sum, Bytes numbers, Bytes weights) { return vdotq_s32(sum, weights, numbers); }

    using Words = int16x8_t;
    static constexpr int wide_rows = 4;
    static void store_words(int16_t* to, Float x) { vst1_s16(to, vqmovn_s32(vcvtnq_s32_f32(x))); }
    static Words words(const int16_t* from) { return vld1q_s16(from); }
    static Words two(const int16_t* from) {
        return vreinterpretq_s16_s32(vdupq_n_s32(four_of(reinterpret_cast<const int8_t*>(from))));
    }
    static Int dot(Int sum, Words numbers, Words weights) {
        const Int low = vmull_s16(vget_low_s16(numbers), vget_low_s16(weights));
        return vaddq_s32(sum, vpaddq_s32(low, vmull_high_s16(numbers, weights)));
    }

    static void prefetch(const uint8_t* at) { __builtin_prefetch(at, 0, 2); }

  private:
    static int32_t four_of(const int8_t* four) {
        int32_t bytes;
        memcpy(&bytes, four, sizeof bytes);
        return bytes;
    }
};

}  // namespace

Stepper* open_neon(const Model& model, int members) { return new Step<Neon>(model, members); }
Vocoder* open_vocoder_neon(const Generator& generator, int members) { return new Vocode<Neon>(generator, members); }
void speak_latent_neon(const LatentNetwork& network, const Speaking& speaking) { speak_latent<Neon>(network, speaking); }
void shape_envelope_neon(const EnvelopeNetwork& network, const Shaping& shaping) { shape_envelope<Neon>(network, shaping); }
int find_candidates_neon(const Choice& choice) { return find_candidates<Neon>(choice); }

}  // namespace timbral
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
