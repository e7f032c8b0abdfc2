# error: [E0416] x + V(x)
# proved for bound = 1.5, the value that is used
mint 1
layer A(bound: Real) on Vec[D] {
  param V : linear with lip <= bound
  map x -> x + V(x)
}
flow F on Vec[4] ensures invertible { A(bound = 1.5) log_det exact }
