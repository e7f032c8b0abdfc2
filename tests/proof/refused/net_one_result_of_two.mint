# error: [E0304] x
mint 1
net N from Vec[D] to (Vec[D], Vec[D]) {
  map x -> x
}
layer A on Vec[D] ensures invertible {
  map x -> x
}
