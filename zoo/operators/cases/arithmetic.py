"""Functions of two or more values, with broadcasting."""

from collections.abc import Iterator

import numpy as np

from case import Case, case, floats

# Every way in which a constant broadcasts against samples [3, 4].
SHAPES = {
    "scalar": (),
    "one": (1,),
    "last": (4,),
    "column": (3, 1),
    "row": (1, 4),
    "sample": (3, 4),
    "ones": (1, 1, 1),
    "leading_row": (1, 1, 4),
    "leading_column": (1, 3, 1),
    "leading_sample": (1, 3, 4),
}
MATRIX = [3, 4]
IMAGE = [3, 2, 4]


def cases() -> Iterator[Case]:
    yield from with_constants()
    yield from of_two_values()
    yield from of_many()
    yield from comparisons()
    yield from shared_rows()
    yield from choices()


def with_constants() -> Iterator[Case]:
    for operator in ("Add", "Sub", "Mul", "Div", "Min", "Max"):
        for shape_name, shape in SHAPES.items():
            # Divisors stay away from 0.
            c = positive(shape) if operator == "Div" else shape
            yield case(operator, f"value_{shape_name}", MATRIX, f"y = {operator}(x, c)", c=c)
            yield case(operator, f"{shape_name}_value", MATRIX, f"y = {operator}(c, x)", c=shape, positive=operator == "Div")
    for operator in ("Add", "Sub", "Mul", "Max"):
        yield case(operator, "stretches_value", [1, 4], f"y = {operator}(x, c)", c=(3, 1))
        yield case(operator, "stretched_value", [1, 4], f"y = {operator}(c, x)", c=(3, 1))
        yield case(operator, "outer_axes", IMAGE, f"y = {operator}(x, c)", c=(3, 1, 4))
        yield case(operator, "channels", IMAGE, f"y = {operator}(x, c)", c=(3, 1, 1))
        yield case(operator, "opset_7" if operator != "Max" else "opset_8", MATRIX, f"y = {operator}(x, c)", opset=8, c=(4,))
    for exponent in (-1.0, 0.5, 1.0, 2.0, 2.5, 3.0, -1.5):
        name = f"to_{exponent:g}".replace("-", "minus_").replace(".", "_")
        yield case("Pow", name, MATRIX, "y = Pow(x, c)", c=exponent, positive=True)
    for exponent in (0.0, 1.0, 2.0, 3.0, 4.0):
        yield case("Pow", f"negative_to_{exponent:g}", MATRIX, "y = Pow(x, c)", c=exponent)
    yield case("Pow", "to_integer", MATRIX, "y = Pow(x, c)", c=[3])
    yield case("Pow", "opset_7", MATRIX, "y = Pow(x, c)", opset=7, c=floats(2.0))
    yield case("Pow", "to_each", MATRIX, "y = Pow(x, c)", positive=True, c=floats(1.0, 2.0, 0.5, 3.0))
    yield case("Pow", "to_equal", MATRIX, "y = Pow(x, c)", c=floats(2.0, 2.0, 2.0, 2.0))
    yield case("Pow", "of_base", MATRIX, "y = Pow(c, x)", c=2.0)
    yield case("Pow", "of_bases", MATRIX, "y = Pow(c, x)", c=positive((3, 1)))
    yield case("Add", "causal_mask", [3, 3], "y_ = Add(x, c) y = Softmax(y_)", c=np.triu(np.full((3, 3), -1e9, np.float32), 1))
    yield case(
        "Add",
        "infinite_mask",
        [3, 3],
        "y_ = Add(x, c) y = Softmax(y_)",
        c=np.where(np.tri(3) > 0, 0, -np.inf).astype(np.float32),
    )


def of_two_values() -> Iterator[Case]:
    for operator in ("Add", "Sub", "Mul", "Div", "Min", "Max"):
        yield case(operator, "two_values", MATRIX, f"e = Exp(x) y = {operator}(x, e)")
        for side, nodes in (("reduced", "x, m"), ("reduced_first", "m, x")):
            yield case(
                operator,
                side,
                MATRIX,
                f"m = ReduceMean<axes=[2], keepdims=1>(x) y = {operator}({nodes})",
                positive=True,
            )
        yield case(
            operator,
            "outer",
            MATRIX,
            f"a = ReduceMean<axes=[1]>(x) b = ReduceMean<axes=[2]>(x) y = {operator}(a, b)",
            positive=True,
        )
    yield case("Mul", "itself", MATRIX, "y = Mul(x, x)")
    yield case("Sub", "itself_half", MATRIX, "h = Mul(x, c) y = Sub(x, h)", c=0.5)
    yield case("Add", "itself", MATRIX, "y = Add(x, x)")
    yield case("Div", "itself_squared", MATRIX, "s = Mul(x, x) y = Div(s, x)", positive=True)
    yield case("Mul", "gate", [4, 3], "a, b = Split<axis=1>(x) s = Sigmoid(b) y = Mul(a, s)")


def of_many() -> Iterator[Case]:
    for operator in ("Sum", "Mean", "Min", "Max"):
        yield case(operator, "one_input", MATRIX, f"y = {operator}(x)")
        yield case(operator, "three_inputs", MATRIX, f"e = Exp(x) t = Tanh(x) y = {operator}(x, e, t)")
        yield case(operator, "constants_among", MATRIX, f"t = Tanh(x) y = {operator}(c, x, d, t)", c=(4,), d=(3, 1))
        yield case(operator, "constants_first", MATRIX, f"y = {operator}(c, d, x)", c=(4,), d=(3, 1))
        yield case(operator, "broadcast", MATRIX, f"m = ReduceMax<axes=[1]>(x) y = {operator}(m, x)")
    yield case("Max", "lowest_number", MATRIX, "y = Max(x, c)", c=float(np.finfo(np.float32).min))


def comparisons() -> Iterator[Case]:
    """Comparisons of values of the network, and what exporters make of them."""
    for operator in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual"):
        where = f"c = {operator}(x, l) t = Tanh(x) y = Where(c, x, t)"
        yield case(operator, "number", MATRIX, where, l=0.25)
        yield case(operator, "each", MATRIX, where, l=(3, 1))
        yield case(operator, "reversed", MATRIX, where.replace("x, l", "l, x"), l=0.25)
        yield case(operator, "two_values", MATRIX, f"t = Sin(x) c = {operator}(x, t) y = Where(c, x, k)", k=-0.5)
        # At the limit itself.
        yield case(operator, "equal", MATRIX, f"r = Relu(x) c = {operator}(r, z) f = Cast<to=1>(c) y = Add(f, x)", z=0.0)
    yield case("Where", "two_values", MATRIX, "g = Greater(x, c) e = Exp(x) y = Where(g, x, e)", c=0.0)
    yield case("Where", "softplus_cut_early", MATRIX, "s = Softplus(x) g = Greater(x, c) y = Where(g, x, s)", c=2.0)
    yield case("Where", "leaky", MATRIX, "g = Greater(x, z) n = Mul(x, s) y = Where(g, x, n)", z=0.0, s=0.1)
    yield case("Where", "not_chosen_is_infinite", MATRIX, "g = Less(x, z) l = Sqrt(x) y = Where(g, z, l)", z=0.0, positive=True)
    yield case("Where", "condition_stretches", MATRIX, "m = ReduceMax<axes=[1]>(x) g = Greater(m, c) y = Where(g, x, c)", c=0.5)
    yield case("Where", "constants_by_value", MATRIX, "g = Greater(x, z) y = Where(g, a, b)", z=0.0, a=(4,), b=(3, 1))
    yield case("Not", "value", MATRIX, "g = Greater(x, z) n = Not(g) y = Where(n, x, s)", z=0.0, s=0.1)
    hard = "g = Greater(x, a) l = Less(x, b) o = {}(g, l) y = Where(o, x, z)"
    yield case("Or", "hard_shrink", MATRIX, hard.format("Or"), a=0.5, b=-0.5, z=0.0)
    yield case("And", "between", MATRIX, hard.format("And"), a=-0.5, b=0.5, z=0.0)
    yield case("Mul", "by_comparison", MATRIX, "g = Greater(x, z) f = Cast<to=1>(g) y = Mul(x, f)", z=0.0)
    yield case("Sign", "value", MATRIX, "s = Sign(x) y = Mul(s, x)")
    yield case("Sign", "constant", MATRIX, "s = Sign(c) y = Mul(x, s)", c=floats(-2.0, 0.0, 0.5, 3.0))


def shared_rows() -> Iterator[Case]:
    """Constants that exporters repeat for every row."""
    same = np.repeat(np.arange(12, dtype=np.float32).reshape(1, 3, 4) / 10, 2, axis=0)
    yield case("Add", "equal_rows", MATRIX, "y = Add(x, c)", rows=2, c=same)
    yield case("Concat", "equal_rows", MATRIX, "y = Concat<axis=1>(c, x)", rows=2, c=same)


def choices() -> Iterator[Case]:
    softplus = "o = Exp(x) p = Add(o, one) l = Log(p) g = Greater(x, c) y = Where(g, x, l)"
    yield case("Where", "softplus", MATRIX, softplus, one=1.0, c=20.0, spread=15.0)
    yield case("Where", "softplus_named", MATRIX, "s = Softplus(x) g = Greater(x, c) y = Where(g, x, s)", c=20.0, spread=15.0)
    yield case("Where", "softplus_constant_first", MATRIX, softplus.replace("Add(o, one)", "Add(one, o)"), one=1.0, c=20.0)
    mask = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, False]])
    yield case("Where", "constant_mask", MATRIX, "y = Where(m, x, c)", m=mask, c=-2.0)
    yield case("Where", "constant_mask_first", MATRIX, "y = Where(m, c, x)", m=mask[:1], c=(3, 1))
    yield case("Where", "causal_mask", [4, 4], "s = Where(m, x, c) y = Softmax(s)", m=np.tri(4) > 0, c=-np.inf)
    yield case("Where", "between_values", MATRIX, "t = Tanh(x) y = Where(m, x, t)", m=mask)
    yield case("Where", "constants", MATRIX, "c = Where(m, a, b) y = Mul(x, c)", m=mask, a=(4,), b=(3, 1))
    yield case("Less", "constants", MATRIX, "m = Less(a, b) c = Where(m, a, b) y = Mul(x, c)", a=(4,), b=(3, 1))
    yield case("Greater", "constants", MATRIX, "m = Greater(a, b) c = Where(m, a, b) y = Mul(x, c)", a=(4,), b=(3, 1))
    a, b = floats(1.0, 2.0, 3.0, 4.0), floats(1.0, 3.0, 2.0, 4.0)
    for operator in ("LessOrEqual", "GreaterOrEqual", "Equal"):
        yield case(
            operator, "constants", MATRIX, f"m = {operator}(a, b) f = Cast<to=1>(m) c = Add(f, b) y = Mul(x, c)", a=a, b=b
        )
    t = np.array([True, True, False, False])
    for operator in ("And", "Or"):
        nodes = f"m = {operator}(a, b) f = Cast<to=1>(m) y = Add(x, f)"
        yield case(operator, "constants", MATRIX, nodes, a=t, b=np.roll(t, 1))
    yield case("Not", "constants", MATRIX, "m = Not(a) f = Cast<to=1>(m) y = Add(x, f)", a=t)
    yield case("Mod", "integers", MATRIX, "m = Mod(a, b) f = Cast<to=1>(m) y = Add(x, f)", a=[-7, 7, -7, 7], b=[3, 3, -3, -3])
    yield case(
        "Mod", "fmod_integers", MATRIX, "m = Mod<fmod=1>(a, b) f = Cast<to=1>(m) y = Add(x, f)", a=[-7, 7, -7, 7], b=[3, 3, -3, -3]
    )
    yield case(
        "Mod",
        "fmod_reals",
        MATRIX,
        "m = Mod<fmod=1>(a, b) y = Add(x, m)",
        a=floats(-5.5, 5.5, -5.5, 5.5),
        b=floats(2.0, 2.0, -2.0, -2.0),
    )
    yield case("Div", "integers", MATRIX, "q = Div(a, b) f = Cast<to=1>(q) y = Add(x, f)", a=[-7, 7, -7, 7], b=[2, 2, -2, -2])


def positive(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(0.5, 2.0, shape).astype(np.float32)
