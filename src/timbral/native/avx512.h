// Vectors of processors with AVX-512 and its products of 8-bit numbers (VNNI). Included where functions have these targets.
#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

namespace timbral {
namespace {

struct Avx512 {
    using Float = __m512;
    using Int = __m512i;
    static constexpr int lanes = 16, parts = 1, most_rows = 8;
    static constexpr int middle = 128;  // of numbers of 8 bits, as dot_eight takes them

    static Float zero() { return _mm512_setzero_ps(); }
    static Float all(float x) { return _mm512_set1_ps(x); }
    static Float load(const float* from) { return _mm512_loadu_ps(from); }
    static void store(float* to, Float x) { _mm512_storeu_ps(to, x); }
    static Float add(Float x, Float y) { return _mm512_add_ps(x, y); }
    static Float subtract(Float x, Float y) { return _mm512_sub_ps(x, y); }
    static Float multiply(Float x, Float y) { return _mm512_mul_ps(x, y); }
    static Float add_product(Float x, Float y, Float z) { return _mm512_fmadd_ps(x, y, z); }
    static Float divide(Float x, Float y) { return _mm512_div_ps(x, y); }
    static Float largest(Float x, Float y) { return _mm512_max_ps(x, y); }
    static Float smallest(Float x, Float y) { return _mm512_min_ps(x, y); }
    static Float magnitude(Float x) { return _mm512_abs_ps(x); }
    static float highest(Float x) { return _mm512_reduce_max_ps(x); }
    static float sum(Float x) { return _mm512_reduce_add_ps(x); }
    static Float widen(const uint16_t* half) {
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(half)));
    }
    static Float widen_eight(const int8_t* from) {
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
    }
    static Float exponential(Float whole, Float x) { return _mm512_scalef_ps(x, whole); }
    static Float nearest(Float x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

    // Sixteen numbers to 8 bits; their sum.
    static int32_t round(Float x, int8_t* to) {
        const __m512i numbers = _mm512_cvtps_epi32(x);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(numbers));
        return _mm512_reduce_add_epi32(numbers);
    }

    static Int all_int(int32_t x) { return _mm512_set1_epi32(x); }
    static Float to_float(Int x) { return _mm512_cvtepi32_ps(x); }
    static Int raw(const uint8_t* from) { return _mm512_loadu_si512(from); }
    static Int eight(const uint8_t* from) { return raw(from); }
    static Int low_half(Int x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
    static Int high_half(Int x) { return low_half(_mm512_srli_epi16(x, 4)); }
    static Int dot_eight(Int sum, Int weight, const int8_t* four) {
#if defined(__GNUC__)
        // gcc 12 copies each sum twice around the intrinsic, and loads the four inputs apart.
        asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(weight), "m"(*reinterpret_cast<const Four*>(four)));
        return sum;
#else
        int32_t bytes;
        memcpy(&bytes, four, sizeof bytes);
        return _mm512_dpbusd_epi32(sum, weight, _mm512_set1_epi32(bytes));
#endif
    }
    static Int dot_four(Int sum, Int weight, const int8_t* four) { return dot_eight(sum, weight, four); }

    // Of the vocoder: unsigned numbers times signed weights. Sums of a block of positions, and tiles that are wide.
    using Bytes = __m512i;
    static constexpr int sums = 24, widest = 4, lowest = 0;
    static uint8_t number(int x) { return static_cast<uint8_t>(x); }
    static void store_byte(uint8_t* to, Float x) {
        const __m512i whole = _mm512_max_epi32(_mm512_cvtps_epi32(x), _mm512_setzero_si512());
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtusepi32_epi8(whole));
    }
    static Bytes bytes(const int8_t* from) { return _mm512_loadu_si512(from); }
    static Bytes four(const uint8_t* from) {
        int32_t numbers;
        memcpy(&numbers, from, sizeof numbers);
        return _mm512_set1_epi32(numbers);
    }
    static Int dot(Int sum, Bytes numbers, Bytes weights) {
#if defined(__GNUC__)
        asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(numbers), "v"(weights));  // as in dot_eight
        return sum;
#else
        return _mm512_dpbusd_epi32(sum, numbers, weights);
#endif
    }

    struct Words {
        __m512i pairs;
    };
    static constexpr int wide_rows = 12;
    static void store_words(int16_t* to, Float x) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(x)));
    }
    static Words words(const int16_t* from) { return {_mm512_loadu_si512(from)}; }
    static Words two(const int16_t* from) { return {four(reinterpret_cast<const uint8_t*>(from))}; }
    static Int dot(Int sum, Words numbers, Words weights) {
#if defined(__GNUC__)
        asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(numbers.pairs), "v"(weights.pairs));  // as in dot_eight
        return sum;
#else
        return _mm512_dpwssd_epi32(sum, numbers.pairs, weights.pairs);
#endif
    }

    static void prefetch(const uint8_t* at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1); }

  private:
    struct Four {
        int8_t numbers[4];
    };
};

}  // namespace
}  // namespace timbral
