# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Modules of functions that are no models: compiled, called from C and from Python, and compared with NumPy."""

import math
import os
import subprocess

import numpy
import pytest
import support

import ternac
from ternac import oracle

TARGETS = ("cpu", "cpu,arch=x86-64", "cpu,arch=x86-64-v3", "reference")
EXAMPLE = support.ROOT / "examples" / "functions"


def unary(name, element="f32", size="?"):
    """A function of one math op on each element of a vector."""
    tensor = f"tensor<{size}x{element}>"
    return f"func.func @{name}(%x: {tensor}) -> {tensor} {{ %y = math.{name} %x : {tensor} return %y : {tensor} }}"


def erf(x):
    return numpy.array([math.erf(v) for v in x.ravel()]).reshape(x.shape)


# By op: what NumPy calls it, from where to where, and the largest error in units of the larger of 1 and the result.
CURVES = {
    "exp": (numpy.exp, -20, 20, 4e-7),
    "log": (numpy.log, 1e-3, 1e4, 4e-7),
    "log1p": (numpy.log1p, -0.9, 1e3, 4e-7),
    "expm1": (numpy.expm1, -20, 20, 4e-7),
    "exp2": (numpy.exp2, -100, 100, 5e-6),
    "log2": (numpy.log2, 1e-3, 1e4, 4e-7),
    "log10": (numpy.log10, 1e-3, 1e4, 4e-7),
    "sinh": (numpy.sinh, -20, 20, 4e-7),
    "cosh": (numpy.cosh, -20, 20, 4e-7),
    "atanh": (numpy.arctanh, -0.999, 0.999, 4e-7),
    "atan": (numpy.arctan, -100, 100, 5e-6),
    "asin": (numpy.arcsin, -1, 1, 5e-7),
    "acos": (numpy.arccos, -1, 1, 5e-7),
    "tan": (numpy.tan, -100, 100, 4e-7),
    "tanh": (numpy.tanh, -12, 12, 4e-7),
    "erf": (erf, -5, 5, 4e-7),
    "erfc": (lambda x: 1 - erf(x), -5, 5, 4e-7),
    "sin": (numpy.sin, -1e5, 1e5, 1.5e-7),
    "cos": (numpy.cos, -1e5, 1e5, 1.5e-7),
    "rsqrt": (lambda x: 1 / numpy.sqrt(x), 1e-3, 1e3, 2e-7),
    "sqrt": (numpy.sqrt, 0, 1e3, 1e-7),
}
ROUNDINGS = {
    "floor": numpy.floor,
    "ceil": numpy.ceil,
    "trunc": numpy.trunc,
    "roundeven": numpy.rint,
    "round": lambda x: numpy.copysign(numpy.floor(numpy.abs(x.astype(numpy.longdouble)) + 0.5), x).astype(x.dtype),
}

MODULE = """
// Sizes that are computed, and a buffer of each.
func.func @join(%a: tensor<?xf32> {tern.name = "a"}, %b: tensor<?xf32> {tern.name = "b"}) -> tensor<?xf32> {
  %y = tensor.concat dim(0) %a, %b : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %z = arith.addf %y, %y : tensor<?xf32>
  return %z : tensor<?xf32>
}
// Both operands transposed or not; inner sizes must agree.
func.func @product(%a: tensor<?x?xf32>, %b: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %a, %c0 : tensor<?x?xf32>
  %m = tensor.dim %b, %c0 : tensor<?x?xf32>
  %e = tensor.empty(%n, %m) : tensor<?x?xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (j, k)>, affine_map<(i, j, k) -> (i, j)>],
      iterator_types = ["parallel", "parallel", "reduction"]} ins(%a, %b : tensor<?x?xf32>, tensor<?x?xf32>) outs(%f : tensor<?x?xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %r = arith.mulf %p, %q : f32
    %s = arith.addf %o, %r : f32
    linalg.yield %s : f32
  } -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
// No dynamic size, no rank, several results, integers.
func.func @statistics(%x: tensor<3x5xf64> {tern.name = "x"}, %n: tensor<i32> {tern.name = "n"})
    -> (tensor<f64> {tern.name = "sum"}, tensor<5xf64> {tern.name = "largest"}, tensor<i32> {tern.name = "next"}) {
  %zero = arith.constant dense<0.0> : tensor<f64>
  %low = arith.constant dense<0xFFF0000000000000> : tensor<5xf64>
  %one = arith.constant 1 : i32
  %sum = linalg.reduce {arith.addf} ins(%x : tensor<3x5xf64>) outs(%zero : tensor<f64>) dimensions = [0, 1]
  %largest = linalg.reduce {arith.maximumf} ins(%x : tensor<3x5xf64>) outs(%low : tensor<5xf64>) dimensions = [0]
  %v = tensor.extract %n[] : tensor<i32>
  %w = arith.addi %v, %one : i32
  %next = tensor.insert %w into %n[] : tensor<i32>
  return %sum, %largest, %next : tensor<f64>, tensor<5xf64>, tensor<i32>
}
// Constants, a gather and comparisons.
func.func @gather(%i: tensor<?xi64>) -> (tensor<?xf32>, tensor<?xi1>) {
  %c0 = arith.constant 0 : index
  %table = arith.constant dense<[1.5, -2.0, 3.25, 8.0]> : tensor<4xf32>
  %two = arith.constant 2.0 : f32
  %n = tensor.dim %i, %c0 : tensor<?xi64>
  %e = tensor.empty(%n) : tensor<?xf32>
  %b = tensor.empty(%n) : tensor<?xi1>
  %y:2 = linalg.generic {indexing_maps = [affine_map<(d) -> (d)>, affine_map<(d) -> (d)>, affine_map<(d) -> (d)>], iterator_types = ["parallel"]}
      ins(%i : tensor<?xi64>) outs(%e, %b : tensor<?xf32>, tensor<?xi1>) {
  ^bb0(%k: i64, %o: f32, %p: i1):
    %at = arith.index_cast %k : i64 to index
    %v = tensor.extract %table[%at] : tensor<4xf32>
    %c = arith.cmpf ogt, %v, %two : f32
    linalg.yield %v, %c : f32, i1
  } -> (tensor<?xf32>, tensor<?xi1>)
  return %y#0, %y#1 : tensor<?xf32>, tensor<?xi1>
}
// Slices, padding and a reshape.
func.func @pieces(%x: tensor<4x6xf32>) -> (tensor<2x8xf32>, tensor<24xf32>) {
  %zero = arith.constant 0.0 : f32
  %s = tensor.extract_slice %x[1, 2] [2, 3] [1, 1] : tensor<4x6xf32> to tensor<2x3xf32>
  %p = tensor.pad %s low[0, 1] high[0, 4] {
  ^bb0(%i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<2x3xf32> to tensor<2x8xf32>
  %f = tensor.collapse_shape %x [[0, 1]] : tensor<4x6xf32> into tensor<24xf32>
  %g = math.absf %f : tensor<24xf32>
  return %p, %g : tensor<2x8xf32>, tensor<24xf32>
}
// The argument itself; and the same one twice.
func.func @same(%x: tensor<?x3xf32>) -> (tensor<?x3xf32>, tensor<?x3xf32>) {
  return %x, %x : tensor<?x3xf32>, tensor<?x3xf32>
}
// A number that is read before what it lies in is written over.
func.func @relative(%x: tensor<?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %y = math.exp %x : tensor<?xf32>
  %first = tensor.extract %y[%c0] : tensor<?xf32>
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %all = tensor.splat %first[%n] : tensor<?xf32>
  %z = arith.divf %y, %all : tensor<?xf32>
  return %z : tensor<?xf32>
}
func.func @in_place(%x: tensor<4096xf32>) -> tensor<4096xf32> {
  %c0 = arith.constant 0 : index
  %e = tensor.empty() : tensor<4096xf32>
  %y = linalg.exp ins(%x : tensor<4096xf32>) outs(%e : tensor<4096xf32>) -> tensor<4096xf32>
  %first = tensor.extract %y[%c0] : tensor<4096xf32>
  %z = linalg.generic {indexing_maps = [affine_map<(i) -> ()>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%first : f32) outs(%y : tensor<4096xf32>) {
  ^bb0(%a: f32, %b: f32):
    %q = arith.divf %b, %a : f32
    linalg.yield %q : f32
  } -> tensor<4096xf32>
  return %z : tensor<4096xf32>
}
// Bits, as they are and picked.
func.func @bits(%x: tensor<?x19xi1>) -> (tensor<?x19xi1>, tensor<?x3xi1>) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x19xi1>
  %y = tensor.extract_slice %x[0, 5] [%n, 3] [1, 1] : tensor<?x19xi1> to tensor<?x3xi1>
  return %x, %y : tensor<?x19xi1>, tensor<?x3xi1>
}
// Sizes that may not fit.
func.func @place(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %z = tensor.insert_slice %x into %y[2] [%n] [1] : tensor<?xf32> into tensor<?xf32>
  return %z : tensor<?xf32>
}
func.func @rest(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %m = arith.subi %n, %c1 : index
  %y = tensor.extract_slice %x[1, 0] [%m, 4] [1, 1] : tensor<?x4xf32> to tensor<?x4xf32>
  %z = math.exp %y : tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
func.func @beside(%x: tensor<?x2xf32>, %y: tensor<?x2xf32>) -> tensor<?x4xf32> {
  %z = tensor.concat dim(1) %x, %y : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
func.func @fold(%x: tensor<?xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %m = arith.divui %n, %c4 : index
  %y = tensor.expand_shape %x [[0, 1]] output_shape [%m, 4] : tensor<?xf32> into tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
func.func @windows(%x: tensor<?xf32>, %w: tensor<3xf32>, %o: tensor<?xf32>) -> tensor<?xf32> {
  %y = linalg.conv_1d ins(%x, %w : tensor<?xf32>, tensor<3xf32>) outs(%o : tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
func.func @cube(%x: tensor<?xf32>) -> tensor<f32> {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  %zero = arith.constant dense<0.0> : tensor<f32>
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %e = tensor.empty(%n, %n, %n) : tensor<?x?x?xf32>
  %f = linalg.fill ins(%one : f32) outs(%e : tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
  %r = linalg.reduce {arith.addf} ins(%f : tensor<?x?x?xf32>) outs(%zero : tensor<f32>) dimensions = [0, 1, 2]
  return %r : tensor<f32>
}
// Places as elements.
func.func @largest(%x: tensor<?x9xf32>) -> tensor<?xi64> {
  %c0 = arith.constant 0 : index
  %low = arith.constant 0xFF800000 : f32
  %n = tensor.dim %x, %c0 : tensor<?x9xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %i = tensor.empty(%n) : tensor<?xindex>
  %f = linalg.fill ins(%low : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %g = linalg.fill ins(%c0 : index) outs(%i : tensor<?xindex>) -> tensor<?xindex>
  %r:2 = linalg.generic {indexing_maps = [affine_map<(d, k) -> (d, k)>, affine_map<(d, k) -> (d)>, affine_map<(d, k) -> (d)>],
      iterator_types = ["parallel", "reduction"]} ins(%x : tensor<?x9xf32>) outs(%f, %g : tensor<?xf32>, tensor<?xindex>) {
  ^bb0(%v: f32, %best: f32, %at: index):
    %k = linalg.index 1 : index
    %c = arith.cmpf ogt, %v, %best : f32
    %p = arith.select %c, %v, %best : f32
    %q = arith.select %c, %k, %at : index
    linalg.yield %p, %q : f32, index
  } -> (tensor<?xf32>, tensor<?xindex>)
  %o = arith.index_cast %r#1 : tensor<?xindex> to tensor<?xi64>
  return %o : tensor<?xi64>
}
// Narrow floats.
func.func @narrow(%x: tensor<?xbf16>, %y: tensor<?xbf16>) -> tensor<?xbf16> {
  %s = arith.mulf %x, %y : tensor<?xbf16>
  %t = arith.addf %s, %y : tensor<?xbf16>
  return %t : tensor<?xbf16>
}
""" + "\n".join([unary(name) for name in (*CURVES, *ROUNDINGS)])


@pytest.fixture(scope="module", params=TARGETS)
def library(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("functions")
    (folder / "module.mlir").write_text(MODULE)
    return support.compile(folder / "module.mlir", folder / "module.so", f"--target={request.param}")


@pytest.fixture(scope="module")
def module(library):
    with ternac.load(library, threads=2, pinning=False) as loaded:
        yield loaded


def random(*shape, kind=numpy.float32):
    return numpy.random.default_rng(7).standard_normal(shape).astype(kind)


@pytest.mark.parametrize("name", CURVES)
def test_curves(module, name):
    function, low, high, tolerance = CURVES[name]
    x = numpy.linspace(low, high, 10007).astype(numpy.float32)
    exact = function(x.astype(numpy.float64))
    error = numpy.abs(module[name](x) - exact) / numpy.maximum(1, numpy.abs(exact))
    assert error.max() <= tolerance


@pytest.mark.parametrize("name", ROUNDINGS)
def test_roundings(module, name):
    special = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999997, 8388607.5, 8388608.0, 3e9, -3e38, math.inf, -math.inf, math.nan]
    x = numpy.concatenate([numpy.array(special, numpy.float32), numpy.linspace(-40, 40, 4001).astype(numpy.float32)])
    y, expected = module[name](x), ROUNDINGS[name](x)
    assert numpy.array_equal(y, expected, equal_nan=True)
    number = ~numpy.isnan(x)
    assert (numpy.signbit(y) == numpy.signbit(expected))[number].all()


@pytest.mark.parametrize("rows", (0, 1, 5, 1000))
def test_sizes_are_computed(module, rows):
    a, b = random(rows), random(3)
    assert numpy.array_equal(module.join(a=a, b=b), 2 * numpy.concatenate([a, b]))
    x, y = random(rows, 7), random(11, 7)
    exact = x.astype(numpy.float64) @ y.T.astype(numpy.float64)
    assert module.product(x, y).shape == (rows, 11)
    assert numpy.allclose(module.product(x, y), exact, rtol=0, atol=1e-5)
    same = module.same(random(rows, 3))
    assert all(numpy.array_equal(part, random(rows, 3)) for part in same)


def test_types_and_ranks(module):
    x = random(3, 5, kind=numpy.float64)
    total, largest, following = module.statistics(x=x, n=numpy.int32(41))
    assert abs(total - x.sum()) < 1e-14 and total.shape == ()
    assert numpy.array_equal(largest, x.max(0)) and following == 42 and following.dtype == numpy.int32
    values, large = module.gather(numpy.array([3, 0, 1, 1, 2]))
    assert values.tolist() == [8.0, 1.5, -2.0, -2.0, 3.25] and large.tolist() == [True, False, False, False, True]
    assert large.dtype == numpy.bool_
    x = random(4, 6)
    padded, flat = module.pieces(x)
    assert numpy.array_equal(padded, numpy.pad(x[1:3, 2:5], ((0, 0), (1, 4)))) and numpy.array_equal(flat, abs(x.ravel()))


def test_narrow_floats_round_once_an_op(module):
    def rounded(x):
        """To bf16, half to even, as its bits and as what they stand for."""
        bits = numpy.asarray(x, numpy.float32).view(numpy.uint32)
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
        return bits.astype(numpy.uint16), (bits << 16).astype(numpy.uint32).view(numpy.float32)

    (x, xv), (y, yv) = rounded(random(99)), rounded(random(99)[::-1].copy())
    expected = rounded(rounded(xv * yv)[1] + yv)[0]
    assert numpy.array_equal(module.narrow(x, y), expected)


def test_threads_do_not_matter(library):
    x, y = random(301, 77), random(53, 77)
    results = []
    for threads in (1, 2, 3):
        with ternac.load(library, threads=threads, pinning=False) as loaded:
            results.append((loaded.product(x, y), loaded.exp(x.ravel()), *loaded.statistics(random(3, 5, kind=numpy.float64), numpy.int32(0))))
    for other in results[1:]:
        assert all(numpy.array_equal(a, b) for a, b in zip(results[0], other))


def test_numbers_are_read_before_they_are_written_over(library):
    with ternac.load(library, threads=4, pinning=False) as loaded:
        for _ in range(300):
            assert (loaded.in_place(numpy.ones(4096, numpy.float32)) == 1).all()
            assert (loaded.relative(numpy.ones(999, numpy.float32)) == 1).all()


def test_bits_and_places(module):
    x = random(7, 19) > 0
    same, picked = module.bits(x)
    assert numpy.array_equal(same, x) and numpy.array_equal(picked, x[:, 5:8])
    y = random(300, 9)
    assert numpy.array_equal(module.largest(y), y.argmax(1))


def test_sizes_inside(module):
    x = random(9)
    assert numpy.array_equal(module.place(x[:3], x), numpy.concatenate([x[:2], x[:3], x[5:]]))
    assert numpy.allclose(module.rest(random(3, 4)), numpy.exp(random(3, 4)[1:]), rtol=1e-6)
    assert module.rest(random(1, 4)).shape == (0, 4)
    assert numpy.array_equal(module.beside(random(3, 2), random(3, 2)), numpy.concatenate([random(3, 2)] * 2, axis=1))
    assert numpy.array_equal(module.fold(random(12)), random(12).reshape(3, 4))
    assert numpy.allclose(module.windows(x, x[:3], numpy.zeros(7, numpy.float32)), numpy.correlate(x, x[:3]), atol=1e-6)
    assert module.cube(x) == 729
    wrong = (("place", (x, x)), ("rest", (random(0, 4),)), ("beside", (random(3, 2), random(2, 2))), ("fold", (x,)))
    for name, arguments in (*wrong, ("windows", (x, x[:3], x)), ("cube", (numpy.zeros(2**21, numpy.float32),))):
        with pytest.raises(ternac.runtime.TernacError, match=f"the sizes of the arguments of '{name}' do not fit"):
            module[name](*arguments)


def test_what_does_not_fit_is_refused(module):
    with pytest.raises(ternac.runtime.TernacError, match="the sizes of the arguments of 'product' do not fit each other"):
        module.product(random(2, 3), random(4, 5))
    with pytest.raises(ValueError, match="join: expected 'a' to be float32, but got float64"):
        module.join(random(2, kind=numpy.float64), random(2))
    with pytest.raises(ValueError, match=r"expected x: float64\[3, 5\], but got the shape \[3, 4\]"):
        module.statistics(random(3, 4, kind=numpy.float64), numpy.int32(0))
    with pytest.raises(TypeError, match="join: missing arguments: b"):
        module.join(random(2))
    with pytest.raises(TypeError, match="join: there is no argument 'c'; expected a, b"):
        module.join(random(2), c=random(2))
    with pytest.raises(AttributeError, match="there is no function 'nothing'; expected one of: join, product"):
        module.nothing


def test_example_in_python(tmp_path):
    library = support.compile(EXAMPLE / "mlp.mlir", tmp_path / "mlp.so")
    weight = numpy.array([[1, 0, -1, 0], [0, 1, 0, -1], [1, 1, -1, -1], [-1, 0, 1, 0], [0, -1, 0, 1], [1, -1, 1, -1], [0, 0, 0, 1], [-1, 0, 0, 0]])
    with ternac.load(library) as module:
        x, scale = random(9, 4), numpy.array([0.5], numpy.float32)
        q, step = oracle.quantize_activations(x)
        h = (q.astype(numpy.int64) @ weight.T) / step.reshape(-1, 1) * 0.5
        assert numpy.allclose(module.mlp(x=x, scale=scale), h / (1 + numpy.exp(-h)), rtol=0, atol=1e-5)
        scores = random(9, 4) @ random(6, 4).T
        p = numpy.exp(scores - scores.max(1, keepdims=True))
        assert numpy.allclose(module.attend(q=random(9, 4), k=random(6, 4)), p / p.sum(1, keepdims=True), rtol=0, atol=1e-6)


def test_example_in_c(tmp_path):
    library = support.compile(EXAMPLE / "mlp.mlir", tmp_path / "mlp.so")
    support.check("ternac", EXAMPLE / "mlp.mlir", "--emit=header", "-o", tmp_path / "mlp.h")
    program = tmp_path / "call"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{support.ROOT}/include", f"-I{tmp_path}"]
    subprocess.run([support.llvm_tool("clang"), *flags, EXAMPLE / "call.c", library, "-o", program], check=True)
    output = subprocess.run([program], env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}, check=True, capture_output=True, text=True)
    with ternac.load(library) as module:
        x = numpy.array([[1, 2, 3, 4], [0, 0, 0, 0], [-1, 0.5, 0.25, 8]], numpy.float32)
        y = module.mlp(x, numpy.array([0.5], numpy.float32))
    assert output.stdout == "\n".join(" ".join(f"{v:.4f}" for v in row) for row in y) + "\n"


def test_symbols(library):
    nm = subprocess.run([support.llvm_tool("nm"), "-D", "--format=posix", library], check=True, capture_output=True, text=True)
    names = [line.split()[0] for line in nm.stdout.splitlines()]
    functions = [line.split("@")[1].split("(")[0] for line in MODULE.splitlines() if line.startswith("func.func")]
    assert sorted(names) == sorted(["ternac_model", *functions, *(f"{name}_sizes" for name in functions)])


def test_a_library_of_functions_has_no_sessions(library):
    result = support.run("ternac-run", library, "--tokens=1", "--max-new-tokens=1")
    assert result.returncode == 1
    assert "has functions but no model; call them from C or Python" in result.stderr


@pytest.mark.parametrize("phase", ("normalized", "quantized", "packed", "bufferized", "vectorized", "llvm"))
def test_phases_resume(tmp_path, phase):
    dumps = tmp_path / "dumps"
    whole = support.compile(EXAMPLE / "mlp.mlir", tmp_path / "whole.so", f"--dump-phases-to={dumps}")
    (dump,) = dumps.glob(f"*-{phase}.mlir")
    resumed = support.compile(dump, tmp_path / "resumed.so", f"--compile-from={phase}")
    assert resumed.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("func.func private @f() { return }", (), "has neither the attribute 'tern.model' nor functions to export"),
        ("func.func @f(%x: f32) -> f32 { return %x : f32 }", (), "ranked tensors of i1"),
        (unary("exp", "f64"), (), "'math.exp' op of 'f64' needs a math library"),
        (unary("sqrt"), ("--target=cpu,arch=x86-64+v3",), "functions become a library for one processor"),
        (unary("sqrt"), ("--target=nvptx",), "functions become a library for one processor"),
        ("func.func private @g(tensor<4xf32>) -> tensor<4xf32>\nfunc.func @f(%x: tensor<4xf32>) -> tensor<4xf32> "
         "{ %y = call @g(%x) : (tensor<4xf32>) -> tensor<4xf32> return %y : tensor<4xf32> }", (), "calls are inlined"),
        ("func.func @f(%x: tensor<8xi32>) -> tensor<8xi32> { %y = arith.trunci %x : tensor<8xi32> to tensor<8xi24> "
         "%z = tensor.extract_slice %y[0] [4] [1] : tensor<8xi24> to tensor<4xi24> "
         "%p = tensor.concat dim(0) %z, %z : (tensor<4xi24>, tensor<4xi24>) -> tensor<8xi24> "
         "%w = arith.extsi %p : tensor<8xi24> to tensor<8xi32> return %w : tensor<8xi32> }", (), "expected elements of i1, i8"),
        ("func.func @f(%x: tensor<8xf32>) -> tensor<8xf32> { %y = arith.remf %x, %x : tensor<8xf32> return %y : tensor<8xf32> }",
         (), "needs a math library"),
        ("module attributes {tern.model = {}} {}", ("--emit=header",), "is a model, whose header is"),
    ],
)  # fmt: skip
def test_bad_modules(tmp_path, text, options, message):
    (tmp_path / "bad.mlir").write_text(text)
    result = support.run("ternac", tmp_path / "bad.mlir", "-o", tmp_path / "out.so", *options)
    assert result.returncode == 1 and result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.mlir"]
