# proves: A: invertible
# class: A: dense, bijection by composition
# -(x - V(x))
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> V(x) - x
}
