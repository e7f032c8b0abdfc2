# proves: Cond: lower, diag > 0, invertible
# proves: Own: diag > 0, invertible
# proves: A: invertible, log_det exact, inverse iterative
# class: Cond: lower, diag in (0, inf)
# class: Own: diagonal, diag in (0, inf)
# class: A: lower, diag in (0, inf)
# a layer that a formula applies takes the context of that name; what data set is set where it is applied
mint 1
net N from Vec[D], Vec[M] to Vec[D] {
  param V : linear strict lower from Vec[D] to Vec[D]
  param U : linear from Vec[M] to Vec[D]
  map x, y -> tanh(V(x) + U(y))
}
layer Cond on Vec[D] given y : Vec[M] ensures lower, diag > 0, invertible {
  param n : net N from Vec[D], Vec[M] to Vec[D]
  map x -> x * exp(n(x, y)) + n(x, y)
}
layer Own on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0 init from_data
  map x -> s * x
}
layer A on Vec[D] given y : Vec[M] ensures invertible, log_det exact, inverse iterative {
  map x {
    let (a, b) = split(x, halves)
    return join(a, Cond(Own(b) + a))
  }
}
