# proves: Bent: diagonal, diag > 0, invertible
# proves: Moved: invertible
# class: Bent: diagonal, diag in [0.90016, 2.09984]
# class: Moved: dense, bijection by composition
# the word is not reserved: in a program that has a function of this name it means that one
mint 1
act swish(u) = u + silu(u)
net Rows(h: Act = swish) from Vec[D] to Vec[D] {
  param V : linear with lip <= 0.3
  map x -> swish(V(h(x)))
}
layer Bent on Vec[D] ensures diagonal, diag > 0, invertible { map x -> swish(x) }
layer Moved on Vec[D] ensures invertible {
  param n : net Rows(h = elu)
  map x -> x + n(x)
}
