# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
act soft(u) = log(1 + softplus(u)) / 2
net In(h: Act) from Vec[D] to Vec[D] {
  param V, W : linear strict lower
  param s : scale with diag >= 0.5
  map x {
    let d = 1 + abs(W(x))
    return V(x) / d + 2 / s + logit(0.1 + 0.8 * sigmoid(V(x))) - log(d) + h(V(x)) / softplus(V(x)) / D
  }
}
net N from Vec[D] to (Vec[D], Vec[D]) {
  param V : linear strict lower
  param n : net In(h = soft)
  map x -> (V(x), n(x))
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param n : net N from Vec[D] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x)
    return x * exp(a) + m
  }
}
