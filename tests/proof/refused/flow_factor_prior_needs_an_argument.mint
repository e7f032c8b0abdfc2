# error: [E0210] Split
mint 1
net Split(width: Nat) from Vec[D] to (Vec[D], Vec[D]) {
  param U : linear from Vec[D] to Vec[width]
  param V : linear from Vec[width] to Vec[D]
  map x -> (V(U(x)), x)
}
flow F on Vec[4] ensures invertible { factor half (prior = Split) }
