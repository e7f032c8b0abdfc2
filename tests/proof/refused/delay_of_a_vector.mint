# error: [E0304] delay(x)
mint 1
net N from Vec[D] to Vec[D] {
  map x -> delay(x)
}
layer A on Vec[D] ensures invertible {
  map x -> x
}
