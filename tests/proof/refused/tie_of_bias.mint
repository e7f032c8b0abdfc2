# error: [E0405] b
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias
  param B : linear lower
  tie diag(b) * diag(B) >= 0
  map x -> x + B(x) + b
}
