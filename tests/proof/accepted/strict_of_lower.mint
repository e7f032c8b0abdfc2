# proves: A: strict upper
# class: A: strict upper
mint 1
layer A on Vec[D] ensures strict upper {
  param V : linear upper
  param S : linear strict upper
  map x -> V(S(x)) + S(elu(V(x)))
}
