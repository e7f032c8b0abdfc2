# error: [E0304] Both(width = 2)
# only what goes on is there, in both directions
mint 1
net Both(width: Nat) from Vec[D], Vec[D] to (Vec[D], Vec[D]) {
  param U : linear from Vec[D] to Vec[width]
  param V : linear from Vec[width] to Vec[D]
  map x, y -> (V(U(x)), y)
}
flow F on Vec[4] ensures invertible { factor half (prior = Both(width = 2)) }
