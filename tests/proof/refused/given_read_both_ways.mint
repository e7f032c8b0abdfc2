# the net reads the variable as well as the context, and its masks do not keep it strict
# error: [E0402] n(x, y)
mint 1
net Both from Vec[D], Vec[M] to Vec[D] {
  param V : linear from Vec[D] to Vec[D]
  param U : linear from Vec[M] to Vec[D]
  map x, y -> tanh(V(x) + U(y))
}
layer A on Vec[D] given y : Vec[M] ensures lower, diag > 0, invertible {
  param n : net Both from Vec[D], Vec[M] to Vec[D]
  map x -> x + n(x, y)
}
