// What Python calls, by ctypes: all that is exported. The module itself is empty.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <initializer_list>
#include <memory>
#include <new>

#include "processor.h"
#include "variants.h"

#if defined(_WIN32)
#define TIMBRAL_EXPORT extern "C" __declspec(dllexport)
#else
#define TIMBRAL_EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace timbral {
namespace {

// The variant of that name, where this processor can run it.
Variant variant(const char* name) {
#if defined(TIMBRAL_X86)
#if defined(TIMBRAL_AMX)
    if (strcmp(name, "amx") == 0 && has_amx()) return {open_amx, open_vocoder_amx, speak_latent_amx, shape_envelope_amx, find_candidates_avx512};
#endif
    if (strcmp(name, "avx512") == 0 && has_avx512()) return {open_avx512, open_vocoder_avx512, speak_latent_avx512, shape_envelope_avx512, find_candidates_avx512};
    if (strcmp(name, "avx2") == 0 && has_avx2()) return {open_avx2, nullptr, speak_latent_avx2, shape_envelope_avx2, find_candidates_avx2};
#elif defined(TIMBRAL_ARM)
    if (strcmp(name, "neon") == 0 && has_dotprod()) return {open_neon, open_vocoder_neon, speak_latent_neon, shape_envelope_neon, find_candidates_neon};
#endif
    (void)name;
    return {nullptr, nullptr, nullptr, nullptr, nullptr};
}

bool fits(const Model& model, const Batch& batch) {
    if (batch.count < 1 || batch.predicted < 1 || batch.predicted > batch.count || batch.predicted > model.rows)
        return false;
    for (int i = 0; i < batch.count; ++i) {
        const int seen = batch.seen ? batch.seen[i] : batch.places[i] + 1;
        if (batch.rows[i] < 0 || batch.rows[i] >= model.rows || batch.places[i] < 0 || seen > model.capacity ||
            batch.places[i] >= seen)
            return false;
    }
    return true;
}

template <class Network, class Asked>
int32_t run_here(void (*run)(const Network&, const Asked&), const Network& network, const Asked& asked) {
    if (!run) return 1;
    try {
        run(network, asked);
    } catch (const std::bad_alloc&) {
        return 2;
    }
    return 0;
}

struct Opened {
    const Model& model;
    std::unique_ptr<Stepper> stepper;
    Team team;  // the last, so that its threads end before what they work on

    Opened(const Model& model, Stepper* stepper, int members, int spin_us)
        : model(model), stepper(stepper), team(members, spin_us) {}
};

struct OpenedVocoder {
    std::unique_ptr<Vocoder> vocoder;
    Team team;  // the last, as above

    OpenedVocoder(Vocoder* vocoder, int members, int spin_us) : vocoder(vocoder), team(members, spin_us) {}
};

}  // namespace
}  // namespace timbral

using timbral::Opened;
using timbral::OpenedVocoder;

TIMBRAL_EXPORT int32_t timbral_can_run(const char* name) { return timbral::variant(name).open != nullptr; }

// members: threads, with the caller's. spin_us: how long an idle one waits before it sleeps. Null where there is no
// memory, or no variant of that name runs here.
TIMBRAL_EXPORT Opened* timbral_open(const timbral::Model* model, const char* name, int32_t members, int32_t spin_us) {
    const auto open = timbral::variant(name).open;
    try {
        return open ? new Opened(*model, open(*model, members), members, spin_us) : nullptr;
    } catch (...) {
        return nullptr;
    }
}

TIMBRAL_EXPORT void timbral_close(Opened* opened) { delete opened; }

// 0: done. 1: no places, or such as rows do not have. 2: no memory.
TIMBRAL_EXPORT int32_t timbral_run(Opened* opened, const timbral::Batch* batch) {
    if (!timbral::fits(opened->model, *batch)) return 1;
    try {
        opened->stepper->begin(*batch);
    } catch (const std::bad_alloc&) {
        return 2;
    }
    opened->team.run(*opened->stepper);
    return 0;
}

// x [rows, inputs] to [rows, outputs].
TIMBRAL_EXPORT void timbral_project(const Opened* opened, const timbral::Projection* projection, const float* x, int32_t rows,
                                    float* to) {
    opened->stepper->project(*projection, x, rows, to);
}

// As timbral_open, for a vocoder.
TIMBRAL_EXPORT OpenedVocoder* timbral_open_vocoder(const timbral::Generator* generator, const char* name, int32_t members,
                                                   int32_t spin_us) {
    const auto open = timbral::variant(name).open_vocoder;
    try {
        return open ? new OpenedVocoder(open(*generator, members), members, spin_us) : nullptr;
    } catch (...) {
        return nullptr;
    }
}

TIMBRAL_EXPORT void timbral_close_vocoder(OpenedVocoder* opened) { delete opened; }

TIMBRAL_EXPORT void timbral_vocode(OpenedVocoder* opened, const timbral::Vocoding* vocoding) {
    opened->vocoder->begin(*vocoding);
    opened->team.run(*opened->vocoder);
}

// Whether there is a vocoder of that name.
TIMBRAL_EXPORT int32_t timbral_can_vocode(const char* name) { return timbral::variant(name).open_vocoder != nullptr; }

// Latent and pitch of some frames, in this thread, as is all that follows. 0: done. 1: no variant of that name runs here. 2: no
// memory.
TIMBRAL_EXPORT int32_t timbral_speak_latent(const char* name, const timbral::LatentNetwork* network,
                                            const timbral::Speaking* speaking) {
    return timbral::run_here(timbral::variant(name).speak_latent, *network, *speaking);
}

// Spectral envelopes of some frames.
TIMBRAL_EXPORT int32_t timbral_shape_envelope(const char* name, const timbral::EnvelopeNetwork* network,
                                              const timbral::Shaping* shaping) {
    return timbral::run_here(timbral::variant(name).shape_envelope, *network, *shaping);
}

// Where the function lies that finds candidates; null where there is none of that name.
TIMBRAL_EXPORT const void* timbral_finder(const char* name) {
    return reinterpret_cast<const void*>(timbral::variant(name).find_candidates);
}

// Sizes of what Python hands over, so that it does not call functions of another version.
TIMBRAL_EXPORT uint64_t timbral_layout() {
    uint64_t sizes = 0;
    for (const uint64_t size : {sizeof(timbral::Product), sizeof(timbral::Projection), sizeof(timbral::Layer), sizeof(timbral::Model),
                                sizeof(timbral::Batch), sizeof(timbral::Choice), sizeof(timbral::Convolution),
                                sizeof(timbral::WideConvolution), sizeof(timbral::Generator), sizeof(timbral::Vocoding), sizeof(timbral::FilmBlock),
                                sizeof(timbral::FilmBlocks), sizeof(timbral::LatentNetwork), sizeof(timbral::Speaking),
                                sizeof(timbral::EnvelopeNetwork), sizeof(timbral::Shaping)})
        sizes = sizes * 4099 + size;
    return sizes;
}

PyMODINIT_FUNC PyInit__native(void) {
    static PyModuleDef definition = {
        PyModuleDef_HEAD_INIT, "_native", nullptr, 0, nullptr, nullptr, nullptr, nullptr, nullptr};
    return PyModule_Create(&definition);
}
