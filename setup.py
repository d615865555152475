"""Compiles stage one and the vocoder (`src/timbral/native`); everything else about the package is in `pyproject.toml`.

The extension is optional: without a C++ compiler the package installs all the same, and onnxruntime runs the graphs. It
uses the stable ABI of Python 3.10, so that one wheel serves every later version.
"""

import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE = Path("src/timbral/native")
UNIX_FLAGS = ["-std=c++14", "-O3", "-fvisibility=hidden", "-pthread"]
MSVC_FLAGS = ["/std:c++14", "/O2", "/EHsc"]
# Builds of Python without the global lock have no stable ABI.
STABLE_ABI = not sysconfig.get_config_var("Py_GIL_DISABLED")


class BuildNative(build_ext):
    """Adds the flags of the compiler that was found."""

    def build_extension(self, ext: Extension) -> None:
        msvc = self.compiler.compiler_type == "msvc"
        ext.extra_compile_args = MSVC_FLAGS if msvc else UNIX_FLAGS
        ext.extra_link_args = [] if msvc else ["-pthread"]
        super().build_extension(ext)


native = Extension(
    "timbral.native._native",
    sources=sorted(path.as_posix() for path in SOURCE.glob("*.cpp")),
    depends=sorted(path.as_posix() for path in SOURCE.glob("*.h")),
    define_macros=[("Py_LIMITED_API", "0x030A0000")] if STABLE_ABI else [],
    py_limited_api=STABLE_ABI,
    optional=True,
)

setup(
    ext_modules=[native],
    cmdclass={"build_ext": BuildNative},
    options={"bdist_wheel": {"py_limited_api": "cp310"}} if STABLE_ABI else {},
)
