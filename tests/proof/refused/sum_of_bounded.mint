# error: [E0602] invertible
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0
  map x -> s * tanh(x) + sigmoid(x)
}
