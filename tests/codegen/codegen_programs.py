"""Small programs, one construct each, whose modules the tests hold against the interpreter.

The last definition of a program is what is compiled. `SHAPES` gives the shape of those that are not on a concrete one,
`ARGUMENTS` what else their constructor is given. Everything stays below about 30 elements: the interpreter is slow.
"""

from __future__ import annotations

from applied_programs import APPLIED
from residual_programs import RESIDUALS

HEAD = "mint 1\n"

PARAMETRISATIONS = {
    f"scale_{name}": (
        f"layer A on Image[C, H, W] {{ param s : scale{per} with {bound} param b : bias{other} map x -> s * x + b }}"
    )
    for name, per, bound, other in (
        ("at_least_softplus", "", "diag >= 0.5", ""),
        ("at_least_abs", " (per = channel)", "diag >= 0.5 via abs", " (per = element)"),
        ("at_least_exp", "", "diag >= 0.25 via exp", " (per = channel)"),
        ("positive_softplus", " (per = channel)", "diag > 0", ""),
        ("positive_exp", "", "diag > 0 via exp", " (per = element)"),
        ("signed", "", "diag != 0", ""),
        ("signed_channel", " (per = channel)", "diag != 0", ""),
        ("signed_exp", " (per = channel)", "diag != 0 via signed_exp", ""),
        ("raw", "", "diag != 0 via raw", ""),
        ("raw_channel", " (per = channel)", "diag != 0 via raw", " (per = element)"),
        ("unit", "", "diag == 1", ""),
        ("sigmoid", "", "diag >= 0.5, diag <= 2", ""),
        ("negative_interval_of_sigmoid", " (per = channel)", "diag >= 0.25, diag <= 0.75", ""),
    )
}

CONV_DIAGONALS = {
    f"conv_{name}": (
        "layer A on Image[C, H, W] ensures lower, invertible "
        f"{{ index i : 2 param k[i] : conv 3x3 lower with {bound} param s : scale with diag > 0 "
        "map x -> s * x + sum[i](k[i](x)) }"
    )
    for name, bound in (
        ("at_least_softplus", "diag >= 0.5"),
        ("at_least_abs", "diag >= 0.5 via abs"),
        ("at_least_exp", "diag >= 0.5 via exp"),
        ("positive", "diag > 0"),
        ("positive_exp", "diag > 0 via exp"),
        ("nonnegative_abs", "diag >= 0"),
        ("nonnegative_square", "diag >= 0 via square"),
        ("unit", "diag == 1"),
        ("sigmoid", "diag >= 0.5, diag <= 2"),
    )
}

MAPS = {
    "conv_signed": """
layer A on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower with diag != 0
  param l : conv 1x1 lower with diag != 0 via signed_exp
  map x -> k(l(x))
}""",
    "conv_raw": """
layer A(tri: Dir) on Image[C, H, W] ensures tri, diag != 0, invertible {
  order corner
  param k : conv 2x2 tri (anchor = corner) with diag != 0 via raw init near_identity(std = 0.02)
  param s : scale (per = channel) with diag != 0 via raw
  map x -> k(x) / s
}
flow F on Image[2, 2, 3] { pair { A(tri = upper)  A(tri = lower) } }""",
    "conv_signed_family": """
layer A on Image[C, H, W] {
  order channel_major
  index i : 2
  param k[i] : conv 3x3 upper with diag != 0
  param l[i] : conv 1x1 upper
  tie diag(l[i]) * diag(k[i]) >= 0
  param t : scale with diag > 0
  map x -> t * x + sum[i](l[i](tanh(k[i](x))))
}""",
    "conv_channel_major": """
layer A on Image[C, H, W] ensures upper, invertible {
  order channel_major
  param k : conv 3x3 upper with diag > 0
  map x -> k(x)
}""",
    "conv_corner": """
layer A(tri: Dir) on Image[C, H, W] ensures tri, diag > 0, invertible {
  order corner
  param k : conv 2x2 tri (anchor = corner) with diag > 0
  param l : conv 3x2 tri (anchor = corner) with diag > 0
  map x -> k(l(x))
}
flow F on Image[2, 3, 3] { A(tri = lower)  A(tri = upper) }""",
    "conv_cinc": """
order cinc = (h + w, -c)
layer A on Image[C, H, W] ensures lower, invertible {
  order cinc
  param k : conv 3x3 lower (anchor = bottom_right) with diag != 0 init near_identity(std = 0.02)
  param b : bias
  map x -> k(x) + b
}""",
    "conv_negative_order": """
order down = (h - w, 2 * c)
layer A on Image[C, H, W] ensures lower, invertible {
  order down
  param k : conv 3x3 lower (anchor = bottom_left) with diag > 0
  param l : conv 1x3 lower (anchor = top_left) with diag > 0
  map x -> elu(k(x)) + l(x)
}""",
    "conv_deep_order": """
order deep = (-c, 2 * h - w, w)
layer A on Image[C, H, W] ensures upper, invertible {
  order deep
  param k : conv 3x3 strict upper
  map x -> x + k(tanh(x)) + tanh(x)
}""",
    "conv_anchors": """
layer A on Image[C, H, W] ensures lower, invertible {
  order channel_major
  param a : conv 2x3 lower (anchor = bottom_right) with diag > 0
  param b : conv 2x3 lower (anchor = bottom_left) with diag > 0
  param c : conv 2x3 lower (anchor = top_right) with diag > 0
  param d : conv 2x3 lower (anchor = top_left) with diag > 0
  map x -> a(tanh(x)) + b(x) + c(elu(x)) + d(x)
}""",
    "conv_anchor_given": """
layer A(tri: Dir) on Image[C, H, W] ensures tri, diag > 0, invertible {
  param a : conv 3x4 tri (anchor = (1, 1), dilation = (1, 2)) with diag > 0
  param b : conv 2x3 tri (anchor = corner) with diag >= 0
  map x -> a(x) + b(x)
}
flow F on Image[2, 3, 3] ensures invertible { A(tri = lower) A(tri = upper) }""",
    "conv_flat_and_tall": """
layer A on Image[C, H, W] ensures lower, invertible {
  param a : conv 1x3 lower with diag > 0
  param b : conv 3x1 lower with diag > 0
  param c : conv 5x3 lower with diag >= 0
  map x -> a(x) + b(elu(x)) + c(x)
}""",
    "conv_even": """
layer A on Image[C, H, W] ensures upper, invertible {
  param a : conv 2x2 upper (anchor = corner) with diag > 0
  param b : conv 4x2 upper (anchor = top_left) with diag > 0
  map x -> a(b(x))
}""",
    "conv_strict_product": """
layer A on Image[C, H, W] ensures lower, invertible {
  order channel_major
  param k, l : conv 3x3 strict lower
  map x -> x * exp(k(x) / 4) + l(x)
}""",
    "conv_strict_gate": """
layer A on Image[C, H, W] ensures lower, diag >= 0.5, invertible {
  param k : conv 3x3 strict lower
  map x -> (x + 0.5 * tanh(x)) * (0.5 + sigmoid(k(x)))
}""",
    "conv_only_strict": """
layer A on Image[C, H, W] ensures lower, diag == 1, invertible {
  param k : conv 3x3 strict lower
  map x -> x + elu(k(x))
}""",
    "conv_of_constants": """
layer A on Image[C, H, W] ensures diagonal, invertible {
  param b : bias (per = element)
  param k : conv 3x3
  map x -> x * exp(k(b)) + k(tanh(b))
}""",
    "conv_orders_by_formal": """
layer A(o: Order = raster, tri: Dir = lower) on Image[C, H, W] ensures tri, diag > 0, invertible {
  order o
  param k : conv 3x3 tri with diag > 0
  map x -> k(x) + elu(x)
}
flow F on Image[2, 2, 3] ensures invertible { A  A(o = channel_major, tri = upper)  A(o = corner) }""",
    "linear_lower": """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  param b : bias
  map x -> V(x) + b
}""",
    "linear_raw": """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag != 0 via raw init identity
  param W : linear lower
  tie diag(W) * diag(V) >= 0
  map x -> V(x) + W(tanh(x))
}""",
    "linear_upper_signed": """
layer A on Vec[D] ensures upper, diag != 0, invertible {
  param V : linear upper with diag != 0
  map x -> V(x)
}""",
    "linear_strict": """
layer A on Vec[D] ensures lower, invertible {
  param S, V : linear strict lower
  map x -> x * exp(S(x)) + V(x)
}""",
    "linear_of_constants": """
layer A on Vec[D] ensures diagonal, invertible {
  param b : bias on Vec[2 * D]
  param V : linear from Vec[2 * D] to Vec[D]
  map x -> x + tanh(V(b))
}""",
    "linear_twice": """
layer A(tri: Dir) on Vec[D] ensures tri, diag >= 1, invertible {
  param V : linear tri with diag >= 1
  map x -> V(V(x))
}
flow F on Vec[4] { pair { A(tri = upper)  A(tri = lower) } }""",
    "linear_cancels": """
layer A on Vec[D] ensures lower, diag == 1 {
  param V : linear lower with diag == 1
  map x -> x + tanh(V(x) - x)
}""",
    "linear_elementwise_after": """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  map x -> leaky_relu(elu(V(x)) + V(x), 0.3)
}""",
}

TIES = {
    "tie_two": """
layer A on Vec[D] ensures lower, invertible {
  param t    : scale with diag > 0
  param U, V : linear lower
  tie diag(U) * diag(V) >= 0
  map x -> t * x + U(elu(V(x)))
}""",
    "tie_three": """
layer A(K: Nat = 2) on Image[C, H, W] ensures lower, invertible {
  order channel_major
  index i, j : K
  param t        : scale with diag >= 1e-12 via abs init ones
  param W1[j]    : conv 3x3 lower
  param W2[i, j] : conv 3x3 lower
  param W3[i]    : conv 3x3 lower
  param b1[j], b2[i], b3 : bias
  tie diag(W3[i]) * diag(W2[i, j]) * diag(W1[j]) >= 0
  map x {
    let u[j] = elu(W1[j](x) + b1[j])
    let v[i] = elu(sum[j](W2[i, j](u[j])) + b2[i])
    return t * x + sum[i](W3[i](v[i])) + b3
  }
}""",
    "tie_four_by_two": """
layer A(K: Nat = 2, M: Nat = 3) on Vec[D] ensures lower, invertible {
  index i, j : K
  index k : M
  param W1[j]    : linear lower
  param W2[k, j] : linear lower
  param W3[i, k] : linear lower
  param W4[i]    : linear lower
  tie diag(W4[i]) * diag(W3[i, k]) >= 0
  tie diag(W2[k, j]) * diag(W1[j]) >= 0
  map x -> x + sum[i](W4[i](elu(sum[k](W3[i, k](elu(sum[j](W2[k, j](elu(W1[j](x))))))))))
}""",
    "tie_negative": """
layer A on Vec[D] ensures lower, invertible {
  param U, V : linear lower
  tie diag(U) * diag(V) <= 0
  map x -> x - U(elu(V(x)))
}""",
    "tie_negative_three": """
layer A on Image[C, H, W] ensures lower, invertible {
  index i : 2
  param U[i], V : conv 3x3 lower
  param s[i] : scale (per = channel)
  tie diag(s[i]) * diag(U[i]) * diag(V) <= 0
  map x -> x - sum[i](s[i] * U[i](elu(V(x))))
}""",
    "tie_scale_channel": """
layer A on Image[C, H, W] ensures lower, invertible {
  param s : scale (per = channel) with diag != 0
  param V : conv 3x3 lower
  tie diag(V) * diag(s) >= 0
  map x -> s * x + V(tanh(x))
}""",
    "tie_scale_element": """
layer A on Image[C, H, W] ensures diagonal, invertible {
  param s : scale with diag != 0
  param u : scale (per = channel)
  param v : scale
  tie diag(s) * diag(u) * diag(v) >= 0
  map x -> s * x + v * tanh(u * x)
}""",
    "tie_scale_channel_as_pivot_of_family": """
layer A on Image[C, H, W] ensures lower, invertible {
  index i : 3
  param U : conv 3x3 lower
  param s[i] : scale (per = channel)
  tie diag(s[i]) * diag(U) >= 0
  map x -> x + sum[i](s[i] * elu(U(x)))
}""",
    "tie_minus_alone": """
layer A on Vec[D] ensures lower, invertible {
  param U, V : linear lower
  tie -diag(U) * diag(V) >= 0
  map x -> x - U(elu(V(x)))
}""",
    "tie_shared_factor": """
layer A on Vec[D] ensures lower, invertible {
  param U, V, X : linear lower
  tie diag(U) * diag(V) >= 0
  tie diag(V) * diag(X) >= 0
  map x -> x + U(elu(V(x))) + X(elu(V(x))) + U(tanh(X(x)))
}""",
    "tie_scale_vec": """
layer A on Vec[D] ensures lower, invertible {
  param s : scale with diag != 0
  param V : linear lower
  tie diag(V) * diag(s) >= 0
  map x -> s * x + V(tanh(x))
}""",
    "tie_swapped_indices": """
layer A(K: Nat = 2, M: Nat = 3) on Vec[D] ensures lower, invertible {
  index i : K
  index m : M
  param U[m]    : linear lower
  param V[m, i] : linear lower
  param X[i]    : linear lower
  tie diag(U[m]) * diag(V[m, i]) * diag(X[i]) >= 0
  map x {
    let p[m] = elu(U[m](x))
    let q[i] = elu(sum[m](V[m, i](p[m])))
    return x + sum[i](X[i](q[i]))
  }
}""",
}

FAMILIES = {
    "statistics_in_a_sum": """
layer A on Image[C, H, W] ensures lower, invertible {
  index i, j : 3
  param n : normalize (eps = 0.1)
  param k[j] : conv 1x1 lower with diag > 0
  map x -> sum[i](n(tanh(x)) + x) + sum[j](n(k[j](x)))
}""",
    "family_one": """
layer A(K: Nat = 3) on Vec[D] ensures lower, invertible {
  index i : K
  param V[i] : linear lower with diag >= 0.5
  map x -> sum[i](V[i](x))
}""",
    "family_two_summed": """
layer A(K: Nat = 2, M: Nat = 3) on Vec[D] ensures lower, invertible {
  index i : K
  index m : M
  param t       : scale with diag > 0
  param V[i, m] : linear lower with diag >= 0
  map x -> t * x + sum[i, m](V[i, m](softplus(x)))
}""",
    "family_two_summed_of_let": """
layer A(K: Nat = 2, M: Nat = 3) on Image[C, H, W] ensures lower, invertible {
  index i : K
  index m : M
  param V[m] : conv 3x3 lower with diag >= 0
  param U[i, m] : conv 1x1 lower with diag >= 0
  map x {
    let u[m] = elu(V[m](x))
    return x + sum[i, m](U[i, m](u[m]))
  }
}""",
    "family_three": """
layer A on Vec[D] ensures lower, invertible {
  index i : 2
  index j : 3
  index k : 2
  param P[i, j, k] : linear lower with diag >= 0
  param q[j, k] : bias
  map x {
    let u[j, k] = tanh(x + q[j, k])
    let v[i] = sum[j, k](P[i, j, k](u[j, k]))
    return x + sum[i](elu(v[i]))
  }
}""",
    "family_three_kept_in_the_middle": """
layer A on Vec[D] ensures lower, invertible {
  index i, j, k : 2
  param P[i, j, k] : linear lower with diag >= 0
  map x {
    let u[i, k] = tanh(x) + sum[j](P[i, j, k](x))
    let v[k, i] = sum[j](P[i, k, j](u[j, i]))
    return x + sum[i, k](v[i, k])
  }
}""",
    "family_swapped": """
layer A(K: Nat = 3) on Vec[D] ensures lower, invertible {
  index i, j : K
  param V[i, j] : linear lower with diag >= 0
  map x {
    let u[j] = sum[i](V[j, i](x))
    let v[i] = sum[j](V[j, i](elu(u[j])))
    return x + sum[i](elu(v[i])) + sum[i, j](V[i, j](elu(u[j]))) + sum[j, i](V[j, i](elu(u[j])))
  }
}""",
    "family_conv_swapped": """
layer A(K: Nat = 2) on Image[C, H, W] ensures upper, invertible {
  order channel_major
  index i, j : K
  param V[i, j] : conv 3x3 upper with diag >= 0
  param b[j, i] : bias
  map x {
    let u[i, j] = elu(V[i, j](x) + b[j, i])
    let v[j] = sum[i](V[j, i](u[i, j]))
    return x + sum[j](v[j])
  }
}""",
    "family_scaled_terms": """
layer A(K: Nat = 2) on Image[C, H, W] ensures lower, invertible {
  index i : K
  param s[i] : scale (per = channel) with diag > 0
  param r[i] : scale with diag > 0
  param V[i] : conv 3x3 lower with diag >= 0
  map x -> x + sum[i](s[i] * V[i](x)) + sum[i](r[i] * tanh(V[i](x)))
}""",
    "family_of_scales": """
layer A(K: Nat = 4) on Vec[D] ensures diagonal, invertible {
  index i : K
  param s[i] : scale with diag > 0
  map x -> sum[i](s[i] * x)
}""",
    "family_of_scales_only": """
layer A(K: Nat = 2) on Image[C, H, W] ensures diagonal, invertible {
  index i : K
  param s[i] : scale (per = channel) with diag > 0
  param b[i] : bias
  map x -> sum[i](s[i]) * x + sum[i](b[i] * s[i])
}""",
    "family_missing_index": """
layer A(K: Nat = 3) on Vec[D] ensures diagonal, invertible {
  index i : K
  map x -> sum[i](x)
}""",
    "family_missing_index_of_map": """
layer A(K: Nat = 3) on Vec[D] ensures lower, invertible {
  index i, j : K
  param V[i] : linear lower with diag > 0
  map x -> sum[i, j](V[i](x)) + sum[j](tanh(x)) + sum[i, j](tanh(V[i](x)))
}""",
    "family_weight_only_sum": """
layer A(K: Nat = 3) on Image[C, H, W] ensures lower, invertible {
  index i, j : K
  param V[i, j] : conv 3x3 lower with diag > 0
  map x {
    let u[j] = sum[i](V[i, j](x))
    return sum[i, j](V[i, j](u[j])) + sum[i, j](V[i, j](x))
  }
}""",
    "family_argument_only_sum": """
layer A(K: Nat = 3) on Image[C, H, W] ensures lower, invertible {
  index i : K
  param V : conv 3x3 lower with diag > 0
  param b[i] : bias
  map x -> x + sum[i](V(tanh(x + b[i])))
}""",
    "family_grouped": """
layer A(K: Nat = 3) on Image[C, H, W] ensures lower, invertible {
  index i : K
  param V[i], U[i] : conv 3x3 lower with diag >= 0
  map x {
    let u[i] = elu(V[i](x))
    let v[i] = elu(U[i](u[i]))
    return x + sum[i](v[i])
  }
}""",
    "family_rest_in_batch": """
layer A(K: Nat = 3) on Image[C, H, W] ensures lower, invertible {
  index i : K
  param V[i], U : conv 3x3 lower with diag >= 0
  map x {
    let u[i] = elu(V[i](x))
    let v[i] = tanh(U(u[i]))
    return x + sum[i](v[i])
  }
}""",
    "family_grouped_rest_free_summed": """
layer A on Vec[D] ensures lower, invertible {
  index i : 2
  index j : 2
  index k : 3
  index l : 2
  param V[i, j, k] : linear lower with diag >= 0
  param b[i, j] : bias
  param c[l] : bias
  map x {
    let u[l, i, j] = tanh(x + b[i, j] + c[l])
    let v[k, l, i] = sum[j](V[i, j, k](u[l, i, j]))
    return x + sum[i, k, l](elu(v[k, l, i]))
  }
}""",
    "family_declared_in_another_order": """
layer A on Image[C, H, W] ensures lower, invertible {
  index b : 3
  index a : 2
  param V[a, b] : conv 1x1 lower with diag >= 0
  param d[a, b] : bias (per = element)
  map x {
    let u[a, b] = elu(V[a, b](x) + d[a, b])
    return x + sum[b, a](u[a, b])
  }
}""",
    "family_long_index_names": """
layer A on Vec[D] ensures lower, invertible {
  index first : 2
  index second : 3
  param V[first, second] : linear lower with diag >= 0
  map x {
    let u[second] = tanh(sum[first](V[first, second](x)))
    return x + sum[second](u[second])
  }
}""",
    "family_of_one": """
layer A(K: Nat = 1) on Image[C, H, W] ensures lower, invertible {
  index i, j : K
  param V[i, j] : conv 3x3 lower with diag >= 0
  map x -> x + sum[i, j](V[i, j](elu(x)))
}""",
    "family_index_letters_of_events": """
layer A on Image[C, H, W] ensures lower, invertible {
  index c : 2
  index h : 2
  index b : 3
  param V[c, h], U[h, b] : conv 1x1 lower with diag >= 0
  map x {
    let u[h] = sum[c](V[c, h](x))
    let v[b] = sum[h](U[h, b](elu(u[h])))
    return x + sum[b](tanh(v[b]))
  }
}""",
}

FORMULAS = {
    "let_reused": """
layer A on Image[C, H, W] ensures lower, invertible {
  param V : conv 3x3 lower with diag >= 0
  map x {
    let u = elu(V(x))
    let v = u + V(u)
    return x + u + tanh(v) + u + V(v)
  }
}""",
    "let_of_variable": """
layer A on Vec[D] ensures diagonal, invertible {
  map x {
    let u = x
    let v = u + tanh(u)
    let p = v
    return p + 2 * u
  }
}""",
    "let_of_constant": """
layer A on Vec[D] ensures lower, invertible {
  param b : bias
  param V : linear lower with diag > 0
  map x {
    let c = tanh(b) / 2
    let e = exp(c)
    return e * V(x) + c
  }
}""",
    "let_not_used": """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  map x {
    let u = tanh(V(x))
    let v = V(u)
    return V(x)
  }
}""",
    "let_in_family": """
layer A on Vec[D] ensures lower, invertible {
  index i, j : 2
  param V[i, j] : linear lower with diag >= 0
  map x {
    let u[i, j] = V[i, j](x)
    let v[j, i] = u[i, j] + u[j, i]
    let p[i] = sum[j](tanh(u[i, j]) + v[j, i])
    return x + sum[j](p[j]) + sum[j, i](u[i, j])
  }
}""",
    "negative_diagonal": "layer A on Vec[D] ensures diagonal, invertible { map x -> -x }",
    "negative_triangular": """
layer A on Image[C, H, W] ensures lower, invertible {
  param V : conv 3x3 lower with diag > 0
  map x -> -V(x) - tanh(x)
}""",
    "free_sign_and_curve": """
layer A on Image[C, H, W] ensures diagonal, invertible {
  param s : scale (per = channel) with diag != 0
  map x -> s * (x + 0.5 * tanh(x))
}""",
    "free_sign_triangular": """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag != 0
  map x -> leaky_relu(V(x), 0.2)
}""",
    "division": """
layer A(K: Nat = 3) on Vec[D] ensures lower, invertible {
  param s : scale with diag != 0
  param V : linear strict lower
  map x -> x / s / (1 + exp(V(x))) / 2 + 1 / s
}""",
    "division_curve": """
layer A on Vec[D] ensures lower, invertible {
  param s : scale with diag > 0
  param V : linear strict lower
  map x -> (2 * x + tanh(x)) / (1 + exp(V(x))) - tanh(x / s) * 0
}""",
    "sizes_as_numbers": """
layer A(K: Nat = 3) on Image[C, H, W] ensures lower, invertible {
  index i : 2 * K
  param V[i] : conv 3x3 lower with diag >= 0
  map x -> x / K + sum[i](V[i](elu(x))) / (2 * K) + x * C - H / W
}""",
    "numbers": """
layer A on Vec[D] ensures diagonal, invertible {
  map x -> 1e-3 * x + 2.5 + (3 - 1) * x - -0.5 + 2 * tanh(1e-2 + x / 3) - 1 / 7
}""",
    "elementwise": """
layer A on Image[C, H, W] ensures diagonal, invertible {
  param t : scale with diag > 0
  map x -> t * x + tanh(x)
}""",
    "elementwise_affine": """
layer A on Image[C, H, W] ensures diagonal, invertible {
  param a, b : bias (per = element)
  map x -> x * exp(tanh(a)) + b
}""",
    "identity": "layer A on Vec[D] ensures diagonal, invertible { map x -> x }",
    "shift_by_number": "layer A on Image[C, H, W] ensures diagonal, invertible { map x -> x + 2 }",
    "scaled_by_number": "layer A on Vec[D] ensures diagonal, invertible { map x -> 2 * x }",
    "product_of_growing": "layer A on Vec[D] ensures diagonal, invertible { map x -> x + exp(x) * softplus(x) }",
    "injective_layer": "layer A on Vec[D] ensures injective { map x -> tanh(x) }",
    "injective_moving": """
layer A on Vec[D] ensures lower, injective {
  param V : linear strict lower
  map x -> sigmoid(x) + V(x)
}""",
    "every_activation": """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag >= 0
  param S : linear strict lower
  map x -> x + elu(V(x)) + relu(V(x)) + leaky_relu(V(x), 0.2) + softplus(V(x)) + tanh(V(x)) + sigmoid(V(x))
    + exp(V(x) / 8) + identity(V(x)) + abs(S(x)) + gelu(S(x)) + silu(S(x)) + sin(S(x)) + log(1 + exp(S(x)))
    + logit(sigmoid(V(x)))
}""",
    "log_of_exp": """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  map x -> log(exp(V(x)))
}""",
    "not_monotone_but_small": """
layer A on Vec[D] ensures diagonal, invertible {
  param s : scale with diag >= 0.1, diag <= 0.3
  map x -> x + s * gelu(x) - 0.1 * abs(x) + 0.1 * sin(x) + s * silu(x) / 2
}""",
    "act_of_number": """
layer A on Vec[D] ensures diagonal, invertible { map x -> x * exp(0.25) + tanh(1) + softplus(1 + 1) }""",
    "number_in_map": """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  param S : linear strict lower
  map x -> V(x - 1) + S(2 * x) + V(tanh(x) / 3)
}""",
    "constant_first": """
layer A on Vec[D] ensures diagonal, invertible {
  param b : bias
  map x -> b - (1 - x) + (b * 2 - b / 4) * 1
}""",
}

ACTS = {
    "act_named": """
act soft = leaky_relu(0.3)
layer A on Vec[D] ensures diagonal, invertible { map x -> soft(x) + soft(2 * x) }""",
    "act_by_expression": """
act leaky(u) = 0.1 * u + 0.9 * softplus(u)
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  map x -> leaky(V(x))
}""",
    "act_of_acts": """
act bend(u) = u + tanh(u)
act twice(v) = bend(bend(v) / 2) - 0.1 * sin(v)
act down(u) = -twice(u) - 1
layer A on Vec[D] ensures diagonal, invertible { map x -> down(down(x)) + twice(x) }""",
    "act_of_variable_x": """
act bend(x) = x + tanh(x) * 0.5
act straight(s) = s
act flat(w) = 2 * w + 1
layer A on Vec[D] ensures diagonal, invertible { map x -> bend(straight(flat(x))) }""",
    "act_with_formal": """
layer A(a: Real = 0.25) on Vec[D] ensures lower, invertible {
  act h(u) = u + a * sin(u)
  param V : linear lower with diag > 0
  map x -> h(V(x))
}
flow F on Vec[4] ensures invertible { A  A(a = 0.5) }""",
    "act_with_size": """
layer A(K: Nat = 2) on Vec[D] ensures lower, invertible {
  act h(u) = 2 * K * u + sin(u)
  param V : linear lower with diag > 0
  map x -> h(V(x))
}
flow F on Vec[4] ensures invertible { A  A(K = 3) }""",
    "act_formal_of_option": """
layer A(a: Real = 0.25) on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  map x -> V(leaky_relu(x, 0.5) + a * x) + a
}
flow F on Vec[4] ensures invertible { A  A(a = 0.5) }""",
    "act_passed": """
act leaky(u) = 0.1 * u + 0.9 * softplus(u)
layer A(h: Act) on Vec[D] ensures lower, invertible {
  param t : scale with diag > 0
  param V : linear lower with diag >= 0
  map x -> t * x + h(V(x))
}
flow F on Vec[4] ensures invertible { A(h = elu)  A(h = tanh)  A(h = leaky_relu(0.5))  A(h = leaky) }""",
    "act_through_flows": """
act soft = leaky_relu(0.3)
layer A(h: Act = soft, r: Real = 0.5) on Vec[D] ensures diagonal, invertible { map x -> x + h(r * x + tanh(r)) }
flow G(g: Act, n: Nat = 2) on Vec[D] ensures invertible { A(h = g)  A(r = 2) }
flow F on Vec[3] ensures invertible { G(g = elu)  G(g = soft) }""",
    "acts_of_one_name": """
layer A on Vec[D] ensures diagonal, invertible {
  act h(u) = u + tanh(u)
  map x -> h(x)
}
layer B on Vec[D] ensures diagonal, invertible {
  act h(u) = 2 * u + sin(u)
  map x -> h(x)
}
flow F on Vec[3] { A  B }""",
    "acts_of_one_name_by_formals": """
layer A(a: Real = 0.5) on Vec[D] ensures diagonal, invertible {
  act h(u) = u + a * tanh(u)
  map x -> h(x)
}
layer B(a: Real = 0.25) on Vec[D] ensures diagonal, invertible {
  act h(u) = a * u + sin(a * u) / 8
  map x -> h(x)
}
flow F on Vec[3] { A  B  A(a = 2)  B(a = 3) }""",
    "acts_called_like_helpers": """
act effective(u) = u + tanh(u)
act initial(u) = 2 * u + tanh(u)
act raw(u) = 3 * u + tanh(u)
layer A(g: Act) on Vec[D] ensures diagonal, invertible { map x -> effective(initial(x)) + g(x) }
flow F on Vec[3] { A(g = raw) }""",
    "acts_called_like_python": """
act lambda(u) = u + tanh(u)
act class(u) = 2 * u + tanh(u)
layer A(def: Act) on Vec[D] ensures diagonal, invertible { map x -> lambda(class(x)) + def(x) }
flow F on Vec[3] { A(def = lambda) }""",
    "act_with_formal_option": """
layer A(a: Real = 0.25, h: Act = leaky_relu(0.5)) on Vec[D] ensures lower, invertible {
  act g(u) = h(u) + leaky_relu(u, a)
  param V : linear lower with diag > 0
  map x -> g(V(x)) + leaky_relu(x, a)
}
flow F on Vec[4] ensures invertible { A  A(a = 0.5, h = elu) }""",
    "act_of_number_only": """
act affine(u) = 3 * u - 1
act shifted(u) = u + 0.5
act minus(u) = -u
layer A on Vec[D] ensures diagonal, invertible { map x -> minus(affine(minus(shifted(x)))) }""",
    "inits_passed": """
layer A(v: Init = normal(std = 0.3), tri: Dir) on Vec[D] ensures tri, invertible {
  param t : scale with diag > 0
  param V : linear tri with diag >= 0 init v
  param b : bias init fan_in_uniform(of = V)
  map x -> t * x + V(x) + b
}
flow F on Vec[4] ensures invertible { A(tri = lower)  A(v = zeros, tri = upper)  A(v = identity, tri = lower) }""",
    "decreasing_activation": """
act down(u) = -elu(u)
layer A on Vec[D] ensures lower, invertible {
  param U, V : linear lower
  tie diag(U) * diag(V) <= 0
  map x -> x + U(down(V(x)))
}""",
}

NAMES = {
    "names_of_python": """
layer A on Vec[D] ensures lower, invertible {
  index lambda : 2
  param class : scale with diag > 0
  param def[lambda] : linear lower with diag >= 0
  param None, print : bias
  map x {
    let return_ = class * x
    let is[lambda] = tanh(def[lambda](x) + print)
    return return_ + sum[lambda](is[lambda]) + None
  }
}""",
    "names_of_the_module": """
layer A on Image[C, H, W] ensures lower, invertible {
  param forward : scale with diag > 0
  param W1 : conv 3x3 lower with diag >= 0
  param x, weights, inverse, value, raw, names, kept, training, event_shape, torch, F, self : bias
  map v {
    let y = tanh(W1(v) + x + weights)
    let diagonals = W1(y + inverse + value)
    let w = raw + names + kept + training
    return forward * v + diagonals + y + w + event_shape * torch + F + self
  }
}""",
    "names_of_helpers": """
layer A on Vec[D] ensures lower, invertible {
  param elu_value, tanh_slope, kept_entries, flatten_batch, diagonal_of, Place : bias
  param family_linear : linear lower with diag >= 0
  param tied : scale with diag > 0
  map x {
    let with_diagonal = elu(family_linear(x) + elu_value + tanh_slope)
    let invert_layer = tanh(with_diagonal + kept_entries)
    return tied * x + invert_layer + flatten_batch + diagonal_of + Place
  }
}""",
    "names_that_almost_clash": """
layer A on Vec[D] ensures lower, invertible {
  param u, u_in, d_u, u_out, d_V, sign, y_in : bias
  param V, d : linear lower with diag >= 0
  map x {
    let p = tanh(V(x) + u + u_in)
    let p_in = elu(d(p) + d_u + u_out)
    let d_p = V(p_in) + d_V
    return x + p + tanh(d_p + sign) + tanh(p_in + y_in)
  }
}""",
    "names_with_underscores": """
layer A on Vec[D] ensures lower, invertible {
  param lambda, lambda_, _, __, _a : bias
  map x -> x + lambda + 2 * lambda_ + 3 * _ + 4 * __ + 5 * _a
}""",
    "names_of_classes": """
layer Tensor on Vec[D] ensures diagonal, invertible {
  param s : scale with diag > 0
  map x -> s * x + tanh(x)
}
layer Activation on Vec[D] ensures diagonal, invertible {
  param s : scale with diag > 0
  map x -> s * x + elu(x)
}
flow F on Vec[3] { Tensor  Activation  prior normal }""",
    "sizes_called_like_params": """
layer A(K: Nat = 2) on Image[C, H, W] ensures lower, invertible {
  index i : K
  param W[i] : conv 3x3 lower with diag >= 0
  param H : bias
  param C : scale with diag > 0
  param K1 : bias
  map x -> C * x + sum[i](W[i](tanh(x + H))) + K1
}""",
    "formals_called_like_attributes": """
layer A(training: Nat = 2, path: Real = 0.5, forward: Act = tanh, order_: Order = raster, names: Dir = lower)
  on Image[C, H, W] ensures names, invertible {
  order order_
  index i : training
  param V[i] : conv 3x3 names with diag >= 0
  map x -> x + sum[i](V[i](forward(path * x)))
}
flow F on Image[2, 2, 2] { A  A(training = 1, path = 0.25, forward = elu, order_ = channel_major, names = upper) }""",
    "steps_with_labels": """
layer A on Vec[D] ensures diagonal, invertible {
  param s : scale with diag > 0
  map x -> s * x + tanh(x)
}
flow F on Vec[3] {
  first: A
  A
  x: A
  forward: A
  lambda: A
  steps: A
  prior normal
}""",
    "formal_called_shape": """
layer A(shape: Nat = 2, device: Real = 0.5, dtype: Act = elu) on Vec[D] ensures diagonal, invertible {
  index i : shape
  param s[i] : scale with diag > 0
  map x -> sum[i](s[i] * x) + device * dtype(x)
}
flow F on Vec[3] { A  A(shape = 3, device = 0.25, dtype = tanh) }""",
}

DATA = {
    "layer_by_data": """
layer A on S ensures diag > 0, invertible {
  param s : scale (per = channel) with diag > 0 via exp init from_data
  param b : bias init from_data
  map x -> s * (x + b)
}""",
    "flow_by_data": """
layer A on S ensures diag != 0, invertible {
  param b : bias (per = element) init from_data
  param s : scale with diag != 0 init from_data
  map x {
    let pending = x - b
    return pending / s
  }
}
layer B(tri: Dir) on Image[C, H, W] ensures tri, invertible {
  param V : conv 3x3 tri with diag > 0 init near_identity(std = 0.05)
  map x -> V(x) + tanh(V(x))
}
flow Inner on Image[C, H, W] ensures invertible { standardize(mean = data, std = data)  A }
flow F on Image[1, 4, 2] ensures invertible {
  standardize(mean = data, std = data)
  repeat 2 { A  standardize(mean = data, std = data)  pair { B(tri = lower)  B(tri = upper) } }
  squeeze 2
  Inner
  prior learned_normal(per = channel)
}""",
    "flow_by_data_on_sequences": """
layer A on S ensures diag > 0, invertible {
  param s : scale (per = channel) with diag >= 1e-3 init from_data
  map x -> x * s
}
flow F on Seq[3, 2] ensures invertible {
  repeat 2 { repeat 2 { standardize(mean = data, std = data) } A }
  prior logistic
}""",
    "flow_learned_by_element": """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  param b : bias
  map x -> V(x) + b
}
flow F on Vec[3] ensures invertible { A  prior learned_normal(per = element) }""",
}

FLOWS = {
    "flow_repeat_of_several": """
layer A(tri: Dir) on Vec[D] ensures tri, invertible {
  param V : linear tri with diag > 0
  map x -> V(x) + tanh(V(x))
}
layer B on S ensures diagonal, invertible {
  param s : scale with diag > 0
  map x -> s * x + tanh(x)
}
flow F on Vec[3] { repeat 2 { A(tri = lower)  B  A(tri = upper)  again: B }  A(tri = lower)  prior normal }""",
    "flow_nested_repeat": """
layer A(tri: Dir) on Vec[D] ensures tri, invertible {
  param V : linear tri with diag > 0
  map x -> V(x)
}
flow F(n: Nat = 2) on Vec[3] {
  repeat n { A(tri = lower)  repeat 2 { A(tri = upper)  inner: A(tri = lower) }  repeat n { A(tri = upper) } }
}""",
    "flow_pair_of_flow": """
layer A(tri: Dir) on Image[C, H, W] ensures tri, invertible {
  param V : conv 3x3 tri with diag > 0
  map x -> V(x) + tanh(V(x))
}
flow P on Image[C, H, W] { pair { A(tri = upper)  A(tri = lower) } }
flow F on Image[1, 4, 2] { P  squeeze 2  repeat 2 { P } }""",
    "flow_image": """
layer A on S ensures diagonal, invertible {
  param s : scale (per = channel) with diag > 0
  param r : scale (per = element) with diag > 0
  param b : bias (per = channel)
  map x -> s * x + r * x + b
}
flow F(depth: Nat = 2) on Image[1, 4, 4] ensures invertible {
  dequantize 256
  logit(0.05)
  repeat depth { A }
  squeeze 2 (layout = colour_slow)
  first: A
  second: A
  squeeze 2
  repeat 2 * depth { A  A }
  unsqueeze 2
  unsqueeze 2 (layout = colour_slow)
  prior normal
}""",
    "flow_squeeze_layouts": """
layer A on Image[C, H, W] ensures lower, invertible {
  order channel_major
  param V : conv 3x3 lower with diag > 0
  map x -> V(x)
}
flow F on Image[2, 4, 4] { A  squeeze 2  A  unsqueeze 2 (layout = colour_slow)  squeeze 4 (layout = colour_slow) }""",
    "flow_squeeze_alternate": """
layer A on Image[C, H, W] ensures lower, invertible {
  order channel_major
  param V : conv 3x3 lower with diag > 0
  map x -> V(x)
}
flow F on Image[2, 2, 4] ensures invertible {
  A
  squeeze 2 (layout = alternate)
  A
  unsqueeze 2 (layout = alternate)
  A
}""",
    "flow_moved": """
layer A on Image[C, H, W] ensures lower, invertible {
  param t : scale with diag >= 0.5
  param V : conv 3x3 strict lower
  map x -> t * x + 0.5 * V(tanh(x))
}
layer T on S ensures diagonal, invertible {
  param s : scale (per = channel) with diag >= 0.5
  param b : bias (per = element)
  map x -> s * (x + b)
}
layer L on Vec[D] ensures upper, invertible {
  param t : scale with diag >= 0.5
  param U : linear strict upper
  map x -> t * x + 0.5 * U(tanh(x))
}
flow F on Image[2, 2, 2] ensures invertible {
  A
  permute(axis = all, seed = 1)
  squeeze 2 (layout = alternate)
  permute(seed = 3)
  unsqueeze 2
  A
  patches 1
  T
  repeat 2 { reverse(axis = time)  T  permute(axis = time, seed = 2) }
  flatten
  L
  reverse
  prior normal
}""",
    "flow_moved_channels": """
layer A on Image[C, H, W] ensures lower, invertible {
  param V : conv 3x3 lower with diag > 0
  map x -> V(x) + tanh(x)
}
flow F on Image[4, 2, 2] ensures invertible {
  repeat 2 { A  permute(seed = 3)  A  reverse }
  permute(axis = all, seed = 1)
  A
  reverse(axis = all)
  prior normal
}""",
    "flow_patches": """
layer A on Image[C, H, W] ensures lower, invertible {
  param V : conv 3x3 lower with diag > 0
  map x -> V(x)
}
layer T on Seq[T, D] ensures diagonal, invertible {
  param s : scale (per = channel) with diag > 0
  param b : bias (per = element)
  map x -> s * (x + b)
}
flow F on Image[2, 2, 4] ensures invertible {
  A
  patches 2
  standardize(mean = (1, 2, 3, 4, 5, 6, 7, 8), std = 2)
  T
  repeat 2 { reverse(axis = time)  T  permute(axis = channel, seed = 2)  reverse }
  permute(axis = time)
  T
  prior normal
}""",
    "flow_flattened": """
layer A on Image[C, H, W] ensures lower, invertible {
  param V : conv 3x3 lower with diag > 0
  map x -> V(x)
}
layer L(tri: Dir) on Vec[D] ensures tri, invertible {
  param U : linear tri with diag > 0
  map x -> U(x) + tanh(x)
}
flow F on Image[1, 3, 4] ensures invertible {
  A
  flatten
  L(tri = lower)
  reverse
  L(tri = lower)
  permute
  prior normal
}""",
    "flow_moves_of_open_sizes": """
layer L on Vec[D] ensures upper, invertible {
  param U : linear upper with diag > 0
  map x -> U(x)
}
flow Tokens(n: Nat) on Image[C, H, n] ensures invertible { permute(axis = all)  patches 2  permute(axis = time) }
flow F on Image[C, H, W] ensures invertible, volume_preserving {
  permute
  reverse(axis = all)
  squeeze 2 (layout = alternate)
  unsqueeze 2
  Tokens(n = W)
  permute(seed = 9)
  flatten
  permute(seed = 1)
}
flow G on Image[2, 2, 4] ensures invertible { F  L }""",
    "flow_moves_only": """
flow Tokens on Image[C, H, W] ensures volume_preserving, invertible {
  permute(axis = all)
  patches 2
  permute(axis = time)
  flatten
}
flow F on Image[C, H, W] ensures volume_preserving, invertible { squeeze 2  Tokens  reverse  permute(seed = 4) }""",
    "flow_names_of_moves": """
layer permutation on Vec[D] ensures diagonal, invertible { param indices, random : scale with diag > 0
  map x -> indices * x * random }
flow F(permute_1: Nat = 2) on Vec[4] ensures invertible {
  unpatch: permutation
  permute
  repeat permute_1 { permute(seed = 1)  permutation }
  Permutation: permutation
}""",
    "flow_squeeze_in_repeat": """
layer A on Image[C, H, W] ensures lower, invertible {
  param V : conv 3x3 lower with diag > 0
  map x -> V(x)
}
flow L on Image[C, H, W] ensures invertible { squeeze 2  A  unsqueeze 2 }
flow F on Image[1, 4, 4] ensures invertible { repeat 2 { L  squeeze 2  unsqueeze 2 (layout = colour_slow) } }""",
    "flow_repeat_without_layers": """
flow F on Image[1, 4, 4] ensures invertible { repeat 3 { squeeze 2  unsqueeze 2 (layout = colour_slow) } }""",
    "flow_empty": "flow F on Vec[3] ensures invertible, volume_preserving { }",
    "flow_only_prior": "flow F on Vec[3] ensures invertible { prior normal }",
    "flow_logit_in_a_step": """
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow Start on Vec[D] ensures invertible { logit(0.01)  A }
flow F on Vec[4] ensures invertible { Start  A  prior normal }""",
    "flow_injective": """
layer A on Vec[D] ensures injective { map x -> sigmoid(x) }
layer B on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  map x -> V(x)
}
flow F on Vec[4] ensures injective { B  A  B  prior normal }""",
    "flow_symbolic_shape": """
layer A on Image[C, H, W] ensures lower, invertible {
  param V : conv 3x3 lower with diag > 0
  map x -> V(x)
}
flow F on Image[C, H, W] ensures invertible { A  squeeze 2  A }""",
    "flow_of_library": """
import "mintnet/mint.mint" { Mint, MintPair }
import "cinc/conv.mint" { CInC }
flow F on Image[2, 2, 2] ensures invertible {
  MintPair(K = 2)
  CInC
  Mint(K = 1, tri = upper, h = leaky_relu(0.01), weights = fan_in_uniform)
}""",
    "flow_emerging": """
import "emerging/pair.mint" { Emerging }
flow F on Image[2, 3, 3] ensures invertible { Emerging  Emerging  prior normal }""",
    "flow_on_sequences": """
layer A on S ensures diagonal, invertible {
  param s : scale (per = channel) with diag > 0
  param b : bias
  param r : scale with diag > 0
  map x -> s * (x + b) + r * x
}
flow F on Seq[3, 2] ensures invertible { A  A  prior normal }""",
    "flow_families_per_channel_of_sequences": """
layer A on S ensures diagonal, invertible {
  index i : 3
  param s[i] : scale (per = channel) with diag > 0
  param b[i] : bias (per = channel)
  map x -> sum[i](softplus(s[i] * x + b[i])) + x
}
layer B on Seq[T, D] ensures diagonal, invertible {
  index i : 3
  param s[i] : scale (per = channel) with diag > 0
  param b[i] : bias
  map x -> sum[i](elu(s[i] * x / softplus(b[i]))) + x
}
flow F on Seq[3, 2] ensures invertible { A  B }""",
    "flow_repeats_of_nothing": """
layer A on S ensures diagonal, invertible { param s : scale with diag > 0 map x -> s * x }
flow F on Vec[3] ensures invertible { repeat 2 { } A  repeat 2 { repeat 3 { } } repeat 2 { A  repeat 2 { } } }""",
    "flow_head_without_layers": """
net Head(n: Nat) from Image[C, H, W] to Vec[n] {
  param W : linear from Vec[C] to Vec[n]
  map x -> W(mean_pool(relu(x)))
}
flow F on Image[1, 2, 2] ensures injective { pad channels to 2  classify Head(n = 3) }""",
    "net_pairs": """
net Pixels from Image[C, H, W] to Image[C, H, W] {
  space Mid = Image[4, H, W]
  param V : conv 3x3 from Image[C, H, W] to Mid
  param W : conv 1x1 from Mid to Image[C, H, W]
  param s : scale (per = channel) on Mid
  map x -> W(maxmin(s * V(x)))
}
net Row from Vec[D] to Vec[D] {
  param V : linear from Vec[D] to Vec[2 * D]
  param W : linear from Vec[2 * D] to Vec[D]
  map x {
    let u = maxmin(V(x))
    return W(maxmin(-u) - u) + x
  }
}
layer A on Image[C, H, W] ensures invertible {
  space Half = Image[C / 2, H, W]
  param n : net Pixels from Half to Half
  map x {
    let (a, b) = split(x, channel)
    return join(a, b * exp(tanh(n(a))) + n(a))
  }
}
layer B on Vec[D] ensures invertible {
  space Half = Vec[D / 2]
  param n : net Row from Half to Half
  map x {
    let (a, b) = split(x, halves)
    return join(a + n(b), b)
  }
}
flow F on Image[2, 3, 2] ensures invertible { A  flatten  B  prior normal }""",
    "net_swish": """
net Pixels from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x3
  param W : conv 1x1 from Image[2 * C, H, W] to Image[C, H, W]
  param s : scale (per = channel)
  map x -> W(clip_swish(s * V(x)))
}
net Row from Seq[T, E] to Seq[T, E] {
  param V : linear from Seq[T, E] to Seq[T, 3]
  param W : linear from Seq[T, 12] to Seq[T, E]
  map x {
    let u = clip_swish(V(x))
    return W(clip_swish(-u)) + x
  }
}
layer A on Image[C, H, W] ensures invertible {
  space Half = Image[C / 2, H, W]
  param n : net Pixels from Half to Half
  map x {
    let (a, b) = split(x, channel)
    return join(a, b * exp(tanh(n(a))) + n(a))
  }
}
layer B on Seq[T, E] ensures invertible {
  space Half = Seq[T, E / 2]
  param n : net Row from Half to Half
  map x {
    let (a, b) = split(x, channel)
    return join(a + n(b), b)
  }
}
flow F on Image[2, 3, 2] ensures invertible { A  patches 1  B  prior normal }""",
    "net_beta": """
net Pixels from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x3
  param W : conv 1x1 from Image[2 * C, H, W] to Image[C, H, W]
  param b : scale on Vec[1] with diag > 0 via exp init normal(1)
  param c : scale on Vec[1] with diag >= 0.1, diag <= 10
  map x -> W(clip_swish(swish(V(x), beta = c), beta = b))
}
net Rows from Seq[T, E] to Seq[T, E] {
  param V : linear from Seq[T, E] to Seq[T, 3]
  param W : linear from Seq[T, 6] to Seq[T, E]
  param b : scale (per = channel) on Vec[1] with diag > 0
  map x {
    let u = V(x)
    return W(clip_swish(u, beta = b)) + swish(x, beta = b)
  }
}
net Shift(tri: Dir) from Vec[D] to Vec[D] {
  param V : linear strict tri
  param U : linear tri
  param b : scale on Vec[1] with diag > 0 init normal(1)
  param a : bias
  map x -> U(swish(V(x) + a, beta = b)) * swish(a, beta = b)
}
layer A on Image[C, H, W] ensures invertible {
  space Half = Image[C / 2, H, W]
  param n : net Pixels from Half to Half
  map x {
    let (a, b) = split(x, channel)
    return join(a, b * exp(tanh(n(a))) + n(a))
  }
}
layer B on Seq[T, E] ensures invertible {
  space Half = Seq[T, E / 2]
  param n : net Rows from Half to Half
  map x {
    let (a, b) = split(x, channel)
    return join(a + n(b), b)
  }
}
layer C on Vec[D] ensures lower, diag > 0, invertible {
  param n : net Shift(tri = lower)
  param s : scale with diag > 0
  map x -> s * x + n(x)
}
flow F on Image[2, 3, 2] ensures invertible { A  patches 1  B  flatten  C  prior normal }""",
    "net_weights": """
net Pixels from Image[C, H, W], Vec[3] to Image[C, H, W] {
  param V : conv 3x3
  param W : conv 1x1 from Image[2 * C + 3, H, W] to Image[C, H, W]
  param w : scale on Vec[3] with length == 1
  map x, t -> W(concat(x, tanh(V(x)), t, weights = w))
}
net Rows from Seq[T, E] to Seq[T, E] {
  param V : linear from Seq[T, E] to Seq[T, 3]
  param W : linear from Seq[T, E + 3] to Seq[T, E]
  param v, w : scale (per = channel) on Vec[2] with length == 1 init normal(1)
  map x -> W(concat(x - 1, V(x), weights = w) - concat(1 - x, V(x), weights = v))
}
layer A on Image[C, H, W] ensures invertible {
  space Half = Image[C / 2, H, W]
  param n : net Pixels from Half, Vec[3] to Half
  param t : bias on Vec[3]
  map x {
    let (a, b) = split(x, channel)
    return join(a, b * exp(tanh(n(a, t))) + n(a, t))
  }
}
layer B on Seq[T, E] ensures invertible {
  space Half = Seq[T, E / 2]
  param n : net Rows from Half to Half
  map x {
    let (a, b) = split(x, channel)
    return join(a + n(b), b)
  }
}
layer C on Vec[D] ensures diagonal {
  index i : 2
  param w[i] : scale with length == 1 init normal(1)
  map x -> x + sum[i](w[i] * tanh(x))
}
flow F on Image[2, 3, 2] ensures invertible { A  patches 1  B  prior normal }
flow G on Vec[4] ensures invertible { C }""",
    "flow_on_any_vector": """
layer A on S ensures diagonal, invertible {
  param a : scale (per = channel) with diag > 0
  param b : bias
  param c : bias (per = element)
  map x -> a * tanh(x + b) + x + c
}
flow F on Vec[3] ensures invertible { A  A  prior normal }""",
    "flow_on_any_image": """
layer A on S ensures diagonal, invertible {
  param s : scale (per = channel) with diag > 0
  param b : bias
  param r : scale with diag >= 0.5, diag <= 2
  map x -> s * tanh(x + b) + r * x
}
flow F on Image[2, 2, 2] ensures invertible { A  squeeze 2  A  prior normal }""",
    "flow_sizes_divided": """
layer A(K: Nat) on Vec[D] ensures lower, invertible {
  index i : K / 2
  param s[i] : linear lower with diag > 0
  map x -> sum[i](s[i](x))
}
flow G(K: Nat) on Vec[D] { A(K = K)  A(K = K / 2)  repeat K / 4 { A(K = 2) } }
flow F(K: Nat = 8) on Vec[3] ensures invertible { G(K = K)  G(K = K / 2) }""",
    "flow_concrete_layers": """
space Tile = Image[2, 2, 3]
layer A on Tile ensures lower, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x) + tanh(x)
}
flow F on Tile ensures invertible { A  A  prior normal }""",
    "flow_negative_and_free_signs": """
layer R on Vec[D] ensures invertible { map x -> -x }
layer A on Vec[D] ensures upper, invertible {
  param V : linear upper with diag != 0
  map x -> V(x) + 0 * x
}
flow F on Vec[4] ensures invertible { R  A  R  prior normal }""",
    "flow_standardized": """
layer A on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x) + tanh(x)
}
flow F on Image[2, 2, 3] ensures invertible { standardize(mean = (0.5, -1), std = (2, 0.25))  A  prior normal }""",
    "flow_batch_norm": """
import "std/batch_norm.mint" { BatchNorm }
layer A on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x) + tanh(x)
}
flow F on Image[2, 2, 3] ensures invertible { BatchNorm  A  BatchNorm  prior normal }""",
    "flow_padded": """
layer A on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x) + tanh(x)
}
flow F on Image[2, 2, 2] { standardize(mean = 0.5, std = 0.5)  A  pad channels to 3  A  squeeze 2  A }""",
    "flow_three_scales": """
layer A(tri: Dir) on Image[C, H, W] ensures tri, invertible {
  param k : conv 3x3 tri with diag >= 0.5
  map x -> k(x) + 0.5 * tanh(x)
}
flow F on Image[1, 8, 4] ensures invertible {
  squeeze 2
  pair { A(tri = lower)  A(tri = upper) }
  factor half
  squeeze 2 (layout = colour_slow)
  repeat 2 { A(tri = upper) }
  factor half (keep = second)
  last: A(tri = lower)
  prior normal
}""",
    "flow_factored_at_both_ends": """
layer A on Vec[D] ensures lower, invertible {
  param s : linear lower with diag > 0
  map x -> s(x) + tanh(x)
}
flow G on Vec[D] ensures invertible { A  A }
flow F on Vec[D] { factor half (keep = second)  repeat 2 { part: A  parts: G }  rest: A  factor half }""",
    "flow_factored_sequences": """
layer A on S ensures diagonal, invertible {
  param r : scale with diag >= 0.5, diag <= 2
  map x -> r * x + 0.1 * tanh(x)
}
flow F on Seq[3, 4] ensures invertible { A  factor half  A  factor half (keep = second)  A  prior normal }""",
    "flow_factored_unit": """
layer A on S ensures diagonal, injective {
  param r : scale with diag >= 0.5, diag <= 2
  map x -> sigmoid(r * x)
}
flow F on Image[2, 2, 2] { logit(0.05)  A  factor half  logit(0.1)  prior normal }""",
    "flow_factored_and_padded": """
layer A on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x) + tanh(x)
}
flow F on Image[2, 2, 2] { A  factor half  pad channels to 2  A  factor half (keep = second)  A }""",
    "flow_factored_by_nets": """
net Split(width: Nat = 2, h: Act = tanh) from Image[C, H, W] to (Image[C, H, W], Image[C, H, W]) {
  space Hid = Image[width, H, W]
  param V    : conv 3x3 from Image[C, H, W] to Hid
  param m, s : conv 1x1 from Hid to Image[C, H, W]
  map x { let u = h(V(x))  return (m(u), s(u)) }
}
layer A on S ensures diagonal, invertible {
  param r : scale with diag >= 0.5, diag <= 2
  map x -> r * x + 0.1 * tanh(x)
}
flow F(width: Nat = 3, f: Act = elu) on Image[1, 4, 4] ensures invertible {
  squeeze 2
  A
  factor half (prior = Split(width = width, h = f))
  squeeze 2
  factor half (keep = second)
  A
  last: factor half (keep = second, prior = Split(width = 2 * width))
  prior learned_normal(per = element)
}""",
    "flow_factored_by_nets_and_padded": """
net Split from Image[C, H, W] to (Image[C, H, W], Image[C, H, W]) { param m, s : conv 3x3  map x -> (m(x), s(x)) }
layer A on S ensures diagonal, invertible { param r : scale with diag > 0  map x -> r * x }
flow F on Image[2, 2, 2] { A  factor half (prior = Split)  pad channels to 4  A  factor half (prior = Split) }""",
    "flow_classifier": """
import "std/batch_norm.mint" { BatchNorm }
import "std/heads.mint" { PooledLinear }
layer A on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x) + tanh(x)
}
flow F on Image[1, 2, 2] { repeat 2 { BatchNorm  A }  squeeze 2  A  classify PooledLinear(classes = 3) }""",
    "flow_lower_and_upper_of_one_layer": """
layer A(tri: Dir, s: Real = 1) on Image[C, H, W] ensures tri, invertible {
  order corner
  param k : conv 2x2 tri (anchor = corner) with diag > 0
  param l : conv 2x2 tri (anchor = corner) with diag >= 0
  map x -> k(x) + s * l(elu(x))
}
flow F on Image[2, 2, 3] { pair { A(tri = lower)  A(tri = upper, s = 0.5) }  prior normal }""",
}

FACTORS = {
    f"chain_{via}_{kind}": (
        f"layer A on {shape} ensures invertible {{ param W : {word} with {bound} via {via} map x -> W(x) }}"
    )
    for via, bound in (
        ("plu", "det != 0"),
        ("qr", "det != 0"),
        ("lower", "det != 0"),
        ("upper", "det != 0"),
        ("raw", "det != 0"),
        ("unit_lower", "det == 1"),
        ("unit_upper", "det == 1"),
        ("householder", "det == 1"),
    )
    for kind, shape, word in (("conv", "Image[C, H, W]", "conv 1x1"), ("linear", "Vec[D]", "linear"))
}

CHAINS = {
    "chain_by_hand": """
layer A on Image[C, H, W] ensures invertible {
  order channel_major
  param P : perm (axis = channel, seed = 3)
  param L : conv 1x1 lower with diag == 1
  param U : conv 1x1 upper with diag != 0
  map x -> P(L(U(x)))
}
flow F on Image[4, 1, 2] ensures invertible { A  prior normal }""",
    "chain_of_masked_kernels": """
order mixed = (c + h, w)
layer A(d: Dir, o: Order = raster) on Image[C, H, W] ensures invertible, inverse closed_form {
  order o
  param L : conv 3x3 d with diag != 0 init near_identity(std = 0.1)
  param U : conv 2x3 upper (anchor = (0, 1), dilation = (1, 2)) with diag == 1 init near_identity(std = 0.1)
  param P : perm
  param b : bias
  map x -> U(leaky_relu(P(L(x)) + L(b), 0.5))
}
flow F on Image[2, 3, 3] ensures invertible { A(d = lower) A(d = upper, o = mixed) }""",
    "chain_of_permutations": """
layer A on Image[C, H, W] ensures invertible, volume_preserving, inverse closed_form {
  param P : perm (axis = all, seed = 1)
  param Q : perm
  param b : bias (per = element)
  map x -> b - P(-Q(x) + b)
}""",
    "chain_on_sequences": """
layer A on Seq[T, D] ensures invertible {
  param P : perm (axis = time, seed = 1)
  param Q : perm (axis = channel, seed = 2)
  param R : perm (axis = all, seed = 3)
  param b : bias
  param s : scale (per = element) with diag != 0
  map x -> R(s * P(Q(x)) + P(b)) / s
}
flow F on Seq[3, 2] ensures invertible { A }""",
    "chain_on_any_shape": """
layer A on S ensures invertible {
  param P : perm (seed = 5)
  param Q : perm (axis = all)
  param s : scale (per = channel) with diag > 0
  param b : bias
  map x -> 3 * s * Q(P(x) - P(b))
}
flow F on Image[3, 2, 2] ensures invertible { A }""",
    "chain_elementwise": """
act h = leaky_relu(0.5)
layer A(a: Real = 0.25) on Vec[D] ensures invertible {
  param P : perm (seed = 4)
  param s, t : scale with diag != 0
  param b : bias
  map x {
    let c = 2 * b + a
    let u = h(P(s * x + c) / t)
    let v = exp(c) + leaky_relu(-u, a)
    return identity(-1 * v * (1 + exp(b)))
  }
}""",
    "chain_of_constant_maps": """
layer A on Vec[D] ensures invertible {
  index i : 2
  param W : linear with det != 0
  param V : linear with det == 1
  param L[i] : linear lower
  param P : perm (axis = all)
  param b[i], d : bias
  param s : scale with diag > 0
  map x -> W(V(x) + sum[i](L[i](b[i]))) * exp(W(d)) + P(s)
}""",
    "chain_in_a_constant_only": """
layer A on Image[C, H, W] ensures lower, invertible {
  param W : conv 1x1 with det != 0
  param P : perm (axis = all, seed = 2)
  param L : conv 3x3 lower with diag > 0
  param b : bias
  map x -> L(x) + P(W(b)) + tanh(L(W(b) + x))
}""",
    "chain_in_another_order": """
order turned = (h, w, -c)
layer A(o: Order, tri: Dir) on Image[C, H, W] ensures invertible {
  order o
  param W : conv 1x1 with det == 1 via unit_upper
  param T : conv 1x1 tri with diag != 0
  map x -> T(W(x))
}
layer B on Image[C, H, W] ensures invertible {
  order turned
  param L : conv 1x1 lower with diag > 0
  param U : conv 1x1 upper with diag != 0 via raw init near_identity(std = 0.02)
  map x -> L(U(L(x)))
}
flow F on Image[3, 1, 2] ensures invertible { A(o = turned, tri = lower)  A(o = raster, tri = upper)  B }""",
    "chain_of_net_constants": """
net N from Vec[D] to (Vec[D], Vec[D]) {
  param V, U : linear
  map x -> (V(tanh(x)), U(x))
}
layer A on Vec[D] ensures invertible {
  param W : linear with det != 0
  param P : perm
  param b : bias
  param n : net N from Vec[D] to (Vec[D], Vec[D])
  param G : linear (norm = weight)
  map x {
    let (s, m) = n(b)
    let u = P(W(x * exp(tanh(s))) + m)
    return u - G(b)
  }
}""",
    "chain_of_statistics": """
layer A on Image[C, H, W] ensures invertible {
  param n : normalize
  param W : conv 1x1 with det != 0 via qr init orthogonal
  param s : scale (per = channel) with diag != 0
  map x -> s * n(W(x))
}
flow F on Image[2, 2, 2] ensures invertible { A }""",
}

RES = """
net Res from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x3
  param b : bias
  map x -> x + V(tanh(x)) + b
}"""

NETS = {
    "net_of_constants": """
net N(width: Nat, h: Act = tanh) from Vec[D] to Vec[D] {
  space Hid = Vec[width]
  param V : linear from Vec[D] to Hid
  param U : linear from Hid to Vec[D]
  param b : bias on Hid
  map x -> U(h(V(x) + b))
}
act bump(u) = u / (1 + exp(u))
layer A on Vec[D] ensures diagonal, diag > 0, invertible {
  param b : bias (per = element)
  param n : net N(width = 3)
  param m : net N(width = 2, h = bump)
  map x -> x * exp(tanh(n(b))) + m(n(b))
}""",
    "net_inside_of_the_solver": """
net N from Vec[D] to (Vec[D], Vec[D]) {
  param V, U : linear
  map x -> (V(x), U(x))
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param b : bias (per = element)
  param n : net N from Vec[D] to (Vec[D], Vec[D])
  param W : linear lower with diag >= 0
  map x {
    let (s, m) = n(b)
    return x + W(elu(x + m)) * sigmoid(s) + tanh(x)
  }
}""",
    "net_results": RES
    + """
net Cond(width: Nat, depth: Nat = 2) from Image[C, H, W], Vec[M] to (Image[D, H, W], Image[D, H, W]) {
  space Hid = Image[width, H, W]
  index l : depth
  param V0     : conv 3x3 from Image[C + M, H, W] to Hid
  param B[l]   : net Res from Hid to Hid
  param Vs, Vm : conv 3x3 from Hid to Image[D, H, W]
  map x, y {
    let u = chain[l](B[l])(V0(concat(x, y)))
    return (Vs(u), Vm(u))
  }
}
layer A(width: Nat = 3) on Image[C, H, W] ensures lower, diag > 0, invertible {
  param a : bias (per = channel) on Image[1, H, W]
  param y : bias on Vec[3]
  param n : net Cond(width = width) from Image[1, H, W], Vec[3] to (Image[C, H, W], Image[C, H, W])
  param W : conv 3x3 lower with diag >= 0
  map x {
    let (s, m) = n(a, y)
    return x * exp(tanh(s)) + W(elu(x)) * sigmoid(m) + m
  }
}""",
    "net_family_of_arguments": """
net N from Vec[D], Vec[M] to (Vec[D], Vec[M]) {
  param V : linear
  param U : linear from Vec[M] to Vec[D]
  param R : linear from Vec[D] to Vec[M]
  map x, y -> (V(x) + U(y), R(x) + y)
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  index i : 3
  param b[i] : bias (per = element)
  param c : bias on Vec[2]
  param n : net N from Vec[D], Vec[2] to (Vec[D], Vec[2])
  param W[i] : linear lower with diag >= 0
  map x {
    let u[i] = b[i] * 2
    let (m, s) = n(sum[i](u[i]), c)
    return x + sum[i](W[i](elu(x + m)) + exp(x) * exp(-tanh(m)))
  }
}""",
    "net_of_nets_in_a_flow": RES
    + """
net Two from Image[C, H, W] to Image[C, H, W] {
  param r, q : net Res
  map x -> q(r(x)) - r(x)
}
layer A on Image[C, H, W] ensures diagonal, diag > 0, invertible {
  param b : bias (per = element)
  param n : net Two
  map x -> x + n(b)
}
layer B on Image[C, H, W] ensures lower, diag > 0, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x) + tanh(x)
}
flow F on Image[2, 2, 2] ensures invertible { repeat 2 { A  B }  squeeze 2  A  prior normal }""",
    "net_weight_normed": """
net N from Image[C, H, W] to Image[C, H, W] {
  index i : 2
  param V : conv 3x3 (norm = weight)
  param U[i] : conv 1x1 (norm = weight)
  param b : bias
  map x -> x + sum[i](U[i](relu(V(x)))) + b
}
layer A on Image[C, H, W] ensures diagonal, diag > 0, invertible {
  param b : bias (per = element)
  param n : net N
  map x -> x * 2 + n(b)
}""",
    "layer_weight_normed": """
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param b : bias (per = element)
  param V : linear (norm = weight)
  param W : linear lower with diag > 0
  map x -> W(x) + V(b)
}""",
    "net_of_tokens": """
net Causal(heads: Nat) from Seq[T, E] to Seq[T, E] {
  order time
  param n1, n2 : layer_norm
  param P : attention lower (heads = heads)
  param V1 : linear from Seq[T, E] to Seq[T, 2 * E]
  param V2 : linear (norm = weight) from Seq[T, 2 * E] to Seq[T, E]
  param b1 : bias (per = channel) on Seq[T, 2 * E]
  map x {
    let u = x + P(n1(x))
    return u + V2(gelu(V1(n2(u)) + b1))
  }
}
net ViT(depth: Nat) from Seq[T, D], Vec[M] to (Seq[T, D], Seq[T, D]) {
  order time
  space Hid = Seq[T, 4]
  index l : depth
  param V0 : linear from Seq[T, D + M] to Hid
  param spot : bias (per = element) on Hid
  param B[l] : net Causal(heads = 2) from Hid to Hid
  param Vm, Va : linear from Hid to Seq[T, D]
  map x, c {
    let u = delay(chain[l](B[l])(V0(concat(x, c)) + spot))
    return (Vm(u), Va(u))
  }
}
layer A on Seq[3, 2] ensures diagonal, diag > 0, invertible {
  param b : bias (per = element)
  param c : bias on Vec[1]
  param n : net ViT(depth = 2) from Seq[3, 2], Vec[1] to (Seq[3, 2], Seq[3, 2])
  map x {
    let (m, a) = n(b, c)
    return (x - m) * exp(-tanh(a))
  }
}""",
    "net_other_norms": """
net N from Image[C, H, W] to Vec[D] {
  param k : layer_norm
  param v : layer_norm (eps = 0.1) on Vec[C]
  param V : linear from Vec[C] to Vec[D]
  map x -> V(v(mean_pool(k(x))))
}
net S(way: Dir) from Seq[T, E] to Seq[T, E] {
  param P : attention way
  param Q : attention
  map x -> P(x) - Q(x)
}
layer A on Vec[D] ensures diagonal, diag > 0, invertible {
  param b : bias (per = element) on Image[3, 2, 1]
  param n : net N from Image[3, 2, 1] to Vec[D]
  map x -> x + n(b)
}
layer B on Seq[2, 2] ensures diagonal, diag > 0, invertible {
  param b : bias (per = element)
  param n : net S(way = upper)
  map x -> x + n(b)
}
flow F on Seq[2, 2] ensures invertible { B }""",
    "net_causal": """
net Causal from Seq[T, E] to Seq[T, E] {
  param n : layer_norm
  param P : attention lower (heads = 2)
  param V : linear
  map x -> V(tanh(x)) + P(n(x))
}
net Delayed(depth: Nat) from Seq[T, D] to (Seq[T, D], Seq[T, D]) {
  space Hid = Seq[T, 4]
  index l : depth
  param V0 : linear from Seq[T, D] to Hid
  param B[l] : net Causal from Hid to Hid
  param Vm, Va : linear from Hid to Seq[T, D]
  map x {
    let u = delay(chain[l](B[l])(V0(x)))
    return (Vm(u), Va(u))
  }
}
layer A on Seq[T, D] ensures lower, diag > 0, invertible {
  param n : net Delayed(depth = 2) from Seq[T, D] to (Seq[T, D], Seq[T, D])
  map x {
    let (m, a) = n(x)
    return (x - m) * exp(-a) + tanh(x)
  }
}
flow F on Seq[3, 2] ensures invertible { A  A  prior normal }""",
    "net_strict": """
net N(tri: Dir) from Vec[D], Vec[D] to (Vec[D], Vec[D]) {
  param V, W : linear strict tri
  param U : linear tri
  map x, y -> (V(tanh(x) + U(y)), U(W(x)) * W(y))
}
layer A(way: Dir) on Vec[D] ensures way, diag > 0, invertible {
  param b : bias
  param n : net N(tri = way) from Vec[D], Vec[D] to (Vec[D], Vec[D])
  param W : linear way with diag > 0
  map x {
    let (m, s) = n(x, b + elu(x))
    return W(x) * exp(tanh(s)) + m + tanh(x)
  }
}
flow F on Vec[4] ensures invertible { pair { A(way = lower)  A(way = upper) }  prior normal }""",
    "net_made": """
net Made(width: Nat, tri: Dir = lower) from Vec[D], Vec[M] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  param V1     : linear tri from Vec[D] to Hid
  param V2     : linear tri on Hid
  param Vm, Va : linear strict tri from Hid to Vec[D]
  param U      : linear from Vec[M] to Hid
  param b      : bias on Hid
  map x, c {
    let u = tanh(V1(x) + U(c) + b)
    let v = tanh(V2(u))
    return (Vm(v), Va(v))
  }
}
layer Maf(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible {
  param c : bias on Vec[2]
  param n : net Made(width = 7, tri = tri) from Vec[D], Vec[2] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x, c)
    return (x - m) * exp(-tanh(a))
  }
}
flow F on Vec[4] ensures invertible { Maf(tri = lower)  Maf(tri = upper)  prior normal }""",
    "net_made_of_one": """
net Made from Vec[D] to Vec[D] {
  param V : linear lower from Vec[D] to Vec[3]
  param W : linear strict lower from Vec[3] to Vec[D]
  map x -> W(tanh(V(x)))
}
layer A on Vec[D] ensures lower, diag == 1, invertible {
  param n : net Made
  map x -> x + n(x)
}
flow F on Vec[1] ensures invertible { A }""",
    "net_that_reads_nothing": """
net N from Vec[D] to (Vec[D], Vec[D], Vec[2]) {
  param b : bias
  param c : bias on Vec[2]
  map x -> (b, 0.5, c)
}
net M from Vec[2] to Vec[D] {
  param V : linear from Vec[2] to Vec[D]
  map x_2 -> V(x_2)
}
layer A on Vec[D] ensures diagonal, diag > 0, invertible {
  param b : bias
  param n : net N from Vec[D] to (Vec[D], Vec[D], Vec[2])
  param m : net M from Vec[2] to Vec[D]
  map x {
    let (p, q, r) = n(b)
    return x * exp(p) + q + m(r)
  }
}""",
    "net_names": """
net N from Vec[D], Vec[D] to (Vec[D], Vec[D]) {
  param x, y_2, y : bias
  param x_2 : linear
  map lead, w -> (y_2 + x_2(lead) * x, w + y)
}
layer A on Vec[D] ensures diagonal, diag > 0, invertible {
  param b, w, x_3 : bias
  param c : net N from Vec[D], Vec[D] to (Vec[D], Vec[D])
  map x {
    let (c_1, y) = c(b, x_3)
    let (s, rests) = c(c_1, w)
    return x * exp(tanh(y)) + s + rests
  }
}""",
}

BINS = """
net Bins(bins: Nat) from Vec[D] to (Vec[bins * D], Vec[bins * D], Vec[bins * D - D]) {
  param W, K : linear from Vec[D] to Vec[bins * D]
  param S : linear from Vec[D] to Vec[bins * D - D]
  map a -> (3 * W(a), 3 * K(a), 2 * S(a))
}"""
SPLINES = {
    "spline_coupling": f"""{BINS}
layer A(bins: Nat = 4) on Vec[D] ensures lower, diag > 0, invertible, inverse closed_form {{
  param n : net Bins(bins = bins)
    from Vec[D / 2] to (Vec[bins * D / 2], Vec[bins * D / 2], Vec[bins * D / 2 - D / 2])
  map x {{
    let (a, b) = split(x, halves)
    let (w, k, d) = n(a)
    return join(a, rq_spline(b, widths = w, heights = k, slopes = d, bound = 1))
  }}
}}""",
    "spline_among_links": f"""{BINS}
layer A on Vec[D] ensures lower, diag != 0, invertible, inverse closed_form {{
  param n : net Bins(bins = 3) from Vec[D / 2] to (Vec[3 * D / 2], Vec[3 * D / 2], Vec[D])
  param p, q, r : bias (per = element) on Vec[D]
  param s : bias on Vec[D / 2]
  map x {{
    let (a, b) = split(x, strided)
    let (w, k, d) = n(a)
    let u = rq_spline(tanh(a) + b, widths = w, heights = k, slopes = d + 0.54)
    let v = a - rq_spline(u * exp(tanh(a)) / 3, widths = p, heights = q + p, slopes = s, bound = 2, floor = 0.05)
    return join(-a, rq_spline(v, widths = p, heights = r, slopes = a) / sigmoid(a))
  }}
}}""",
    "spline_both_ways": f"""{BINS}
layer A(start: Nat) on Vec[D] ensures invertible {{
  param n : net Bins(bins = 2) from Vec[D / 2] to (Vec[D], Vec[D], Vec[D / 2])
  map x {{
    let (a, b) = split(x, halves, start = start)
    let (w, k, d) = n(rq_spline(a, widths = concat(a, a), heights = concat(-a, a), slopes = 3 * a))
    return join(a, rq_spline(b, widths = w, heights = k, slopes = d))
  }}
}}
flow F on Vec[4] ensures invertible {{ repeat 2 {{ A(start = 0) A(start = 1) }} prior normal }}""",
    "spline_of_images": """
layer A on Image[C, H, W] ensures invertible {
  param V : conv 3x3 from Image[C, H, W] to Image[4 * C, H, W]
  param w : bias on Image[4 * C, H, W]
  param S : conv 1x1 from Image[C, H, W] to Image[3 * C, H, W]
  map x {
    let (a, b) = split(x, checkerboard, start = 1)
    let u = spread(a)
    return join(a, rq_spline(b, widths = V(u), heights = w, slopes = S(u), floor = 0.03) + pick(u, b))
  }
}""",
    "spline_of_tokens": """
layer A on Seq[T, D] ensures invertible {
  param s : bias on Seq[T, D / 2]
  map x {
    let (a, b) = split(x, channel)
    return join(rq_spline(a, widths = concat(b, -b, s), heights = concat(s, b, b), slopes = concat(b, s)), b)
  }
}
flow F on Seq[3, 4] ensures invertible { A }""",
    "spline_of_parameters": """
layer A on Image[C, H, W] ensures diagonal, diag > 0, invertible {
  param t : scale (per = channel) with diag > 0
  param w, k : bias on Image[5 * C, H, W]
  param s : bias (per = element) on Image[4 * C, H, W]
  map x -> rq_spline(t * x, widths = 3 * w, heights = k, slopes = s, bound = 2) + tanh(x)
}""",
    "spline_after_a_mask": """
layer A(K: Nat = 2) on Vec[D] ensures lower, diag > 0, invertible {
  index i : K
  param V[i] : linear lower with diag >= 0.5
  param w, k : bias on Vec[3 * D]
  param s[i] : bias on Vec[2 * D]
  map x -> sum[i](rq_spline(V[i](x), widths = w, heights = k, slopes = s[i])) + x
}""",
    "spline_autoregressive": """
net Own(bins: Nat, width: Nat, tri: Dir) from Vec[D] to (Bins, Bins, Knots) {
  space Hid = Vec[width]
  space Bins = Vec[bins * D] (degrees = own)
  space Knots = Vec[(bins - 1) * D] (degrees = own)
  param V : linear tri from Vec[D] to Hid
  param W, K : linear strict tri from Hid to Bins
  param U : linear tri on Bins
  param S : linear tri from Bins to Knots
  param b : bias (per = element) on Bins
  map x {
    let u = tanh(V(x))
    return (3 * W(u) + b, U(tanh(K(u))), S(tanh(W(2 * u))))
  }
}
layer A(bins: Nat = 3, tri: Dir = upper) on Vec[D] ensures tri, diag > 0, invertible {
  param W : linear tri with diag > 0
  param n : net Own(bins = bins, width = 5, tri = tri)
    from Vec[D] to (Vec[bins * D], Vec[bins * D], Vec[(bins - 1) * D])
  map x {
    let (w, k, d) = n(x)
    return rq_spline(W(x), widths = w, heights = k, slopes = d, bound = 2)
  }
}""",
    "mixture_autoregressive": """
net Own from Vec[D] to (Two, Two) {
  space Two = Vec[2 * D] (degrees = own)
  param L, S : linear strict lower from Vec[D] to Two
  map x -> (L(x), S(x))
}
layer A on Vec[D] ensures lower, diag != 0, invertible {
  param n : net Own from Vec[D] to (Vec[2 * D], Vec[2 * D])
  param m : bias (per = element) on Vec[2 * D]
  param V : linear strict lower
  map x {
    let (l, s) = n(x)
    return V(x) - mix_logistic(x, logits = l, means = m, log_scales = s)
  }
}""",
    "spline_in_a_net": """
net N from Vec[D] to Vec[D] {
  param V : linear
  param W : linear from Vec[D] to Vec[2 * D]
  param q : bias on Vec[2 * D]
  map x {
    let u = V(x)
    return rq_spline(u, widths = q, heights = W(u), slopes = tanh(x), bound = 2) + u
  }
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param S : linear strict lower
  param t : scale with diag >= 0.5
  param w : bias on Vec[2 * D]
  param n : net N
  param b : bias (per = element)
  map x -> t * x + n(b) + rq_spline(S(x), widths = w, heights = -w, slopes = n(b))
}""",
    "spline_names": """
layer A on Vec[D] ensures invertible {
  param heights : bias on Vec[D]
  param log_slope : linear from Vec[D / 2] to Vec[D]
  map x {
    let (rq_spline_, widths) = split(x, halves)
    let slopes = log_slope(widths)
    let y_widths = tanh(widths)
    let u = rq_spline(rq_spline_, widths = slopes, heights = heights, slopes = y_widths)
    return join(rq_spline(u, widths = -slopes, heights = heights, slopes = widths) * exp(y_widths), widths)
  }
}""",
}

MIXTURES = {
    "mixture_coupling": """
net Mixture(n: Nat) from Vec[D] to (Vec[n * D], Vec[n * D], Vec[n * D]) {
  param L, M, S : linear from Vec[D] to Vec[n * D]
  map a -> (L(a), M(a), tanh(S(a)))
}
layer A(n: Nat = 4) on Vec[D] ensures lower, diag > 0, invertible, inverse elementwise {
  param k : net Mixture(n = n) from Vec[D / 2] to (Vec[n * D / 2], Vec[n * D / 2], Vec[n * D / 2])
  map x {
    let (a, b) = split(x, halves)
    let (l, m, s) = k(a)
    return join(a, mix_logistic(b, logits = l, means = m, log_scales = s) * exp(tanh(a)) + a)
  }
}""",
    "mixture_of_images": """
layer A on Image[C, H, W] ensures invertible {
  param V : conv 3x3 from Image[C, H, W] to Image[2 * C, H, W]
  param w : bias on Image[2 * C, H, W]
  map x {
    let (a, b) = split(x, checkerboard, start = 1)
    let u = spread(a)
    return join(a, mix_logistic(b, logits = V(u), means = w, log_scales = tanh(V(-u))) - pick(u, b))
  }
}""",
    "mixture_and_spline": """
layer A on Seq[T, D] ensures invertible {
  param s, l : bias on Seq[T, D / 2]
  map x {
    let (a, b) = split(x, channel)
    let u = rq_spline(a, widths = concat(b, -b, s), heights = concat(s, b, b), slopes = concat(b, s))
    return join(-mix_logistic(u - b, logits = concat(b, s), means = concat(s, -s), log_scales = concat(l, s)), b)
  }
}
flow F on Seq[3, 4] ensures invertible { A }""",
    "mixture_of_parameters": """
layer A on Image[C, H, W] ensures diagonal, diag > 0, invertible {
  param t : scale (per = channel) with diag > 0
  param l, m : bias on Image[3 * C, H, W]
  param s : bias (per = element) on Image[3 * C, H, W]
  map x -> mix_logistic(t * x, logits = 3 * l, means = m, log_scales = s) + tanh(x)
}""",
    "mixture_after_a_mask": """
layer A(K: Nat = 2) on Vec[D] ensures lower, diag > 0, invertible {
  index i : K
  param V[i] : linear lower with diag >= 0.5
  param l, m : bias on Vec[2 * D]
  param s[i] : bias on Vec[2 * D]
  map x -> sum[i](mix_logistic(V[i](x), logits = l, means = m, log_scales = s[i])) + x
}""",
    "mixture_in_a_net": """
net N from Vec[D] to Vec[D] {
  param V : linear
  param W : linear from Vec[D] to Vec[2 * D]
  param q : bias on Vec[2 * D]
  map x {
    let u = V(x)
    return mix_logistic(u, logits = q, means = W(u), log_scales = W(x)) + u
  }
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param S : linear strict lower
  param t : scale with diag >= 0.5
  param w : bias on Vec[2 * D]
  param n : net N
  param b : bias (per = element)
  map x -> t * x + n(b) + mix_logistic(S(x), logits = w, means = -w, log_scales = w)
}""",
}

KERNELS = {
    f"kernel_{via}": (
        f"layer A on Image[C, H, W] ensures invertible {{ param W : conv {kind} with {det} via {via} "
        "init near_identity(std = 0.1) map x -> W(x) }"
    )
    for via, det, kind in (
        ("plu", "det != 0", "2x3 (anchor = top_right, dilation = (2, 1))"),
        ("qr", "det != 0", "3x3 (anchor = bottom_right)"),
        ("lower", "det != 0", "2x2 (anchor = bottom_left)"),
        ("upper", "det != 0", "3x1 (anchor = top_left, dilation = 2)"),
        ("raw", "det != 0", "3x2 (anchor = bottom_left)"),
        ("unit_lower", "det == 1", "3x3 (anchor = top_left)"),
        ("unit_upper", "det == 1", "1x3 (anchor = bottom_left, dilation = (1, 2))"),
        ("householder", "det == 1", "2x2 (anchor = top_right)"),
    )
}
KERNELS_APPLIED = {
    "kernel_chain": """
layer A on Image[C, H, W] ensures invertible {
  param W : conv 2x2 (anchor = bottom_right) with det != 0 init near_identity
  param V : conv 3x2 (anchor = top_left) with det == 1 via householder init near_identity
  param L : conv 1x1 upper with diag != 0
  param P : perm (axis = all, seed = 2)
  param b : bias
  map x -> -P(V(leaky_relu(W(L(x)) + exp(b), 0.5)) - W(V(b)))
}""",
    "kernels_in_parts": """
layer A on Image[4, 2, 3] ensures invertible {
  space Q = Image[2, 2, 3]
  param W, U : conv 2x2 (anchor = top_right) on Q with det != 0 init near_identity
  param V : conv 3x3 (anchor = bottom_left, dilation = (1, 2)) on Q with det == 1 init near_identity
  param s : bias on Q
  map x {
    let (a, b) = split(x, channel)
    return join(V(a * exp(s)) + U(s), s - W(exp(tanh(U(a))) * V(W(b)) + a))
  }
}""",
    "perms_in_parts": """
layer A on Image[4, 2, 3] ensures invertible, inverse closed_form {
  space Q = Image[2, 2, 3]
  param P : perm on Q
  param R : perm (axis = all, seed = 3) on Q
  param s : scale (per = channel) on Q
  map x {
    let (a, b) = split(x, channel)
    return join(P(-a), R(P(b) * exp(tanh(R(a) + P(s))) + R(s)) - P(a))
  }
}""",
    "kernels_in_corners": """
layer A on Image[4, 2, 3] ensures invertible, inverse closed_form {
  space Q = Image[2, 2, 3]
  param W : conv 2x2 (anchor = bottom_right) on Q with det == 1 init near_identity
  param V : conv 3x3 (anchor = top_left) on Q with det != 0 init near_identity
  map x {
    let (a, b) = split(x, channel)
    return join(W(a), V(W(b)))
  }
}""",
    "matrices_in_parts": """
layer A on Vec[6] ensures invertible {
  param W : linear on Vec[2] with det != 0 via qr
  param V : linear on Vec[2] with det == 1
  map x {
    let (a, b, c) = split(x, strided, parts = 3)
    return join(V(W(a)), b, -W(c) * exp(b))
  }
}""",
    "conv_dilated": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  index i : 2
  param k : conv 3x3 lower (dilation = 2) with diag > 0
  param l[i] : conv 2x2 lower (anchor = corner, dilation = (1, 2)) with diag > 0
  param m : conv 3x3 (dilation = (2, 1))
  param b : bias
  map x -> k(elu(sum[i](l[i](x)))) + x + m(b)
}""",
    "conv_dilated_mixed": """
order fronts = (h + 2 * w, c)
layer A(d: Dir) on Image[C, H, W] ensures d, diag > 0, invertible {
  order fronts
  param k : conv 3x2 d (anchor = corner, dilation = (2, 3)) with diag > 0
  map x -> k(x)
}
flow F on Image[2, 3, 4] ensures invertible { A(d = lower) A(d = upper) }""",
}

CIRCULAR = {
    "circular_raw": """
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 (boundary = circular) with det != 0 via raw init orthogonal
  param V : conv 2x4 (anchor = top_left, dilation = (2, 1), boundary = circular) with det != 0 via raw init orthogonal
  param b : bias
  map x -> V(leaky_relu(W(x) + W(b), 0.5))
}""",
    "circular_dominant": """
layer A on Image[C, H, W] ensures invertible, inverse closed_form {
  param W : conv 2x4 (anchor = (1, 2), boundary = circular) with det != 0 via dominant init near_identity
  map x -> W(x)
}""",
    "circular_residual": """
layer A(c: Real = 0.9) on Image[C, H, W] ensures invertible {
  space Hid = Image[3, H, W]
  param V : conv 3x3 (dilation = (2, 1), boundary = circular) from Image[C, H, W] to Hid with lip <= c
  param W : conv 1x4 (anchor = top_right, boundary = circular) from Hid to Image[C, H, W] with lip <= 1 via spectral
  map x -> x - W(sin(V(x)))
}
flow F on Image[2, 2, 3] ensures invertible { A log_det exact  A(c = 0.3) log_det exact }""",
    "circular_exponential": """
layer A on Image[C, H, W] ensures invertible, inverse closed_form {
  param M : conv 3x3 (dilation = 2, boundary = circular) with lip <= 2
  param N : conv 2x4 (anchor = top_right, boundary = circular) with lip <= 0.5
  param b : bias
  map x -> exp(N)(exp(M)(x) + b)
}""",
    "circular_in_parts": """
net N from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x2 (anchor = top_right, dilation = 2, boundary = circular)
  map x -> V(x)
}
layer A on Image[4, 2, 3] ensures invertible {
  space Q = Image[2, 2, 3]
  param n : net N from Q to Q
  param W : conv 3x3 (dilation = (1, 2), boundary = circular) on Q with det != 0 via dominant
  param V : conv 1x2 (anchor = top_left, boundary = circular) on Q with det != 0 via raw init orthogonal
  map x {
    let (a, b) = split(x, channel)
    return join(W(a), V(b + n(a)))
  }
}""",
}

STRIDED = {
    "strided": """
net Down(K: Nat, a: Act = tanh) from Image[C, H, W] to Image[K, H / 2, W / 6] {
  space Half = Image[3, H / 2, W / 2]
  space Out = Image[K, H / 2, W / 6]
  index i : 2
  param V[i] : conv 4x4 (stride = 2) from Image[C, H, W] to Half with lip <= 0.8
  param S : conv 3x2 (stride = 2) from Image[C, H, W] to Half with lip <= 0.6 via columns
  param U : conv 2x3 (anchor = bottom_left, dilation = (2, 1), stride = (1, 3), norm = weight) from Half to Out
  map x -> U(sum[i](a(V[i](x))) + S(x))
}
layer A on Image[C, H, W] ensures diag > 0, invertible {
  param b : bias (per = element) on Image[2, 2 * H, 6 * W]
  param n : net Down(K = C) from Image[2, 2 * H, 6 * W] to Image[C, H, W]
  map x -> exp(tanh(n(b))) * x
}""",
}

DOMINANT = {
    "dominant": """
layer A on Image[C, H, W] ensures invertible, inverse iterative {
  param W : conv 3x3 with det != 0 via dominant init near_identity
  param V : conv 1x4 (anchor = (0, 2), dilation = (1, 2)) with det != 0 via dominant
  param b : bias
  map x -> V(leaky_relu(W(x) + W(b), 0.5))
}""",
    "dominant_corner": """
layer A on Image[C, H, W] ensures invertible, inverse closed_form {
  param W : conv 2x3 (anchor = bottom_right) with det != 0 via dominant init near_identity
  map x -> W(x)
}""",
    "dominant_in_parts": """
layer A on Image[4, 2, 3] ensures invertible {
  space Q = Image[2, 2, 3]
  param W : conv 3x3 (dilation = (2, 1)) on Q with det != 0 via dominant
  map x {
    let (a, b) = split(x, channel)
    return join(a, -W(b * exp(tanh(a)) + a))
  }
}""",
}

LOW_RANK = {
    "low_rank": """
layer A(d: Nat) on Image[C, H, W] ensures invertible, inverse closed_form {
  param W : conv 1x1 (rank = d) with det != 0
  param V : conv 1x1 (rank = 1) with det != 0 init identity
  param b : bias
  map x -> V(leaky_relu(W(x) + W(b), 0.5))
}
flow F on Image[3, 2, 2] ensures invertible { A(d = 2)  A(d = 3)  prior normal }""",
    "low_rank_raw": """
layer A on Image[C, H, W] ensures invertible {
  param W : conv 1x1 (rank = 2) with det != 0 via raw init near_identity(std = 0.3)
  map x -> W(x)
}""",
    "low_rank_vector": """
layer A(s: Real = 0.2) on Vec[D] ensures invertible {
  param W : linear (rank = D / 2) with det != 0 init near_identity(std = s)
  param V : linear (rank = 2) with det != 0 via raw
  map x -> V(W(x) * 2)
}
flow F on Vec[4] ensures invertible { A  A(s = 0.5)  prior normal }""",
    "low_rank_in_parts": """
net N from Image[C, H, W] to Image[C, H, W] {
  param V : conv 1x1
  map x -> tanh(V(x))
}
layer A on Image[4, 2, 3] ensures invertible {
  space Q = Image[2, 2, 3]
  param n : net N from Q to Q
  param W : conv 1x1 (rank = 1) on Q with det != 0
  param V : conv 1x1 (rank = 2) on Q with det != 0 via raw
  map x {
    let (a, b) = split(x, channel)
    return join(W(a), V(b + n(a)))
  }
}""",
    "flow_transposed": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  param W : conv 3x2 lower (anchor = corner) with diag > 0 init near_identity
  map x -> W(x)
}
flow F on Image[2, 3, 4] ensures invertible {
  transpose(height, width)
  A
  repeat 2 { transpose(channel, width)  A  transpose(channel, width) }
  patches 1
  transpose(time, channel)
  prior normal
}""",
}

EXTERN = {
    "extern_coupling": """
extern net CondNet from Image[C, H, W] to (Image[C, H, W], Image[C, H, W])
layer Coupling on Image[C, H, W] ensures invertible {
  param n : net CondNet from Image[C / 2, H, W] to (Image[C / 2, H, W], Image[C / 2, H, W])
  map x {
    let (a, b) = split(x, channel)
    let (s, m) = n(a)
    return join(a, b * exp(tanh(s)) + m)
  }
}
flow F on Image[4, 2, 2] ensures invertible {
  repeat 2 { Coupling  reverse(axis = channel) }
  factor half (prior = CondNet)
  prior normal
}""",
    "extern_by_solver": """
extern net N from S to S
net Twice from Vec[D] to Vec[D] {
  param n, m : net N
  map x -> n(tanh(m(x))) + x
}
layer Sums on Vec[D] ensures lower, diag > 0, invertible {
  index k : 2
  param W : linear lower with diag > 0
  param b : bias
  param n : net Twice
  param B[k] : net N
  map x -> W(x) + tanh(x) + n(b) + chain[k](B[k])(b)
}
flow F on Vec[3] ensures invertible { Sums }""",
    "extern_names": """
extern net factory from S to S
extern net Shape from S to S
extern net shape from S to S
extern net GivenModule from S to S
layer A(shape_: Nat = 2, unet: Nat = 2) on Vec[D] ensures invertible {
  index k : shape_ * unet
  param extern_places, module : net factory
  param own_weights : net Shape
  param targets : net shape
  param sources : net GivenModule
  param b[k] : bias
  map x {
    let c = sum[k](b[k])
    return x * exp(module(own_weights(c)) + extern_places(c)) + targets(sources(c))
  }
}
flow F(unet: Nat = 2) on Vec[3] ensures invertible { A(shape_ = unet) }""",
}

EXPONENTIALS = {
    "exp_kernels": """
layer A(c: Real = 2) on Image[C, H, W] ensures invertible, inverse closed_form {
  param M : conv 3x3 with lip <= c
  param N : conv 2x3 (anchor = top_left, dilation = 2) with lip <= 0.5
  param s : scale with diag > 0
  param b : bias
  map x -> exp(N)(s * exp(M)(x) + b)
}""",
    "exp_matrix": """
layer A on Vec[D] ensures invertible, lip < 8 {
  param M : linear with lip <= 1
  map x -> exp(M)(leaky_relu(exp(M)(x), 0.5))
}""",
    "exp_in_parts": """
layer A on Image[C, H, W] ensures invertible, inverse closed_form {
  space Half = Image[C / 2, H, W]
  param M : conv 3x3 on Half with lip <= 1
  param V : conv 3x3 on Half
  map x {
    let (a, b) = split(x, channel)
    return join(exp(M)(a), (exp(M)(b) + V(a)) * 2)
  }
}""",
}

INVERSES = {
    "inverse_triangular": """
layer A(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible {
  param t : scale with diag >= 0.5
  param V : linear tri with diag >= 0
  map x -> t * x + tanh(V(x))
}
flow F on Vec[4] ensures invertible {
  pair { A(tri = lower, direction = inverse)  A(tri = upper) }
  repeat 2 { last: A(tri = lower, direction = inverse) }
  prior normal
}""",
    "inverse_corner": """
import "std/inverse_flow.mint" { Corner, InverseFlow }
flow F on Image[2, 3, 2] ensures invertible, volume_preserving, inverse closed_form {
  InverseFlow
  Corner(direction = inverse)
}""",
    "inverse_coupling_raw": """
layer A on Vec[D] ensures invertible {
  param U : linear from Vec[D / 2] to Vec[D / 2]
  param s : scale on Vec[D / 2] with diag != 0 via raw
  map x {
    let (a, b) = split(x, halves)
    return join(s * a, b * exp(tanh(U(a))))
  }
}
flow F on Vec[4] ensures invertible { A(direction = inverse)  prior logistic }""",
}

GROUPS = (PARAMETRISATIONS, CONV_DIAGONALS, MAPS, TIES, FAMILIES, FORMULAS, ACTS, NAMES, DATA, FLOWS, NETS)
GROUPS += (
    STRIDED,
    FACTORS,
    KERNELS,
    KERNELS_APPLIED,
    CIRCULAR,
    DOMINANT,
    LOW_RANK,
    CHAINS,
    SPLINES,
    MIXTURES,
    APPLIED,
    RESIDUALS,
    EXTERN,
    EXPONENTIALS,
    INVERSES,
)
PROGRAMS: dict[str, str] = {name: HEAD + text for group in GROUPS for name, text in group.items()}
"""Program text by name."""

IMAGE, VECTOR = (2, 2, 3), (4,)
SHAPES: dict[str, tuple[int, ...]] = {
    "flow_symbolic_shape": (1, 4, 2),
    "flow_moves_only": (1, 4, 8),
    "conv_flat_and_tall": (1, 4, 4),
    "flow_factored_at_both_ends": (8,),
    "conv_anchors": (2, 3, 3),
    "conv_even": (1, 4, 3),
    "conv_negative_order": (2, 3, 3),
    "conv_cinc": (2, 3, 3),
    "conv_dilated": (1, 3, 5),
    "kernel_upper": (2, 5, 1),
    "kernel_unit_upper": (2, 1, 5),
    "tie_three": (2, 3, 2),
}
"""Shapes of the compiled definitions that have none of their own, where the usual ones do not show the construct."""
