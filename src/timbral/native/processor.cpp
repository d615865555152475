#include "processor.h"

#include "variants.h"

#if defined(TIMBRAL_X86)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#if defined(TIMBRAL_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(TIMBRAL_ARM) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace timbral {

#if defined(TIMBRAL_X86)
namespace {

struct Leaf {
    uint32_t a, b, c, d;
};

Leaf leaf(uint32_t number) {
    Leaf found = {};
#if defined(_MSC_VER)
    int registers[4];
    __cpuidex(registers, static_cast<int>(number), 0);
    memcpy(&found, registers, sizeof found);
#else
    __get_cpuid_count(number, 0, &found.a, &found.b, &found.c, &found.d);
#endif
    return found;
}

bool all_of(uint32_t bits, uint32_t wanted) { return (bits & wanted) == wanted; }
uint32_t bit(int place) { return 1u << place; }

// Registers that the system keeps for each thread.
uint32_t kept_registers() {
    if (!all_of(leaf(1).c, bit(27))) return 0;
#if defined(_MSC_VER)
    return static_cast<uint32_t>(_xgetbv(0));
#else
    uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
#endif
}

}  // namespace

bool has_avx2() {
    const uint32_t fma = bit(12), f16c = bit(29), avx2 = bit(5), registers = bit(1) | bit(2);
    return all_of(kept_registers(), registers) && all_of(leaf(1).c, fma | f16c) && all_of(leaf(7).b, avx2);
}

bool has_avx512() {
    const uint32_t foundation = bit(16), dq = bit(17), bw = bit(30), vl = bit(31), vnni = bit(11);
    const uint32_t registers = bit(5) | bit(6) | bit(7);
    return has_avx2() && all_of(kept_registers(), registers) && all_of(leaf(7).b, foundation | dq | bw | vl) &&
           all_of(leaf(7).c, vnni);
}
#else
bool has_avx2() { return false; }
bool has_avx512() { return false; }
#endif

#if defined(TIMBRAL_AMX)
bool has_amx() {
    const uint32_t tiles = bit(24), eight = bit(25), registers = bit(17) | bit(18);
    constexpr int request = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return has_avx512() && all_of(kept_registers(), registers) && all_of(leaf(7).d, tiles | eight) &&
           syscall(SYS_arch_prctl, request, tile_data) == 0;
}
#else
bool has_amx() { return false; }
#endif

bool has_dotprod() {
#if defined(TIMBRAL_ARM) && defined(__APPLE__)
    return true;  // from the first of Apple's own processors for computers on
#elif defined(TIMBRAL_ARM) && defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return false;
#endif
}

}  // namespace timbral
