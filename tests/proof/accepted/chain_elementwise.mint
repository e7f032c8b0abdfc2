# proves: A: invertible
# class: A: dense, bijection by composition
# a slope of leaky_relu is never 0, and it is onto R; so are a constant shift and a factor without a 0
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm
  param s : scale with diag != 0
  param b : bias
  map x {
    let u = leaky_relu(P(x / s - b), 0.5)
    return 2 - s * u
  }
}
