# proves: A: invertible
# proves: B: invertible
# proves: F: invertible, log_det unbiased
# proves: G: log_det estimate
# class: A: dense, bijection by composition
# class: B: dense, bijection by composition
# class: F: bijection of R^D
# class: G: bijection of R^D
# 0.26 is more than L^2 = 0.25; with a truncated series beside it there is a bias too
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(tanh(x))
}
layer B(bound: Real = 0.9) on Vec[D] ensures invertible {
  param V : linear from Vec[D] to Vec[3] with lip <= bound
  param W : linear from Vec[3] to Vec[D] with lip <= 0.9
  param b : bias
  map x {
    let u = V(tanh(x))
    return x - W(u) + b
  }
}
flow F on Vec[4] ensures invertible, log_det unbiased {
  A log_det roulette(first = 2, keep = 0.26)
  B log_det roulette(first = 4, probes = 2)
  B(bound = 0.3) log_det roulette(first = 1)
  prior normal
}
flow G on Vec[4] ensures log_det estimate {
  A log_det roulette(first = 2, probes = 0)
  repeat 2 { B log_det series(bits_per_dim <= 1e-3) }
}
