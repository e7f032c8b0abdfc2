# error: [E0701] lip <= 0.5 via rows
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with lip <= 0.5 via rows
  map x -> x + s * tanh(x)
}
