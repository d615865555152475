// Steps for processors with AVX-512 and its products of 8-bit numbers (VNNI).
#include "variants.h"

#if defined(TIMBRAL_X86)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c"))), \
                             apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c")
#endif

#include "avx512.h"
#include "candidates.h"
#include "envelope.h"
#include "latent.h"
#include "stage_one.h"
#include "vocoder.h"

namespace timbral {

Stepper* open_avx512(const Model& model, int members) { return new Step<Avx512>(model, members); }
Vocoder* open_vocoder_avx512(const Generator& generator, int members) { return new Vocode<Avx512>(generator, members); }
void speak_latent_avx512(const LatentNetwork& network, const Speaking& speaking) { speak_latent<Avx512>(network, speaking); }
void shape_envelope_avx512(const EnvelopeNetwork& network, const Shaping& shaping) { shape_envelope<Avx512>(network, shaping); }
int find_candidates_avx512(const Choice& choice) { return find_candidates<Avx512>(choice); }

}  // namespace timbral
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
