# error: [E0215] Shift
mint 1
layer Shift on Vec[D] given y : Vec[M] ensures invertible {
  param V : linear from Vec[M] to Vec[D]
  map x -> x + V(y)
}
flow F on Vec[6] given c : Vec[3] ensures invertible { Shift  prior normal }
