# error: [E0701] lip >= 0.5
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip >= 0.5
  map x -> x + V(x)
}
