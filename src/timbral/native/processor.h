// What the processor at hand can do.
#pragma once

namespace timbral {

bool has_avx2();     // with FMA and F16C
bool has_avx512();   // with products of 8-bit numbers
bool has_amx();      // with AVX-512, and products of 8-bit matrices; asks the system for their registers
bool has_dotprod();  // ARM's products of 8-bit numbers

}  // namespace timbral
