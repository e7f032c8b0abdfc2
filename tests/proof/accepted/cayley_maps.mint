# proves: Net: invertible, lip <= 20
# proves: Matrix: invertible, lip < 3.1, inverse iterative
# proves: Pixels: onto, log_det exact
# proves: Given: injective
# proves: Let: invertible
# proves: F: invertible, log_det estimate, inverse iterative
# proves: G: invertible, log_det none
# proves: H: inverse iterative
# class: Net: dense, bijection by composition
# class: Matrix: dense, bijection by composition
# class: Pixels: dense, bijection by composition
# class: Given: dense, bijection by composition
# class: Let: dense, bijection by composition
# class: F: bijection of R^D
# class: G: bijection of R^D
# class: H: bijection of R^D
# (1 + L) / (1 - L) is 19 for L = 0.9, 3 for L = 0.5; a branch of the context is still a map of the variable
mint 1
act lip_swish(u) = silu(u) / 1.1
net Branch(width: Nat, bound: Real = 0.9, h: Act = lip_swish) from S to S {
  param n : net Deep(width = width, h = h) from S to S
  param s : scale with lip <= bound
  map x -> s * n(x)
}
net Deep(width: Nat, h: Act) from S to S {
  index l : width
  param again[l] : net Flat(h = h) from S to S
  map x -> chain[l](again[l])(x)
}
net Flat(h: Act) from S to S {
  param s : scale with lip <= 1
  param b : bias
  map x -> h(s * x + b)
}
net Both from Vec[D], Vec[2] to Vec[D] {
  param V : linear from Vec[D + 2] to Vec[D] with lip <= 0.5
  map x, y -> tanh(V(concat(x, y)))
}
layer Net(width: Nat) on S ensures invertible, lip <= 20 {
  param n : net Branch(width = width) from S to S
  map x -> cayley(n)(x)
}
layer Matrix on Vec[D] ensures invertible, lip < 3.1, inverse iterative {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(x)
}
layer Pixels on Image[C, H, W] ensures onto, log_det exact {
  param K : conv 3x3 with lip <= 0.98
  map x -> cayley(K)(x)
}
layer Given on Vec[D] given y : Vec[2] ensures injective {
  param n : net Both from Vec[D], Vec[2] to Vec[D]
  map x -> cayley(n)(x, y)
}
layer Let on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  map x {
    let y = cayley(M)(x)
    return y
  }
}
flow F on Image[2, 2, 2] ensures invertible, log_det estimate, inverse iterative {
  Pixels log_det exact
  Pixels(direction = inverse) log_det series(bits_per_dim <= 1e-3)
  flatten
  Matrix log_det roulette(first = 2, keep = 0.07)
  repeat 2 { Let log_det series(terms = 3, probes = 0) }
  prior normal
}
flow G on Vec[3] ensures invertible, log_det none { Net(width = 2)  Net(width = 1) log_det exact }
flow H on Vec[3] ensures inverse iterative { Matrix(direction = inverse) log_det exact }
