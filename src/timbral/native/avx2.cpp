// Steps for processors with AVX2, FMA and F16C.
#include "variants.h"

#if defined(TIMBRAL_X86)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx2,fma,f16c")
#endif

#include "candidates.h"
#include "envelope.h"
#include "latent.h"
#include "stage_one.h"

namespace timbral {
namespace {

struct Avx2 {
    using Float = __m256;
    using Int = __m256i;
    static constexpr int lanes = 8, parts = 2, most_rows = 4;
    static constexpr int middle = 0;  // dot_eight takes it off itself

    // A weight's size, and its sign: products of unsigned with signed numbers must not exceed 16 bits in pairs.
    struct Signed {
        Int size, sign;
    };

    static Float zero() { return _mm256_setzero_ps(); }
    static Float all(float x) { return _mm256_set1_ps(x); }
    static Float load(const float* from) { return _mm256_loadu_ps(from); }
    static void store(float* to, Float x) { _mm256_storeu_ps(to, x); }
    static Float add(Float x, Float y) { return _mm256_add_ps(x, y); }
    static Float subtract(Float x, Float y) { return _mm256_sub_ps(x, y); }
    static Float multiply(Float x, Float y) { return _mm256_mul_ps(x, y); }
    static Float add_product(Float x, Float y, Float z) { return _mm256_fmadd_ps(x, y, z); }
    static Float divide(Float x, Float y) { return _mm256_div_ps(x, y); }
    static Float largest(Float x, Float y) { return _mm256_max_ps(x, y); }
    static Float magnitude(Float x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
    static float highest(Float x) {
        __m128 most = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
        most = _mm_max_ps(most, _mm_movehl_ps(most, most));
        return _mm_cvtss_f32(_mm_max_ss(most, _mm_shuffle_ps(most, most, 1)));
    }
    static float sum(Float x) {
        __m128 total = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
        total = _mm_add_ps(total, _mm_movehl_ps(total, total));
        return _mm_cvtss_f32(_mm_add_ss(total, _mm_shuffle_ps(total, total, 1)));
    }
    static Float widen(const uint16_t* half) {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(half)));
    }
    static Float widen_eight(const int8_t* from) {
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
    }
    static Float exponential(Float whole, Float x) {
        const Int exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127)), 23);
        return _mm256_mul_ps(x, _mm256_castsi256_ps(exponent));
    }
    static Float nearest(Float x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

    // Eight numbers to 8 bits; their sum.
    static int32_t round(Float x, int8_t* to) {
        const Int numbers = _mm256_cvtps_epi32(x);
        const __m128i low = _mm256_castsi256_si128(numbers), high = _mm256_extracti128_si256(numbers, 1);
        const __m128i words = _mm_packs_epi32(low, high);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi16(words, words));
        __m128i total = _mm_add_epi32(low, high);
        total = _mm_add_epi32(total, _mm_unpackhi_epi64(total, total));
        return _mm_cvtsi128_si32(_mm_add_epi32(total, _mm_shuffle_epi32(total, 1)));
    }

    static Int all_int(int32_t x) { return _mm256_set1_epi32(x); }
    static Float to_float(Int x) { return _mm256_cvtepi32_ps(x); }
    static Int raw(const uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
    static Signed eight(const uint8_t* from) {
        const Int sign = _mm256_xor_si256(raw(from), _mm256_set1_epi8(-128));
        return {_mm256_abs_epi8(sign), sign};
    }
    static Int low_half(Int x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
    static Int high_half(Int x) { return low_half(_mm256_srli_epi16(x, 4)); }
    static Int dot_eight(Int sum, Signed weight, const int8_t* four) {
        return add_pairs(sum, _mm256_maddubs_epi16(weight.size, _mm256_sign_epi8(four_of(four), weight.sign)));
    }
    static Int dot_four(Int sum, Int weight, const int8_t* four) {
        return add_pairs(sum, _mm256_maddubs_epi16(weight, four_of(four)));
    }
    static void prefetch(const uint8_t* at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1); }

  private:
    static Int add_pairs(Int sum, Int pairs) {
        return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
    static Int four_of(const int8_t* four) {
        int32_t bytes;
        memcpy(&bytes, four, sizeof bytes);
        return _mm256_set1_epi32(bytes);
    }
};

}  // namespace

Stepper* open_avx2(const Model& model, int members) { return new Step<Avx2>(model, members); }
void speak_latent_avx2(const LatentNetwork& network, const Speaking& speaking) { speak_latent<Avx2>(network, speaking); }
void shape_envelope_avx2(const EnvelopeNetwork& network, const Shaping& shaping) { shape_envelope<Avx2>(network, shaping); }
int find_candidates_avx2(const Choice& choice) { return find_candidates<Avx2>(choice); }

}  // namespace timbral
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
