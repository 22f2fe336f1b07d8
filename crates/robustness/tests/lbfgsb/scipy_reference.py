"""Minimises the problems of `problems.rs` by SciPy's L-BFGS-B and writes `scipy.json`.

    pip install scipy==1.17.1 && python scipy_reference.py

Functions are those of `functions.rs`, problems and their order those of `problems.rs`. The test compares the values at
the starts and at the points found too, so that both mean the same.
"""

import json
import math
import pathlib

import numpy
import scipy
from scipy.optimize import minimize

SETTINGS = {
    "default": {},
    "tight": {"ftol": 1e-13, "gtol": 1e-7},
}
INFINITY = math.inf


def uniform(k):
    """A number in [0, 1) for each integer, the same in every language."""
    return (k * 2654435761 % 2**32) / 2**32


def sum_of_squares(residuals):
    """Of residuals with their derivatives by variable."""

    def function(x):
        value, gradient = 0.0, numpy.zeros(len(x))
        for residual, derivatives in residuals(x):
            value += residual * residual
            for index, derivative in derivatives.items():
                gradient[index] += 2.0 * residual * derivative
        return value, gradient

    return function


def rosenbrock(x):
    for i in range(len(x) - 1):
        yield 10.0 * (x[i + 1] - x[i] ** 2), {i: -20.0 * x[i], i + 1: 10.0}
        yield 1.0 - x[i], {i: -1.0}


def driver(x):
    yield x[0] - 1.0, {0: 1.0}
    for i in range(1, len(x)):
        yield 2.0 * (x[i] - x[i - 1] ** 2), {i: 2.0, i - 1: -4.0 * x[i - 1]}


def beale(x):
    for power, y in ((1, 1.5), (2, 2.25), (3, 2.625)):
        yield y - x[0] * (1.0 - x[1] ** power), {
            0: x[1] ** power - 1.0,
            1: power * x[0] * x[1] ** (power - 1),
        }


def powell_singular(x):
    for a in range(0, len(x), 4):
        b, c, d = a + 1, a + 2, a + 3
        yield x[a] + 10.0 * x[b], {a: 1.0, b: 10.0}
        yield 5**0.5 * (x[c] - x[d]), {c: 5**0.5, d: -(5**0.5)}
        inner = x[b] - 2.0 * x[c]
        yield inner**2, {b: 2.0 * inner, c: -4.0 * inner}
        outer = x[a] - x[d]
        yield 10**0.5 * outer**2, {a: 2.0 * 10**0.5 * outer, d: -2.0 * 10**0.5 * outer}


def wood(x):
    yield 10.0 * (x[1] - x[0] ** 2), {1: 10.0, 0: -20.0 * x[0]}
    yield 1.0 - x[0], {0: -1.0}
    yield 90**0.5 * (x[3] - x[2] ** 2), {3: 90**0.5, 2: -2.0 * 90**0.5 * x[2]}
    yield 1.0 - x[2], {2: -1.0}
    yield 10**0.5 * (x[1] + x[3] - 2.0), {1: 10**0.5, 3: 10**0.5}
    yield (x[1] - x[3]) / 10**0.5, {1: 1.0 / 10**0.5, 3: -1.0 / 10**0.5}


def brown_badly_scaled(x):
    yield x[0] - 1e6, {0: 1.0}
    yield x[1] - 2e-6, {1: 1.0}
    yield x[0] * x[1] - 2.0, {0: x[1], 1: x[0]}


def trigonometric(x):
    n = len(x)
    cosines = sum(math.cos(value) for value in x)
    for i in range(n):
        weight = i + 1.0
        derivatives = {j: math.sin(x[j]) for j in range(n)}
        derivatives[i] += weight * math.sin(x[i]) - math.cos(x[i])
        yield n - cosines + weight * (1.0 - math.cos(x[i])) - math.sin(x[i]), derivatives


def variably_dimensioned(x):
    for i in range(len(x)):
        yield x[i] - 1.0, {i: 1.0}
    total = sum((j + 1) * (x[j] - 1.0) for j in range(len(x)))
    yield total, {j: j + 1.0 for j in range(len(x))}
    yield total**2, {j: 2.0 * total * (j + 1) for j in range(len(x))}


def penalty(x):
    for i in range(len(x)):
        yield 1e-5**0.5 * (x[i] - 1.0), {i: 1e-5**0.5}
    yield sum(value**2 for value in x) - 0.25, {i: 2.0 * x[i] for i in range(len(x))}


def broyden_tridiagonal(x):
    n = len(x)
    for i in range(n):
        residual, derivatives = (3.0 - 2.0 * x[i]) * x[i] + 1.0, {i: 3.0 - 4.0 * x[i]}
        if i > 0:
            residual -= x[i - 1]
            derivatives[i - 1] = -1.0
        if i + 1 < n:
            residual -= 2.0 * x[i + 1]
            derivatives[i + 1] = -2.0
        yield residual, derivatives


def discrete_boundary_value(x):
    n = len(x)
    h = 1.0 / (n + 1)
    for i in range(n):
        inner = x[i] + (i + 1) * h + 1.0
        residual, derivatives = 2.0 * x[i] + h * h * inner**3 / 2.0, {i: 2.0 + 1.5 * h * h * inner**2}
        for j in (i - 1, i + 1):
            if 0 <= j < n:
                residual -= x[j]
                derivatives[j] = -1.0
        yield residual, derivatives


def box(x):
    for i in range(1, 11):
        t = 0.1 * i
        decay = math.exp(-t) - math.exp(-10.0 * t)
        first, second = math.exp(-t * x[0]), math.exp(-t * x[1])
        yield first - second - x[2] * decay, {0: -t * first, 1: t * second, 2: -decay}


def helical_valley(x):
    angle = math.atan(x[1] / x[0]) / (2.0 * math.pi) + (0.5 if x[0] < 0.0 else 0.0)
    square = x[0] ** 2 + x[1] ** 2
    turn = 100.0 / (2.0 * math.pi * square)
    yield 10.0 * (x[2] - 10.0 * angle), {0: turn * x[1], 1: -turn * x[0], 2: 10.0}
    radius = square**0.5
    yield 10.0 * (radius - 1.0), {0: 10.0 * x[0] / radius, 1: 10.0 * x[1] / radius}
    yield x[2], {2: 1.0}


def freudenstein_roth(x):
    yield x[0] - 13.0 + ((5.0 - x[1]) * x[1] - 2.0) * x[1], {0: 1.0, 1: 10.0 * x[1] - 3.0 * x[1] ** 2 - 2.0}
    yield x[0] - 29.0 + ((x[1] + 1.0) * x[1] - 14.0) * x[1], {0: 1.0, 1: 3.0 * x[1] ** 2 + 2.0 * x[1] - 14.0}


def quadratic(size, condition):
    """(x - t)' H D H (x - t) / 2 with a reflection H and eigenvalues from 1 to `condition`, evenly in the logarithm."""
    normal = numpy.array([uniform(3 * i + 1) - 0.5 for i in range(size)])
    target = numpy.array([2.0 * uniform(5 * i + 2) - 0.5 for i in range(size)])
    eigenvalues = numpy.array([condition ** (i / (size - 1)) for i in range(size)])

    def reflect(x):
        return x - 2.0 * normal * (normal @ x) / (normal @ normal)

    def function(x):
        gradient = reflect(eigenvalues * reflect(x - target))
        return 0.5 * (x - target) @ gradient, gradient

    return function


def torsion(side):
    """Elastic-plastic torsion on a grid (More and Toraldo 1991)."""

    def function(x):
        grid = numpy.zeros((side + 2, side + 2))
        grid[1:-1, 1:-1] = x.reshape(side, side)
        load = 5.0 / (side + 1) ** 2
        down, right = numpy.diff(grid, axis=0), numpy.diff(grid, axis=1)
        value = 0.5 * (down**2).sum() + 0.5 * (right**2).sum() - load * x.sum()
        gradient = (down[:-1] - down[1:])[:, 1:-1] + (right[:, :-1] - right[:, 1:])[1:-1] - load
        return value, gradient.ravel()

    return function


def log_sum_exp(size):
    rows = 2 * size
    matrix = numpy.array([[4.0 * uniform(7 * (k * size + i)) - 2.0 for i in range(size)] for k in range(rows)])
    offset = numpy.array([uniform(11 * k + 5) for k in range(rows)])

    def function(x):
        exponents = matrix @ x + offset
        most = exponents.max()
        weights = numpy.exp(exponents - most)
        total = weights.sum()
        return most + math.log(total) + 0.005 * x @ x, matrix.T @ (weights / total) + 0.01 * x

    return function


def logistic_regression(size):
    rows = 5 * size
    matrix = numpy.array([[4.0 * uniform(13 * (k * size + i)) - 2.0 for i in range(size)] for k in range(rows)])
    labels = numpy.array([1.0 if uniform(17 * k + 3) < 0.7 else -1.0 for k in range(rows)])

    def function(x):
        margins = labels * (matrix @ x)
        value = numpy.logaddexp(0.0, -margins).sum() + 0.5 * x @ x
        return value, x - matrix.T @ (labels / (1.0 + numpy.exp(margins)))

    return function


def problems():
    """Name, function, start, lower and upper bounds (each a number, or a function of the index)."""
    free = (-INFINITY, INFINITY)

    def alternating(odd, even):
        return lambda i: odd if i % 2 == 0 else even

    for size, condition in ((2, 10.0), (10, 1e2), (50, 1e4), (100, 1e3), (300, 1e2), (784, 10.0), (784, 1e4)):
        yield f"quadratic {size} {condition:.0f} boxed", quadratic(size, condition), [0.5] * size, 0.0, 1.0
    yield "quadratic 50 1000", quadratic(50, 1e3), [0.5] * 50, *free
    yield "quadratic 100 10000", quadratic(100, 1e4), [0.5] * 100, *free
    yield "quadratic 100 100 one-sided", quadratic(100, 1e2), [0.5] * 100, alternating(0.0, -INFINITY), alternating(
        INFINITY, 1.0
    )
    for side in (8, 20):
        yield f"torsion {side}", torsion(side), [0.0] * side**2, torsion_bound(side, -1.0), torsion_bound(side, 1.0)
    for size in (2, 10, 50):
        start = [-1.2 if i % 2 == 0 else 1.0 for i in range(size)]
        yield f"Rosenbrock {size}", sum_of_squares(rosenbrock), start, *free
        yield f"Rosenbrock {size} boxed", sum_of_squares(rosenbrock), start, -1.5, 0.8
    yield "driver 25", sum_of_squares(driver), [3.0] * 25, alternating(1.0, -100.0), 100.0
    yield "Beale", sum_of_squares(beale), [1.0, 1.0], *free
    yield "Beale boxed", sum_of_squares(beale), [1.0, 1.0], -4.5, 2.5
    for size in (4, 40):
        start = [3.0, -1.0, 0.0, 1.0] * (size // 4)
        yield f"Powell singular {size}", sum_of_squares(powell_singular), start, *free
        yield f"Powell singular {size} bounded below", sum_of_squares(powell_singular), start, 0.05, INFINITY
    yield "Wood", sum_of_squares(wood), [-3.0, -1.0, -3.0, -1.0], *free
    yield "Wood boxed", sum_of_squares(wood), [-3.0, -1.0, -3.0, -1.0], -10.0, 0.9
    yield "Brown badly scaled", sum_of_squares(brown_badly_scaled), [1.0, 1.0], *free
    yield "Brown badly scaled boxed", sum_of_squares(brown_badly_scaled), [1.0, 1.0], 0.0, alternating(9e5, 1.0)
    yield "trigonometric 10", sum_of_squares(trigonometric), [0.1] * 10, *free
    yield "trigonometric 10 boxed", sum_of_squares(trigonometric), [0.1] * 10, 0.02, 0.2
    for size in (10, 50):
        start = [1.0 - (i + 1) / size for i in range(size)]
        yield f"variably dimensioned {size}", sum_of_squares(variably_dimensioned), start, *free
        yield f"variably dimensioned {size} boxed", sum_of_squares(variably_dimensioned), start, 0.0, alternating(
            0.9, 2.0
        )
    for size in (4, 50):
        start = [i + 1.0 for i in range(size)]
        yield f"penalty I {size}", sum_of_squares(penalty), start, *free
        yield f"penalty I {size} bounded below", sum_of_squares(penalty), start, alternating(0.3, -INFINITY), INFINITY
    yield "Broyden tridiagonal 30", sum_of_squares(broyden_tridiagonal), [-1.0] * 30, *free
    yield "Broyden tridiagonal 30 boxed", sum_of_squares(broyden_tridiagonal), [-1.0] * 30, -0.65, 0.0
    start = [(i + 1) / 21 * ((i + 1) / 21 - 1.0) for i in range(20)]
    yield "discrete boundary value 20", sum_of_squares(discrete_boundary_value), start, *free
    yield "discrete boundary value 20 bounded below", sum_of_squares(discrete_boundary_value), start, -0.1, INFINITY
    yield "Box 3", sum_of_squares(box), [0.0, 10.0, 20.0], *free
    yield "Box 3 boxed", sum_of_squares(box), [0.0, 10.0, 20.0], 0.0, 9.5
    yield "helical valley", sum_of_squares(helical_valley), [-1.0, 0.0, 0.0], *free
    yield "Freudenstein and Roth", sum_of_squares(freudenstein_roth), [0.5, -2.0], *free
    yield "Freudenstein and Roth boxed", sum_of_squares(freudenstein_roth), [0.5, -2.0], -10.0, 10.0
    yield "log-sum-exp 50", log_sum_exp(50), [1.0] * 50, *free
    yield "log-sum-exp 50 boxed", log_sum_exp(50), [1.0] * 50, -0.05, 1.0
    yield "logistic regression 20", logistic_regression(20), [0.0] * 20, *free
    yield "logistic regression 20 bounded below", logistic_regression(20), [0.0] * 20, 0.0, INFINITY


def torsion_bound(side, sign):
    def distance(i):
        row, column = divmod(i, side)
        return sign * min(row + 1, column + 1, side - row, side - column) / (side + 1)

    return distance


def solve(function, start, lower, upper, options):
    return minimize(function, start, jac=True, method="L-BFGS-B", bounds=list(zip(lower, upper)), options=options)


def solution(found):
    return {"value": float(found.fun), "evaluations": int(found.nfev)}


def minimum(function, found, lower, upper):
    """Starts again from where it stopped, as long as that helps: some searches stop early."""
    while True:
        again = solve(function, found.x, lower, upper, SETTINGS["tight"])
        if again.fun >= found.fun - 1e-12 * (1.0 + abs(found.fun)):
            return found
        found = again


def main():
    results = []
    for name, function, start, lower, upper in problems():
        lower, upper = (
            [float(bound(i)) if callable(bound) else bound for i in range(len(start))] for bound in (lower, upper)
        )
        start = numpy.array(start)
        ends = {setting: solve(function, start, lower, upper, SETTINGS[setting]) for setting in SETTINGS}
        least = minimum(function, ends["tight"], lower, upper)
        result = {"name": name, "value_at_start": float(function(start)[0]), "minimum": float(least.fun)}
        # Of larger problems the file would grow large.
        if len(start) <= 25:
            result["point"] = least.x.tolist()
        results.append(result | {setting: solution(end) for setting, end in ends.items()})
    path = pathlib.Path(__file__).with_name("scipy.json")
    lines = ",\n".join("  " + json.dumps(result) for result in results)
    path.write_text(f'{{"scipy": "{scipy.__version__}", "problems": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
