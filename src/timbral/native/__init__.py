"""Compiled kernels: stage one and the vocoder in C++ for CPUs, about twice as fast as their graphs.

stage_one    weights of the two graphs, and the kernel that runs prefill and step over its own KV cache.
vocoder      weights of a HiFi-GAN's graph, and the kernel that runs it with 8-bit residual blocks.
candidates   the tokens that may be sampled after given logits.
packing      weights in the order in which the kernel reads them.
binding      the compiled functions and their structures; which variants run on this processor.

The compiled part is C++14 without libraries. `stage_one.h` and `vocoder.h` are the networks over SIMD vectors and
`candidates.h` the search for candidates; `avx2.cpp`, `avx512.h`, `amx.cpp` and `neon.cpp` are the vectors; `team.h` is the thread
pool, `processor.h` detects instructions, `model.h` has the structures that Python fills, `module.cpp` the functions that it
calls. onnxruntime runs the graphs wherever the kernels cannot: other processors, other precisions, CUDA, or an installation
without a C++ compiler.
"""
