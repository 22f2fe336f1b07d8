"""The cases, by what the operators do."""

from collections.abc import Iterator

from case import Case

from . import arithmetic, control, convolution, elementwise, layout, linear, normalisation, pooling, reduction, resize
from . import shape, unsupported


def supported() -> Iterator[Case]:
    modules = (
        arithmetic,
        elementwise,
        linear,
        convolution,
        pooling,
        normalisation,
        reduction,
        layout,
        resize,
        shape,
        control,
    )
    for module in modules:
        yield from module.cases()


def refused() -> Iterator[Case]:
    yield from unsupported.cases()
