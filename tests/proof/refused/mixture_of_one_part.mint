# error: [E0415] n(spread(b))
# one logistic has one number for each element, and a part of a mask those of all places: still not of a part
mint 1
net Mean from Vec[D] to Vec[D] {
  param V : linear strict lower
  map x -> V(x)
}
layer A on Vec[D] ensures invertible {
  param n : net Mean from Vec[D] to Vec[D]
  param s : bias on Vec[D]
  map x {
    let (a, b) = split(x, odd)
    return join(a, mix_logistic(b, logits = s, means = n(spread(b)), log_scales = s))
  }
}
mask odd = i mod 2
