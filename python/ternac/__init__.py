"""Ternac: a compiler for ternary language models. `compile` makes a library, `load` opens one; `oracle` is the plain NumPy reference."""

__all__ = ["compile", "load"]


def __getattr__(name):
    # Imported on demand, so that the reference, the checkpoint writer and the evaluation need no native library.
    if name == "load":
        from .runtime import load

        return load
    if name == "compile":
        from .compiler import compile

        return compile
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
