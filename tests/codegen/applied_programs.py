"""Programs whose layers apply other layers, for the tests of generated modules; the last definition is compiled."""

from __future__ import annotations

TRI = """
layer Tri(tri: Dir, h: Act = tanh) on S2 ensures tri, diag > 0, invertible {
  param W : KIND tri with diag > 0
  param b : bias (per = element)
  map x -> W(x) + h(x) + b
}"""
VECTORS = TRI.replace("S2", "Vec[D]").replace("KIND", "linear")
IMAGES = TRI.replace("S2", "Image[C, H, W]").replace("KIND", "conv 3x3")
MIX = """
layer Mix on Vec[D] ensures invertible {
  param L : linear lower with diag == 1
  param U : linear upper with diag > 0
  map x -> L(U(x))
}"""

APPLIED = {
    "applied_in_a_coupling": """
import "mintnet/mint.mint" { Mint }
net N from Image[C, H, W] to (Image[C, H, W], Image[C, H, W]) {
  param V, U : conv 3x3
  map x -> (V(x), U(x))
}
layer A(K: Nat = 2) on Image[C, H, W] ensures invertible {
  space Half = Image[C / 2, H, W]
  param n : net N from Half to (Half, Half)
  map x {
    let (a, b) = split(x, channel)
    let (s, m) = n(a)
    return join(a, Mint(K = K, tri = upper)(Mint(K = K, tri = lower)(b)) * sigmoid(s + 2) + m)
  }
}""",
    "applied_between_links": VECTORS
    + """
layer A on Vec[D] ensures invertible {
  param t : scale on Vec[D / 2] with diag != 0
  map x {
    let (a, b) = split(x, strided, start = 1)
    let u = a - Tri(tri = upper)(-b / t)
    return join(Tri(tri = lower)(a) / 2, 3 - 2 * Tri(tri = lower)(u * exp(tanh(a)) + 0.5))
  }
}""",
    "applied_closed_forms": MIX
    + """
layer Own on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0
  param b : bias
  map x -> s * (x + b)
}
layer A on Vec[D] ensures invertible, inverse closed_form {
  map x {
    let (a, b) = split(x, halves)
    return join(Own(a), Mix(Own(b)) * exp(tanh(a)) + a)
  }
}""",
    "applied_in_one_order": VECTORS
    + """
layer Own on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x + softplus(x)
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param b : bias (per = element)
  map x -> 2 * Tri(tri = lower, h = elu)(Own(Tri(tri = lower)(x))) - b
}""",
    "applied_in_a_composition": VECTORS
    + MIX
    + """
layer A on Vec[D] ensures invertible {
  param b : bias (per = element)
  param P : perm
  param W : linear lower with diag >= 0.5
  map x {
    let u = P(Tri(tri = upper)(Mix(x) + tanh(b)))
    return -W(leaky_relu(Tri(tri = lower)(u), 0.5)) / 3
  }
}""",
    "applied_coupling_of_couplings": VECTORS
    + """
layer Inner on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(Tri(tri = lower)(a), b * exp(tanh(a)) + a)
  }
}
layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, strided)
    return join(a, Inner(Inner(b) + a))
  }
}
flow F on Vec[8] ensures invertible { A  reverse  A  prior normal }""",
    "applied_directions_and_acts": VECTORS
    + """
act bent(u) = 0.5 * u + tanh(u)
layer A(d: Dir, g: Act) on Vec[D] ensures d, invertible {
  map x -> Tri(d, h = g)(2 * Tri(tri = d, h = bent)(x))
}
flow F on Vec[3] ensures invertible {
  pair { A(d = upper, g = bent)  A(d = lower, g = elu) }
  A(d = lower, g = elu)
}""",
    "applied_raw": """
layer Raw on Vec[D] ensures diag != 0, invertible {
  param s : scale with diag != 0 via raw init ones
  map x -> s * x
}
layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(Raw(a), Raw(-Raw(b)) + a)
  }
}
flow F on Vec[4] ensures invertible { A  reverse  A  prior normal }""",
    "applied_statistics": """
layer Norm on Vec[D] ensures diag != 0, invertible {
  param n : normalize
  param g : scale with diag != 0
  map x -> g * n(x)
}
layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a, Norm(b + a))
  }
}
layer B on Vec[D] ensures invertible {
  map x -> Norm(x) - 1
}
flow F on Vec[4] ensures invertible { A  reverse  B  A  prior normal }""",
    "applied_on_images": IMAGES
    + """
layer A on Image[C, H, W] ensures invertible {
  map x {
    let (a, b, c) = split(x, strided, parts = 3)
    return join(a, Tri(tri = upper)(b) + a * c, Tri(tri = lower)(Tri(tri = upper)(c)))
  }
}
flow F on Image[3, 2, 2] ensures invertible { A }""",
    "applied_on_any_shape": """
layer Own on S ensures diag > 0, invertible {
  param s : scale (per = channel) with diag > 0
  map x -> s * x
}
layer A on Seq[T, D] ensures invertible {
  map x {
    let (a, b) = split(x, channel)
    return join(a, Own(b) + a)
  }
}
layer B on S ensures diag > 0, invertible {
  map x -> Own(Own(x)) + 1
}
flow F on Seq[2, 4] ensures invertible { A  B }""",
    "applied_at_fixed_sizes": """
layer Own(n: Nat) on Vec[2] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> n * s * x
}
layer A(m: Nat = 3) on Vec[4] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(Own(2 * m)(a), Own(n = 1)(b) - a)
  }
}""",
    "applied_names": """
layer self on Vec[D] ensures diag > 0, invertible {
  param change, tol : scale with diag > 0
  map x -> change * x / tol
}
layer A on Vec[D] ensures invertible {
  param self_0 : bias on Vec[D / 2]
  param context : bias on Vec[D / 2]
  map x {
    let (lead, y) = split(x, halves)
    let self_2 = self(y)
    let change = exp(tanh(lead))
    let y_log = self(self_2 + self_0)
    return join(lead, y_log * change + lead * context)
  }
}""",
}
