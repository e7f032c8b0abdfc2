"""Programs with bounded norms and residual sums, for the tests of generated modules; the last one is compiled."""

from __future__ import annotations

RESIDUALS = {
    "lip_scales": """
layer A on Image[C, H, W] ensures diag >= 0.5, invertible {
  param s : scale with lip <= 0.25
  param c : scale (per = channel) with lip <= 0.25
  map x -> x + s * tanh(x) + c * x
}""",
    "residual_matrices": """
layer A on Vec[D] ensures invertible {
  param V : linear from Vec[D] to Vec[7] with lip <= 0.9
  param W : linear from Vec[7] to Vec[D] with lip <= 0.9
  param b : bias on Vec[7]
  param c : bias
  map x -> x + W(tanh(V(x) + b)) + c
}""",
    "residual_convolutions": """
layer A on Image[C, H, W] ensures invertible {
  space Mid = Image[3, H, W]
  param V : conv 3x3 from Image[C, H, W] to Mid with lip <= 0.9
  param U : conv 1x1 on Mid with lip <= 0.9
  param W : conv 2x3 (anchor = bottom_left) from Mid to Image[C, H, W] with lip <= 0.9
  param b : bias on Mid
  map x {
    let u = elu(V(elu(x)) + b)
    let v = elu(U(u))
    return x - W(v)
  }
}""",
    "residual_branches": """
layer A on Image[C, H, W] ensures invertible {
  param V, U : conv 3x3 with lip <= 0.2
  param s : scale with lip <= 0.5
  param c : bias
  map x -> (s * silu(x) + (V(x) - U(tanh(x)))) + (c + x) - 0.5
}""",
    "residual_terms": """
layer A on Vec[D] ensures invertible {
  param V : linear from Vec[D] to Vec[7] with lip <= 0.5
  param W : linear from Vec[7] to Vec[D] with lip <= 0.5
  param U : linear with lip <= 0.2
  param t : scale with diag >= 0.75, diag <= 2
  param b : bias
  map x {
    let u = W(sin(V(x))) - t * x
    return u + U(x) - (0.5 * tanh(x) - b)
  }
}""",
    "residual_nets": """
act lipswish(u) = silu(u) / 1.1
net Link(h: Act = tanh) from Image[C, H, W] to Image[C, H, W] {
  param V : conv 1x1 with lip <= 0.9
  param b : bias
  map x -> h(V(x) + b)
}
net Dense(width: Nat) from Image[C, H, W] to Image[C, H, W] {
  space Grown = Image[C + width, H, W]
  index l : 2
  param V : conv 2x2 (anchor = top_right) from Image[C, H, W] to Image[width, H, W] with lip <= 0.9
  param again[l] : net Link(h = lipswish) from Grown to Grown
  param s : scale with lip <= 0.5
  param W : conv 3x3 from Grown to Image[C, H, W] with lip <= 0.9
  map x -> s * x - W(chain[l](again[l])(concat(0.6 * x, 0.8 * elu(V(x)))))
}
layer A(width: Nat = 3) on Image[C, H, W] ensures invertible {
  param n : net Dense(width = width)
  param m : net Link
  map x -> x + 0.5 * n(x) - 0.2 * m(x)
}""",
    "residual_densenet": """
net Grow(grow: Nat) from Image[C, H, W] to Image[C + 2 * grow, H, W] {
  space New = Image[grow, H, W]
  param V : conv 3x3 from Image[C, H, W] to New with lip <= 1
  param b : bias on New
  param w : scale on Vec[2] with length == 1
  map x -> concat(x, clip_swish(V(x) + b), weights = w)
}
net Dense(grow: Nat) from Image[C, H, W] to Image[C, H, W] {
  param g1 : net Grow(grow = grow) from Image[C, H, W] to Image[C + 2 * grow, H, W]
  param g2 : net Grow(grow = grow) from Image[C + 2 * grow, H, W] to Image[C + 4 * grow, H, W]
  param W : conv 1x1 from Image[C + 4 * grow, H, W] to Image[C, H, W] with lip <= 0.98
  param v : scale (per = channel) on Vec[3] with length == 1
  param M : conv 1x1 from Image[3 * C, H, W] to Image[C, H, W] with lip <= 1
  map x -> M(concat(W(g2(g1(x))), 0.9 * sin(x), 0.95 * x, weights = v))
}
layer A on Image[C, H, W] ensures invertible {
  param n : net Dense(grow = 2)
  map x -> x + n(x)
}""",
    "residual_beta": """
net Branch(width: Nat) from Image[C, H, W] to Image[C, H, W] {
  space Mid = Image[width, H, W]
  param V1 : conv 3x3 from Image[C, H, W] to Mid with lip <= 0.98
  param V2 : conv 1x1 from Image[2 * width, H, W] to Mid with lip <= 0.98
  param V3 : conv 3x3 from Mid to Image[C, H, W] with lip <= 0.98
  param b1 : bias on Mid
  param beta1, beta2 : scale on Vec[1] with diag > 0 init normal(1)
  param beta3 : scale on Vec[1] with diag >= 0.5 via exp
  map x {
    let u = swish(x, beta = beta1) / 1.1
    return V3(swish(V2(clip_swish(V1(u) + b1, beta = beta2)), beta = beta3) / 1.1)
  }
}
layer A(width: Nat = 3) on Image[C, H, W] ensures invertible, lip < 2 {
  param n : net Branch(width = width)
  map x -> x + n(x)
}""",
    "residual_rows": """
net Grow(grow: Nat) from Image[C, H, W] to Image[C, H, W] {
  space Grown = Image[C + 2 * grow, H, W]
  param V : conv 3x3 (dilation = (2, 1)) from Image[C, H, W] to Image[grow, H, W] with lip <= 1 via rows
  param W : conv 2x3 (anchor = bottom_left, boundary = circular) from Grown to Image[C, H, W] with lip <= 0.9 via rows
  param b : bias on Grown
  map x -> W(concat(x, clip_swish(V(x))) + b)
}
layer A on Image[C, H, W] ensures invertible {
  param n : net Grow(grow = 2)
  map x -> x - n(x)
}""",
    "residual_columns": """
net Grow(grow: Nat) from Vec[D] to Vec[D] {
  param V : linear from Vec[D] to Vec[grow] with lip <= 1 via columns
  param W : linear from Vec[D + 2 * grow] to Vec[D] with lip <= 0.5 via columns
  param w : scale on Vec[2] with length == 1
  map x {
    let u = W(concat(0.2 * x, maxmin(0.5 * concat(V(x), V(x)))))
    return 0.9 * W(concat(0.8 * x, clip_swish(V(x)), weights = w)) + 0.5 * u
  }
}
layer A(bound: Real = 0.3) on Vec[D] ensures invertible {
  param n : net Grow(grow = 3)
  param U : linear with lip <= bound via columns
  param s : scale with lip <= 0.5
  map x -> 1.5 * x + n(x) - s * sin(U(x))
}""",
    "residual_flow": """
layer A(bound: Real = 0.5, h: Act = elu) on Vec[D] ensures invertible {
  param V : linear with lip <= bound
  param W : linear with lip <= 1
  map x -> x + W(h(V(x)))
}
flow F on Vec[4] ensures invertible {
  A log_det exact
  A(bound = 0.75, h = tanh) log_det exact
  A(h = tanh) log_det exact
  prior normal
}""",
}
