# error: [E0416] x + sum[i](V[i](x))
# the bound holds for each term, and there may be any number of them
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index i : K
  param V[i] : linear with lip <= 0.5
  map x -> x + sum[i](V[i](x))
}
