// The same network for different processors.
#pragma once

#include <math.h>
#include <string.h>

#include "model.h"
#include "team.h"

#if defined(__x86_64__) || defined(_M_X64)
#define TIMBRAL_X86 1
#if defined(__linux__) && (__clang_major__ >= 12 || (!defined(__clang__) && __GNUC__ >= 11))
#define TIMBRAL_AMX 1  // Elsewhere nobody has tried it.
#endif
#elif defined(__aarch64__) && (__clang_major__ >= 16 || defined(__ARM_FEATURE_DOTPROD) || !defined(__clang__)) && \
    defined(__GNUC__)
#define TIMBRAL_ARM 1  // Older clangs know products of 8-bit numbers only where they are told of them when called.
#endif

namespace timbral {

// Stage one. The model that it was opened with stays where it is.
class Stepper : public Work {
  public:
    virtual void begin(const Batch& batch) = 0;
    // Projects x [rows, inputs] to [rows, outputs], in this thread.
    virtual void project(const Projection& projection, const float* x, int rows, float* to) const = 0;
};

// A vocoder. The generator that it was opened with stays where it is.
class Vocoder : public Work {
  public:
    virtual void begin(const Vocoding& vocoding) = 0;
};

struct Variant {
    Stepper* (*open)(const Model& model, int members);
    Vocoder* (*open_vocoder)(const Generator& generator, int members);  // null where there is none
    void (*speak_latent)(const LatentNetwork& network, const Speaking& speaking);
    void (*shape_envelope)(const EnvelopeNetwork& network, const Shaping& shaping);
    int (*find_candidates)(const Choice& choice);
};

Stepper* open_avx2(const Model& model, int members);
Stepper* open_avx512(const Model& model, int members);
Stepper* open_amx(const Model& model, int members);
Stepper* open_neon(const Model& model, int members);
Vocoder* open_vocoder_avx512(const Generator& generator, int members);
Vocoder* open_vocoder_amx(const Generator& generator, int members);
Vocoder* open_vocoder_neon(const Generator& generator, int members);
void speak_latent_avx2(const LatentNetwork& network, const Speaking& speaking);
void shape_envelope_avx2(const EnvelopeNetwork& network, const Shaping& shaping);
void speak_latent_avx512(const LatentNetwork& network, const Speaking& speaking);
void shape_envelope_avx512(const EnvelopeNetwork& network, const Shaping& shaping);
void speak_latent_amx(const LatentNetwork& network, const Speaking& speaking);
void shape_envelope_amx(const EnvelopeNetwork& network, const Shaping& shaping);
void speak_latent_neon(const LatentNetwork& network, const Speaking& speaking);
void shape_envelope_neon(const EnvelopeNetwork& network, const Shaping& shaping);
int find_candidates_avx2(const Choice& choice);
int find_candidates_avx512(const Choice& choice);
int find_candidates_neon(const Choice& choice);

}  // namespace timbral
