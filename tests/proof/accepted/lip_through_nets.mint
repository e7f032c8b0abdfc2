# proves: A: invertible
# proves: B: invertible
# class: A: dense, bijection by composition
# class: B: dense, bijection by composition
# A: concat(0.3, 0.4) has 0.5, W 0.9, the net in the net 0.5 + 0.6 of |y|, the chain 0.9^2: 0.5 * 0.9 * 1.1 < 0.6
# B: a chain of unknown length of what is no steeper than 1, a scale of values up to 0.5, a mean, what reads the context
mint 1
act lipswish(u) = silu(u) / 1.1
net Two(h: Act = tanh) from Image[C, H, W], Image[C, H, W] to (Image[C, H, W], Image[C, H, W]) {
  param V : conv 3x3 with lip <= 0.5
  param U : conv 1x1 with lip <= 0.6
  map x, y -> (h(V(x)) - U(y), y)
}
net N(h: Act) from Image[C, H, W] to Image[C, H, W] {
  space Mid = Image[2 * C, H, W]
  param V : conv 3x3 with lip <= 0.3
  param U : conv 3x3 with lip <= 0.4
  param W : conv 1x1 from Mid to Image[C, H, W] with lip <= 0.9
  param b : bias on Mid
  param t : net Two(h = h) from Image[C, H, W], Image[C, H, W] to (Image[C, H, W], Image[C, H, W])
  map x {
    let u = h(concat(V(x), U(x)) + b)
    let (v, w) = t(W(u), W(u))
    return v
  }
}
layer A on Image[C, H, W] ensures invertible {
  param n : net N(h = lipswish)
  map x -> x - n(x)
}
net Link from Vec[D] to Vec[D] {
  param V : linear with lip <= 1
  param b : bias
  map x -> elu(V(x)) + b
}
net Long(count: Nat) from Vec[D], Vec[M] to Vec[D] {
  index l : count
  param again[l] : net Link
  param s : scale with lip <= 0.5
  param t : scale with diag != 0
  param F : linear from Vec[M] to Vec[D]
  map x, y -> s * chain[l](again[l])(x) * sigmoid(t) - 0.4 * relu(x / 2) + F(y)
}
layer B(count: Nat) on Vec[D] given y : Vec[M] ensures invertible {
  param n : net Long(count = count) from Vec[D], Vec[M] to Vec[D]
  map x -> x + n(x, y)
}
