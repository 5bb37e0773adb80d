"""Ternac: a compiler for ternary language models. `load` opens a compiled model; `oracle` is the plain NumPy reference."""

__all__ = ["load"]


def __getattr__(name):
    # Imported on demand, so that the reference, the checkpoint writer and the evaluation need no native library.
    if name == "load":
        from .runtime import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
