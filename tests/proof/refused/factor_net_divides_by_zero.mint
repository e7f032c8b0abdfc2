# error: [E0411] V(x)
mint 1
net Prior from Vec[D] to (Vec[D], Vec[D]) {
  param V, W : linear
  map x -> (W(x), 1 / V(x))
}
flow F on Vec[4] ensures invertible {
  factor half (prior = Prior)
  prior normal
}
