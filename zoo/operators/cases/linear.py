"""Matrix products and attention."""

from collections.abc import Iterator

import numpy as np

from case import Case, case


def cases() -> Iterator[Case]:
    yield from einsum()
    yield from gemm()
    yield from matmul()
    yield from batched()
    yield from attention()


def einsum() -> Iterator[Case]:
    def sum_of(variant: str, sample: list[int], equation: str, **constants) -> Case:
        operands = ", ".join(["x", *constants])
        return case("Einsum", variant, sample, f'y = Einsum<equation="{equation}">({operands})', **constants)

    yield sum_of("matrix", [3, 4], "bti,io->bto", w=(4, 5))
    yield sum_of("matrix_transposed", [3, 4], "bti,oi->bto", w=(5, 4))
    yield sum_of("result_transposed", [3, 4], "bti,io->bot", w=(4, 5))
    yield sum_of("two_inner_axes", [3, 4], "btc,tco->bo", w=(3, 4, 5))
    yield sum_of("two_outer_axes", [4], "bl,ltc->btc", w=(4, 3, 2))
    yield sum_of("matrix_of_each_head", [2, 3, 4], "bhti,hio->bhto", w=(2, 4, 5))
    yield sum_of("element_by_element", [3, 4], "bti,ti->bti", w=(3, 4))
    yield sum_of("outer_product", [3], "bi,j->bij", w=(4,))
    yield sum_of("constant_first_axis_last", [3, 4], "bij,kj -> b k i", w=(5, 4))
    yield sum_of("sum", [3, 4], "bij->bi")
    yield sum_of("transposed", [3, 4], "bij->bji")
    yield sum_of("two_constants", [3], "bi,ij,jk->bk", w=(3, 4), v=(4, 2))
    yield case("Einsum", "constant_first", [3, 4], 'y = Einsum<equation="oi,bti->bto">(w, x)', w=(5, 4))
    yield case("Einsum", "scores", [2, 3, 4], 't = Tanh(x) y = Einsum<equation="bhid,bhjd->bhij">(x, t)')
    yield case("Einsum", "steps_before_heads", [3, 2, 4], 't = Tanh(x) y = Einsum<equation="bihd,bjhd->bhij">(x, t)')
    yield case("Einsum", "inner_product", [3, 4], 't = Tanh(x) y = Einsum<equation="bti,bti->bt">(x, t)')
    yield case("Einsum", "sum_over_one", [3, 4], 't = Tanh(x) y = Einsum<equation="bti,bsi->bt">(x, t)')


def gemm() -> Iterator[Case]:
    yield case("Gemm", "plain", [4], "y = Gemm(x, w)", w=(4, 3))
    yield case("Gemm", "bias", [4], "y = Gemm(x, w, b)", w=(4, 3), b=(3,))
    yield case("Gemm", "transposed", [4], "y = Gemm<transB=1>(x, w, b)", w=(3, 4), b=(3,))
    yield case("Gemm", "alpha_beta", [4], "y = Gemm<alpha=0.5, beta=2.0>(x, w, b)", w=(4, 3), b=(3,))
    yield case("Gemm", "alpha_alone", [4], "y = Gemm<alpha=-1.5>(x, w)", w=(4, 3))
    yield case("Gemm", "beta_zero", [4], "y = Gemm<beta=0.0>(x, w, b)", w=(4, 3), b=(3,))
    yield case("Gemm", "scalar_bias", [4], "y = Gemm(x, w, b)", w=(4, 3), b=0.7)
    yield case("Gemm", "bias_of_one", [4], "y = Gemm(x, w, b)", w=(4, 3), b=(1,))
    yield case("Gemm", "bias_row", [4], "y = Gemm(x, w, b)", w=(4, 3), b=(1, 3))
    yield case("Gemm", "bias_one_by_one", [4], "y = Gemm<beta=3.0>(x, w, b)", w=(4, 3), b=(1, 1))
    yield case("Gemm", "one_output", [4], "y = Gemm(x, w, b)", w=(4, 1), b=(1,))
    yield case("Gemm", "one_input", [1], "y = Gemm(x, w, b)", w=(1, 3), b=(3,))
    yield case("Gemm", "opset_7", [4], "y = Gemm<transB=1, beta=0.5>(x, w, b)", opset=7, w=(3, 4), b=(3,))
    yield case("Gemm", "opset_9", [4], "y = Gemm(x, w, b)", opset=9, w=(4, 3), b=(3,))
    yield case("Gemm", "transposed_node", [4], "t = Transpose(w) y = Gemm(x, t, b)", w=(3, 4), b=(3,))
    yield case("Gemm", "value_as_bias", [4], "a = Gemm(x, w) y = Gemm(x, v, a)", w=(4, 3), v=(4, 3))
    yield case(
        "Gemm",
        "time_distributed",
        [3, 4],
        "r = Reshape(x, s) g = Gemm(r, w, b) y = Reshape(g, back)",
        s=[-1, 4],
        back=[-1, 3, 2],
        w=(4, 2),
        b=(2,),
    )


def matmul() -> Iterator[Case]:
    yield case("MatMul", "table", [4], "y = MatMul(x, w)", w=(4, 3))
    yield case("MatMul", "sequence", [3, 4], "y = MatMul(x, w)", w=(4, 2))
    yield case("MatMul", "one_step", [1, 4], "y = MatMul(x, w)", w=(4, 2))
    yield case("MatMul", "three_axes", [2, 3, 4], "y = MatMul(x, w)", w=(4, 2))
    yield case("MatMul", "leading_one", [3, 4], "y = MatMul(x, w)", w=(1, 4, 2))
    yield case("MatMul", "leading_ones", [2, 3, 4], "y = MatMul(x, w)", w=(1, 1, 4, 5))
    yield case("MatMul", "vector", [3, 4], "y = MatMul(x, w)", w=(4,))
    yield case("MatMul", "matrix_of_each_head", [2, 3, 4], "y = MatMul(x, w)", w=(2, 4, 5))
    yield case("MatMul", "constant_first", [3, 4], "y = MatMul(w, x)", w=(2, 3))
    yield case("MatMul", "constant_first_three_axes", [2, 3, 4], "y = MatMul(w, x)", w=(5, 3))
    yield case("MatMul", "constant_first_leading_one", [3, 4], "y = MatMul(w, x)", w=(1, 2, 3))
    yield case("MatMul", "vector_first", [3, 4], "y = MatMul(w, x)", w=(3,))
    yield case("MatMul", "constants", [4], "p = MatMul(w, v) y = MatMul(x, p)", w=(4, 2), v=(2, 3))
    yield case("MatMul", "constants_with_vector", [2], "p = MatMul(w, v) y = Mul(x, p)", w=(2, 3), v=(3,))
    yield case("MatMul", "opset_7", [3, 4], "y = MatMul(x, w)", opset=7, w=(4, 2))
    transposed = "t = Transpose<perm=[0, 2, 1]>(x)"
    yield case("MatMul", "with_itself", [3, 4], f"{transposed} y = MatMul(x, t)")
    yield case("MatMul", "itself_first", [3, 4], f"{transposed} y = MatMul(t, x)")
    yield case("MatMul", "heads", [2, 3, 4], "t = Transpose<perm=[0, 1, 3, 2]>(x) y = MatMul(x, t)")
    yield case("MatMul", "shared_head", [2, 3, 3], "m = ReduceMean<axes=[1]>(x) y = MatMul(x, m)")
    yield case(
        "MatMul",
        "linear_attention",
        [4, 3],
        "k = MatMul(x, w) kt = Transpose<perm=[0, 2, 1]>(k) c = MatMul(kt, x) y = MatMul(k, c)",
        w=(3, 2),
    )


def batched() -> Iterator[Case]:
    """The batch merged with heads or steps, or not the first axis."""
    yield case(
        "MatMul",
        "time_distributed",
        [3, 4],
        "r = Reshape(x, s) m = MatMul(r, w) a = Add(m, b) t = Relu(a) y = Reshape(t, back)",
        s=[-1, 4],
        back=[-1, 3, 2],
        w=(4, 2),
        b=(2,),
    )
    yield case(
        "MatMul",
        "steps_first",
        [3, 4],
        "t = Transpose<perm=[1, 0, 2]>(x) m = MatMul(t, w) a = Add(m, b) r = Relu(a) y = Transpose<perm=[1, 0, 2]>(r)",
        w=(4, 2),
        b=(2,),
    )
    yield case(
        "MatMul",
        "heads_merged_with_batch",
        [2, 3, 4],
        """q = Reshape(x, merged) k = Transpose<perm=[0, 2, 1]>(q) s = MatMul(q, k) p = Softmax<axis=-1>(s)
        v = MatMul(p, q) y = Reshape(v, apart)""",
        merged=[-1, 3, 4],
        apart=[-1, 2, 3, 4],
    )
    # [L, N, E] to [L, N h, d] to [N h, L, d] and back, as PyTorch writes its multi-head attention.
    yield case(
        "MatMul",
        "attention_steps_first",
        [3, 4],
        """t = Transpose<perm=[1, 0, 2]>(x) qkv = MatMul(t, w) q0, k0, v0 = Split<axis=2>(qkv)
        q1 = Reshape(q0, merged) q = Transpose<perm=[1, 0, 2]>(q1)
        k1 = Reshape(k0, merged) k = Transpose<perm=[1, 2, 0]>(k1)
        v1 = Reshape(v0, merged) v = Transpose<perm=[1, 0, 2]>(v1)
        scaled = Mul(q, scale) s = MatMul(scaled, k) p = Softmax<axis=-1>(s) o = MatMul(p, v)
        o1 = Transpose<perm=[1, 0, 2]>(o) o2 = Reshape(o1, joined) o3 = MatMul(o2, u) y = Transpose<perm=[1, 0, 2]>(o3)""",
        opset=17,
        w=(4, 12),
        u=(4, 4),
        scale=float(np.sqrt(0.5)),
        merged=[3, -1, 2],
        joined=[3, -1, 4],
    )
    yield case(
        "Softmax",
        "steps_first",
        [3, 4],
        "t = Transpose<perm=[1, 0, 2]>(x) s = Softmax<axis=-1>(t) y = Transpose<perm=[1, 0, 2]>(s)",
    )
    yield case(
        "LayerNormalization",
        "steps_first",
        [3, 4],
        "t = Transpose<perm=[1, 0, 2]>(x) n = LayerNormalization(t, s, b) y = Transpose<perm=[1, 0, 2]>(n)",
        s=(4,),
        b=(4,),
    )
    yield case(
        "LayerNormalization",
        "time_distributed",
        [3, 4],
        "r = Reshape(x, flat) n = LayerNormalization(r, s, b) y = Reshape(n, back)",
        flat=[-1, 4],
        back=[-1, 3, 4],
        s=(4,),
        b=(4,),
    )
    yield case(
        "BatchNormalization",
        "time_distributed",
        [3, 4],
        "r = Reshape(x, flat) n = BatchNormalization(r, s, b, m, v) y = Reshape(n, back)",
        flat=[-1, 4],
        back=[-1, 3, 4],
        s=(4,),
        b=(4,),
        m=(4,),
        v=np.linspace(0.5, 2.0, 4, dtype=np.float32),
    )
    yield case(
        "ReduceMean",
        "steps_first",
        [3, 4],
        "t = Transpose<perm=[1, 0, 2]>(x) y = ReduceMean<axes=[0], keepdims=0>(t)",
    )
    yield case("Gather", "last_step", [3, 4], "t = Transpose<perm=[1, 0, 2]>(x) y = Gather<axis=0>(t, i)", i=-1)


def attention() -> Iterator[Case]:
    one_head = "y = Attention<q_num_heads=1, kv_num_heads=1{}>(x, x, x{})"
    yield case("Attention", "causal", [3, 4], one_head.format(", is_causal=1", ""), opset=23)
    yield case("Attention", "mask", [3, 4], one_head.format("", ", m"), opset=23, m=(3, 3))
    yield case("Attention", "mask_of_truth", [3, 4], one_head.format("", ", m"), opset=23, m=np.tri(3) > 0)
    projected = "q = MatMul(x, wq) k = MatMul(x, wk) v = MatMul(x, wv)"
    weights = {"wq": (4, 4), "wk": (4, 4), "wv": (4, 6)}
    heads = "q_num_heads=2, kv_num_heads=2"
    yield case("Attention", "two_heads", [3, 4], f"{projected} y = Attention<{heads}>(q, k, v)", opset=23, **weights)
    yield case(
        "Attention", "one_head", [3, 4], f"{projected} y = Attention<q_num_heads=1, kv_num_heads=1>(q, k, v)", opset=23, **weights
    )
    yield case("Attention", "scale", [3, 4], f"{projected} y = Attention<{heads}, scale=0.3>(q, k, v)", opset=23, **weights)
    yield case("Attention", "of_itself", [3, 4], f"y = Attention<{heads}>(x, x, x)", opset=23)
    yield case("Attention", "four_axes", [2, 3, 4], "y = Attention(x, x, x)", opset=23)
    yield case(
        "Attention",
        "four_axes_scale",
        [2, 3, 4],
        "k = MatMul(x, wk) v = MatMul(x, wv) y = Attention<scale=0.25>(x, k, v)",
        opset=23,
        wk=(4, 4),
        wv=(4, 5),
    )
    yield case(
        "Attention",
        "fewer_queries",
        [3, 4],
        f"q = Slice(x, a, b, axes) y = Attention<{heads}>(q, x, x)",
        opset=23,
        a=[0],
        b=[1],
        axes=[1],
    )
