"""Stage one, compiled for the processor: what decides how fast a token comes.

onnxruntime spends as long between its hundred small products as in them. Here a step is one call, whose threads share out four
phases a layer, and reads weights of 8 or 4 bits about as fast as memory gives them. onnxruntime does the rest, and stage one as
well wherever this cannot be used: other processors, other precisions, CUDA, or an installation that found no C++ compiler.

stage_one  ``StageOneWeights.of(prefill, step)``: weights of the two graphs, or None where a kernel cannot read them;
           ``StageOneKernel(weights, ...)``: prefill and step over its own caches.
candidates ``CandidateFinder``: the tokens that may be drawn after given logits.
packing    weights in the order in which they are read.
binding    the compiled functions and their structures; ``usable_variants()``.

The compiled part is C++14 without any library: ``stage_one.h`` is the network over vectors of a processor and ``candidates.h``
what can be drawn, ``avx2.cpp``, ``avx512.cpp`` and ``neon.cpp`` are those vectors, ``processor.h`` tells which there are,
``team.h`` is the threads, ``model.h`` what Python hands over, ``module.cpp`` what it calls. Nothing here knows of requests.
"""
